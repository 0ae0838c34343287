# ruff: noqa: F821
# What a frozen build and the installers put on a board. Transports are chosen, so that a serial-only install carries no
# MQTT: include("manifest.py", mqtt=False).

metadata(description="Session replay for devices with a display", version="0.1.0", license="MIT")
options.defaults(mqtt=True, serial=True, file=False)
