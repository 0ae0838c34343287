"""The bridge: the only place that wires its parts together."""

from ..config import DATABASE_NAME
from .bridge import Bridge, running, until_signal
from .logs import set_up_logging

__all__ = ["DATABASE_NAME", "Bridge", "running", "set_up_logging", "until_signal"]
