"""Viper kernels: the caller checks every length, they check nothing. A board loads only those its display needs."""
