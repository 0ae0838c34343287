"""Keys of devices and certificates of servers: made, kept and written down in the form that brokers read.

Everything lies in one folder, `keys` in the data folder, which nobody but its owner may enter. A device's key itself
is shown once, when it is made; what stays are its hashes.
"""

from typing import Final

FOLDER: Final = "keys"
