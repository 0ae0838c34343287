"""Viper's types, as names that take and give anything.

They are casts of a machine word: a kernel declares `ptr8` and is called with a bytearray, a bytes or a memoryview, so
any narrower type would be wrong at one end. `./dev lint` puts this file in place of the published stubs' own.
"""

from typing import Any

ptr: Any
ptr8: Any
ptr16: Any
ptr32: Any
uint: Any
