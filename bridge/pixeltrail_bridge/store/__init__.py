"""Where everything that a device was told is safe lies."""
