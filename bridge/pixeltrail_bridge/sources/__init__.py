"""Where bytes of devices come from."""
