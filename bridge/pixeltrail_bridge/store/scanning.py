"""Looks for an ID in everything a store holds: each text and blob of each table, whatever its name, and objects.

An ID is found where it stands by itself: as a CBOR text of just that length, or between characters that no ID goes on
with. So `oven-1` is not found in `oven-12`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

from .database import SqlStore
from .packs import Block, read_block

_PAGE: Final = 500
_LEAST_ENCODED: Final = (
    8  # bytes of an ID whose base64 or hex is worth looking for: shorter ones are anywhere
)
_ID_BYTE: Final = rb"[A-Za-z0-9_\-]"
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*")
_FIRST: Final = (0, 2, 3)  # letters before a form's first, within its four
_AROUND: Final = 16  # letters of base64 before and after an ID that say whether it stands by itself


def cbor_text(text: str) -> bytes:
    """A text as devices write it."""
    data = text.encode()
    size = len(data)
    if size < 24:
        return bytes((0x60 + size,)) + data
    return (b"\x78" + bytes((size,)) if size < 256 else b"\x79" + size.to_bytes(2)) + data


class Needle:
    """An ID in all the forms in which anything here is written."""

    def __init__(self, text: str) -> None:
        self.raw = text.encode("utf-8", "surrogatepass")
        escaped = re.escape(self.raw)
        alone = rb"(?<!" + _ID_BYTE + rb")" + escaped + rb"(?!" + _ID_BYTE + rb")"
        forms = [re.escape(cbor_text(text)), alone]
        if len(self.raw) >= _LEAST_ENCODED:
            forms += [re.escape(self.raw.hex().encode()), re.escape(self.raw.hex().upper().encode())]
        self._pattern = re.compile(b"|".join(forms))
        encoded = _base64_forms(self.raw) if len(self.raw) >= _LEAST_ENCODED else []
        self._encoded = [(shift, re.compile(re.escape(one))) for shift, one in enumerate(encoded)]

    def is_in(self, data: bytes) -> bool:
        return self._pattern.search(data) is not None or any(
            self._pattern.search(_decoded_around(data, found.start() - _FIRST[shift], found.end()))
            for shift, form in self._encoded
            for found in form.finditer(data)
        )

    @property
    def parts(self) -> list[bytes]:
        """What a database can look for; `is_in` has the last word."""
        if len(self.raw) < _LEAST_ENCODED:
            return [self.raw]
        encoded = self.raw.hex().encode()
        return [self.raw, encoded, encoded.upper(), *_base64_forms(self.raw)]


def _base64_forms(raw: bytes) -> list[bytes]:
    """How it looks inside of something longer, at each of the three places where it may begin."""
    forms = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        start = -(-shift * 8 // 6)
        end = (shift + len(raw)) * 8 // 6
        forms.append(text[start:end])
    return forms


def _decoded_around(data: bytes, start: int, end: int) -> bytes:
    """Base64 from `start`, where four letters begin, with what stands around it.

    The form inside has not all bits of the ID, so that it is in `oven-0012` as much as in `oven-0013`.
    """
    least = max(start - _AROUND, 0)
    while start - 4 >= least and _BASE64.fullmatch(data, start - 4, start):
        start -= 4
    text = _BASE64.match(data, max(start, 0), end + _AROUND)
    letters = text.group() if text else b""
    spare = len(letters) % 4
    letters = letters[:-1] if spare == 1 else letters + b"=" * (-spare % 4)
    return base64.b64decode(letters)


def columns(store: SqlStore) -> list[tuple[str, str]]:
    """Table and column of each text and blob that there is."""
    return [(str(table), str(column)) for table, column in store._all(store.texts_query)]


def tables(store: SqlStore) -> list[str]:
    return [str(name) for (name,) in store._all(store.tables_query)]


def row_counts(store: SqlStore) -> dict[str, int]:
    return {name: int(store._all(f'SELECT count(*) FROM "{name}"')[0][0]) for name in tables(store)}


def find_in_tables(store: SqlStore, needle: Needle) -> dict[str, int]:
    """By `table.column`: values that hold the ID."""
    found: dict[str, int] = {}
    for table, column in columns(store):
        as_bytes = store.as_bytes.format(f'"{column}"')
        count = 0
        for part in needle.parts:
            query = f'SELECT {as_bytes} FROM "{table}" WHERE {store.contains.format(as_bytes)}'
            count += sum(needle.is_in(bytes(value)) for (value,) in store._all(query, part))
        if count:
            found[f"{table}.{column}"] = count
    return found


def find_in_objects(store: SqlStore, needle: Needle, without: set[tuple[str, int]]) -> Iterator[Any]:
    """Device, session ID and bytes of each block with the ID, of sessions that are not known to have it."""
    query = (
        "SELECT d.device_id, p.session_id, p.name, b.stream, b.first, b.last, b.start, b.size, b.digest, b.entries"
        " FROM packs p JOIN packed b ON b.pack = p.no JOIN devices d ON d.no = p.device ORDER BY p.no, b.start"
    )
    for device_id, session_id, name, stream, first, last, start, size, digest, entries in store._all(query):
        if (device_id, session_id) in without:
            continue
        data = read_block(store.packs.objects, Block(stream, first, last, start, size, digest, entries, name))
        if needle.is_in(data):
            yield device_id, session_id, data


def events_with(store: SqlStore, text: str) -> Iterator[Any]:
    """ID, device number, session ID and payload of the events that may be about somebody.

    An event comes more than once where rules have given a sink a payload of its own.
    """
    own = (
        "SELECT e.id, e.device, e.session_id, v.payload FROM deliveries v JOIN events e ON e.id = v.event"
        " WHERE v.payload IS NOT NULL AND " + store.contains.format("v.payload")
    )
    yield from store._all(own, text.encode("utf-8", "surrogatepass"))
    last = 0
    query = (
        "SELECT id, device, session_id, payload FROM events WHERE id > ? AND "
        + store.contains.format("payload")
        + f" ORDER BY id LIMIT {_PAGE}"
    )
    while rows := store._all(query, last, text.encode("utf-8", "surrogatepass")):
        yield from rows
        last = rows[-1][0]


def chunks_with(store: SqlStore, text: str) -> Iterator[Any]:
    """Key, session ID, device and bytes of the stored chunks with a text in them."""
    last = -1
    query = (
        "SELECT c.key, c.session_id, d.device_id, c.data FROM chunks c JOIN streams s ON s.no = c.key / 1073741824"
        " JOIN devices d ON d.no = s.device WHERE c.key > ? AND "
        + store.contains.format("c.data")
        + f" ORDER BY c.key LIMIT {_PAGE}"
    )
    while rows := store._all(query, last, cbor_text(text)):
        yield from rows
        last = rows[-1][0]
