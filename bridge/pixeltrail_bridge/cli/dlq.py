"""`pixeltrail dlq`: dead letters, which is what was given up on, and why.

`m7` is a message, record or call of a device that could not be used; `e7` is event 7, which a sink refused; `p7` is
piece 7 of all recordings, which a replay sink refused. Every subcommand works through the store, so it may run beside
the bridge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LocalError
from .options import (
    ConfigOption,
    JsonOption,
    SetOption,
    clock_time,
    load_config,
    open_store,
    print_table,
    printable,
)

if TYPE_CHECKING:
    from ..store.base import DeadLetter
    from ..store.database import SqlStore

_HEADS = ("ID", "Last", "Device", "Kind or sink", "Times", "Reason")
_REASON_WIDTH = 120

app = typer.Typer(help="Show, retry or delete dead letters.", no_args_is_help=True)

Ids = Annotated[
    list[str] | None, typer.Argument(help="m7, e7, p7 ... as `list` shows them.", show_default=False)
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="Only of this device.", show_default=False)
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", "--sink", help="Only of this kind, or refused by this sink.", show_default=False),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Only with this in the reason.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All there are.")]


@dataclass(frozen=True, slots=True)
class _Found:
    """Letters of devices, and events and pieces of recordings that sinks refused."""

    messages: list[DeadLetter]
    events: list[DeadLetter]
    pieces: list[DeadLetter]

    def named(self) -> list[tuple[str, DeadLetter]]:
        """All with their IDs, newest first."""
        kinds = (("m", self.messages), ("e", self.events), ("p", self.pieces))
        found = [(f"{letter}{one.id}", one) for letter, some in kinds for one in some]
        return sorted(found, key=lambda pair: -pair[1].last_ms)


@app.command("list")
def list_(
    device: DeviceOption = None,
    kind: KindOption = None,
    reason: ReasonOption = None,
    number: Annotated[int, typer.Option("-n", "--number", help="How many, the newest.", min=1)] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """List dead letters, newest first."""
    with open_store(load_config(config, set_)) as store:
        found = _find(store, device, kind, reason, number).named()[:number]
    if as_json:
        for name, one in found:
            print(json.dumps(_describe(name, one)))
    elif found:
        print_table(_HEADS, [_cells(name, one) for name, one in found], numbers={"Times"})
    else:
        print("There are no dead letters.")


@app.command()
def show(
    ids: Ids = None, as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None
) -> None:
    """Show dead letters whole: reason, bytes, and what an event would have been."""
    with open_store(load_config(config, set_)) as store:
        found = _choose(store, ids, None, None, None, False).named()
    for name, one in found:
        described = _describe(name, one) | {"payload": _payload(one)}
        if as_json:
            print(json.dumps(described))
            continue
        for key, value in described.items():
            text = value if isinstance(value, str) else json.dumps(value)
            print(f"{key + ':':10} {printable(text)}")
        print()


@app.command()
def retry(
    ids: Ids = None,
    device: DeviceOption = None,
    kind: KindOption = None,
    reason: ReasonOption = None,
    all_: AllOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Send refused events again, and read messages again. What fails once more stays."""
    from ..app.parts import mapping_settings, sink_names
    from ..ingest.again import retry_letters
    from ..mapping.chunks import map_chunk
    from ..store import pieces

    settings = load_config(config, set_)
    with open_store(settings, sink_names(settings)) as store:
        found = _choose(store, ids, device, kind, reason, all_)
        queued = sum(store.requeue_dead(sink, events) for sink, events in _by_sink(found.events).items())
        again = pieces.requeue(store, [one.id for one in found.pieces])
        results = retry_letters(store, found.messages, map_chunk, mapping_settings(settings))
    counts = {
        "events_queued": queued,
        "pieces_queued": again,
        "messages_read": sum(one.fault is None for one in results),
        "events_added": sum(one.calls for one in results),
        "still_dead": sum(one.fault is not None for one in results),
    }
    if as_json:
        print(json.dumps(counts))
        return
    if again:
        print(f"{again} pieces of recordings wait for their sink again.")
    print(
        f"{counts['events_queued']} events wait for their sink again. {counts['messages_read']} messages could be "
        f"read and gave {counts['events_added']} events; {counts['still_dead']} stay dead letters."
    )
    for one in results:
        if one.fault is not None:
            print(f"  m{one.letter.id}: {printable(one.fault)}")


