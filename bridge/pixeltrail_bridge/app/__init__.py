"""The bridge: the only place that wires its parts together."""

from .bridge import Bridge, running, until_signal
from .logs import set_up_logging

__all__ = ["Bridge", "running", "set_up_logging", "until_signal"]
