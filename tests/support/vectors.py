"""schema/vectors/ as tests use it: messages as bytes, and what they mean as JSON.

A meaning is {"type": "Chunk", field: value, ...} with the fields of wire/messages.py; bytes are hex, a record is
{"time_ms": ..., "type": ..., ...}.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
from pixeltrail_bridge.wire import messages as m

FOLDER = Path(__file__).resolve().parents[2] / "schema" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.json").read_text())["vectors"]


def to_json(value: Any) -> Any:
    """A message as JSON can hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, m.Chunk):
        records = [{"time_ms": record.time_ms, **to_json(record.body)} for record in value.records]
        return {
            "type": "Chunk",
            "stream": value.stream.hex(),
            "seq": value.seq,
            "time_ms": value.time_ms,
            "records": records,
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, msgspec.Struct):
        return {
            "type": type(value).__name__,
            **{name: to_json(getattr(value, name)) for name in value.__struct_fields__},
        }
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value
