"""Move all that a bridge keeps between SQLite and PostgreSQL, and between a folder of objects and S3, while it runs."""

from __future__ import annotations

from .move import Move, Report, Side

__all__ = ["Move", "Report", "Side"]
