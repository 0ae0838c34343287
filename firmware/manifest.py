# What `mpremote mip`, a frozen build and the installer of the boards put on a device. Files are named one by one, so
# that a serial-only install carries no MQTT: include("manifest.py", mqtt=False).
metadata(description="Session replay for devices with a display", version="0.1.0")

options.defaults(mqtt=True, serial=True, file=False)
