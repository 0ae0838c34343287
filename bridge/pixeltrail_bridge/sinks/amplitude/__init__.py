"""Amplitude without Segment in between: what Segment's Amplitude (Actions) destination sends, sent by the bridge.

An event passes triggers.py (which mappings take it), directives.py (what their fields take from it), schema.py (does
it fit), actions.py (what goes out), and sink.py (in which request, and what the answer means).
"""

from __future__ import annotations

from .actions import Habits
from .mappings import MappingOptions, MappingRule
from .settings import AmplitudeSettings
from .sink import AmplitudeSink, preview

__all__ = [
    "AmplitudeSettings",
    "AmplitudeSink",
    "Habits",
    "MappingOptions",
    "MappingRule",
    "preview",
]
