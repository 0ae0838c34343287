"""The kernels without viper, for CPython and for MicroPython ports without a native emitter."""
