"""The bus of a display controller with four wires: SPI, a pin that tells commands from data, and a chip select."""


class Bus:
    def __init__(self, spi, dc, cs):
        self._spi = spi
        self._dc = dc
        self._cs = cs
        self._byte = bytearray(1)
        cs(1)

    def command(self, command, data=b""):
        self._byte[0] = command
        self._cs(0)
        self._dc(0)
        self._spi.write(self._byte)
        if data:
            self._dc(1)
            self._spi.write(data)
        self._cs(1)