@app.command()
def purge(
    ids: Ids = None,
    device: DeviceOption = None,
    kind: KindOption = None,
    reason: ReasonOption = None,
    all_: AllOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Delete dead letters for good. Events and recordings stay in the history of their device."""
    from ..store import pieces

    with open_store(load_config(config, set_)) as store:
        found = _choose(store, ids, device, kind, reason, all_)

        def work(tx: Any) -> tuple[int, int]:
            messages = tx.drop_letters([one.id for one in found.messages])
            events = sum(tx.drop_dead_deliveries(sink, some) for sink, some in _by_sink(found.events).items())
            for one in (*found.messages, *found.events, *found.pieces):
                tx.count(one.device_id, "dead_letters_purged")
            return messages, events

        messages, events = store.commit_batch(work)
        given_up = pieces.give_up(store, [one.id for one in found.pieces])
    if as_json:
        print(json.dumps({"messages": messages, "events": events, "pieces": given_up}))
        return
    if given_up:
        print(f"Gave up {given_up} pieces of recordings for good.")
    print(f"Deleted {messages} messages, and gave up {events} events for good.")


def _find(
    store: SqlStore, device: str | None, kind: str | None, reason: str | None, limit: int = -1
) -> _Found:
    from ..store import overview, pieces

    return _Found(
        overview.find_letters(store, device, kind, reason, limit),
        overview.find_dead_deliveries(store, device, kind, reason, limit),
        pieces.dead(store, device, kind, reason, limit),
    )


def _choose(
    store: SqlStore,
    ids: list[str] | None,
    device: str | None,
    kind: str | None,
    reason: str | None,
    all_: bool,
) -> _Found:
    """What a person named; to name nothing is a mistake unless they said --all."""
    if not ids and not all_ and device is None and kind is None and reason is None:
        raise LocalError("say which: IDs as `pixeltrail dlq list` shows them, a filter, or --all")
    found = _find(store, device, kind, reason)
    if not ids:
        return found
    chosen = [(name, one) for name, one in found.named() if name in ids]
    missing = set(ids) - {name for name, _ in chosen}
    if missing:
        raise LocalError(f"there is no dead letter {', '.join(sorted(missing))}; see `pixeltrail dlq list`")
    return _Found(
        [one for name, one in chosen if name.startswith("m")],
        [one for name, one in chosen if name.startswith("e")],
        [one for name, one in chosen if name.startswith("p")],
    )


def _by_sink(events: list[DeadLetter]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in reversed(events):
        found.setdefault(one.kind, []).append(one.id)
    return found


def _cells(name: str, one: DeadLetter) -> list[str]:
    reason = printable(one.reason)
    if len(reason) > _REASON_WIDTH:
        reason = reason[: _REASON_WIDTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return [name, clock_time(one.last_ms), printable(one.device_id), one.kind, str(one.count), reason]


def _describe(name: str, one: DeadLetter) -> dict[str, Any]:
    return {
        "id": name,
        "device": one.device_id,
        "kind": one.kind,
        "reason": one.reason,
        "times": one.count,
        "first_ms": one.first_ms,
        "last_ms": one.last_ms,
        "stream": one.stream.hex() if one.stream is not None else None,
        "seq": one.seq,
        "bytes": len(one.raw),
    }


def _payload(one: DeadLetter) -> Any:
    """An event or a call as JSON, anything else as hex."""
    try:
        return json.loads(one.raw)
    except ValueError:
        return one.raw.hex()
