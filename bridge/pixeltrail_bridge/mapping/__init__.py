"""From a device's records to analytics calls. Pure: the same records give the same calls with the same IDs."""
