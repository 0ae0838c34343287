"""`pixeltrail forget`: delete all that there is of a device, a user or a session, and prove it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LocalError
from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, open_store, print_table

if TYPE_CHECKING:
    from ..config import Config
    from ..forgetting.finding import Subject
    from ..forgetting.forget import Place, Report
    from ..store.database import SqlStore

_HEADS = ("Vendor", "Asked", "Of", "State", "Tries", "Answer")


def run(
    device: Annotated[
        str | None, typer.Option("--device", help="ID of a device or an app.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="ID of a user.", show_default=False)] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="DEVICE/SESSION", help="One session.", show_default=False),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Take what comes later; without it nothing is taken any more.")
    ] = False,
    readmit: Annotated[
        bool, typer.Option("--readmit", help="Delete nothing: take again what comes from now on.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="After an older copy was put back: forget all once more.")
    ] = False,
    stones_file: Annotated[
        Path | None,
        typer.Option("--erasures", help="With --again: another erasures.jsonl to go by.", show_default=False),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="How far the vendors' deletions are.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="PostgreSQL: write tables anew, which locks them meanwhile.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write the report here, as JSON.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Delete all that there is of a device, a user or a session. A bridge may run meanwhile."""
    settings = load_config(config, set_)
    if status:
        _print_status(settings, as_json)
        return
    with open_store(settings) as store:
        place = _place(settings, full)
        if again or stones_file is not None:
            from ..forgetting.forget import again as forget_again

            counts = forget_again(store, place, stones_file, _now_ms)
            print(
                json.dumps(dict(counts)) if as_json else f"{sum(counts.values()):,} rows and files deleted."
            )
            return
        subject = _subject(settings, device, user, session)
        if readmit:
            _readmit(store, subject, place.folder)
            print("What comes from now on is taken; what was before stays forgotten.")
            return
        if not yes:
            typer.confirm("This deletes all of it for good. Go on?", abort=True)
        if device and not go_on:
            _revoke_keys(settings, device)
        _print_report(_forget(settings, store, subject, place, not go_on), report, as_json)


def _forget(settings: Config, store: SqlStore, subject: Subject, place: Place, refuses: bool) -> Report:
    from ..forgetting.forget import forget

    return forget(
        store,
        subject,
        place,
        now_ms=_now_ms,
        refuses=refuses,
        ask_vendors=_vendors(settings, store),
    )


def _revoke_keys(settings: Config, device_id: str) -> None:
    """Of a device that nothing is taken of any more: its ID stands beside its keys."""
    from ..app.exposure import keys_folder
    from ..keys.ring import KeyRing

    ring = KeyRing(keys_folder(settings))
    if device_id in ring.devices():
        ring.revoke(device_id)


def _subject(settings: Config, device: str | None, user: str | None, session: str | None) -> Subject:
    from ..app.rules import user_aliases
    from ..forgetting.finding import Subject

    given = [one for one in (device, user, session) if one]
    if len(given) != 1:
        raise LocalError("name one of --device ID, --user ID and --session DEVICE/SESSION")
    if device:
        return Subject("device", device)
    if user:
        return Subject("user", user, aliases=user_aliases(settings, user))
    name, _, number = str(session).rpartition("/")
    if not name or not number.isdecimal():
        raise LocalError("--session: expected DEVICE/SESSION, as `pixeltrail sessions` lists both")
    return Subject("session", name, int(number))


def _place(settings: Config, full: bool) -> Place:
    from ..app.diagnosis import is_running
    from ..app.parts import event_files
    from ..forgetting.forget import Place

    folder = settings.bridge.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    return Place(folder, event_files(settings), is_running(folder), full)


def _vendors(settings: Config, store: SqlStore) -> Callable[[Subject, bytes], list[dict[str, Any]]]:
    from ..app import parts
    from ..sinks.privacy_rules import AMPLITUDE, SEGMENT
    from ..store import requests
    from ..store.tombstones import digest_of, salt_of

    asked = [
        name
        for name, is_set in (
            (SEGMENT, parts.segment_privacy(settings)),
            (AMPLITUDE, parts.amplitude_privacy(settings)),
        )
        if is_set is not None
    ]

    def ask(subject: Subject, digest: bytes) -> list[dict[str, Any]]:
        why = "" if subject.kind == "user" else "this vendor deletes users, by their ID, and nothing else"
        for vendor in asked:
            requests.ask(store, vendor, subject.kind, subject.text, digest, _now_ms(), why)
            for alias in sorted(subject.aliases):
                # A vendor whose events a rule changed knows the user by this, and by nothing else.
                own = digest_of(store.commit_batch(lambda tx: salt_of(tx.db)), subject.kind, alias)
                requests.ask(store, vendor, subject.kind, alias, own, _now_ms(), why)
        return [{"vendor": vendor, "state": "unsupported" if why else "waiting"} for vendor in asked]

    return ask


def _readmit(store: SqlStore, subject: Subject, folder: Path) -> None:
    from ..forgetting import erasing, stones
    from ..forgetting.finding import Subject

    row = erasing.readmit(store, subject, _now_ms())
    if row is None:
        raise LocalError("nothing of this name was forgotten here")
    others = [erasing.readmit(store, Subject("user", one), _now_ms()) for one in sorted(subject.aliases)]
    stones.append(folder, [row, *(one for one in others if one is not None)])


def _print_report(report: Report, file: Path | None, as_json: bool) -> None:
    content = report.as_json()
    if file is not None:
        file.write_text(json.dumps(content, indent=2) + "\n")
    if as_json:
        print(json.dumps(content))
    else:
        print(f"{report.kind} {report.digest}: {report.sessions:,} sessions")
        rows = [
            (table, f"{at['before']:,}", f"{at['erased']:,}", f"{at['after']:,}")
            for table, at in content["rows"].items()
            if at["erased"]
        ]
        rows += [(name, "", f"{count:,}", "") for name, count in content["files"].items()]
        print_table(("Where", "Before", "Deleted", "After"), rows, numbers={"Before", "Deleted", "After"})
        for vendor in report.vendors:
            print(f"{vendor['vendor']}: {vendor['state']}; see `pixeltrail forget --status`")
        if report.earlier_backups:
            print(
                f"{report.earlier_backups} backups are older: delete them, or what they bring back is deleted again."
            )
    if not report.is_clean:
        for where, count in report.left.items():
            print(f"still found in {where}: {count}")
        for words in report.open:
            print(words)
        raise typer.Exit(1)
    if not as_json:
        print("Nothing of it was found afterwards.")


def _print_status(settings: Config, as_json: bool) -> None:
    from ..store.requests import requests

    with open_store(settings) as store:
        rows = requests(store)
    if as_json:
        for row in rows:
            about = {
                "vendor": row.vendor,
                "kind": row.kind,
                "hash": row.digest.hex(),
                "state": row.state,
                "asked_ms": row.asked_ms,
                "attempts": row.attempts,
                "status": row.status,
                "answer": row.answer,
                "settled_ms": row.settled_ms,
            }
            print(json.dumps(about))
        return
    if not rows:
        print("No vendor was asked to delete anything.")
        return
    print_table(
        _HEADS,
        (
            (row.vendor, clock_time(row.asked_ms), row.digest.hex(), row.state, str(row.attempts), row.answer)
            for row in rows
        ),
        numbers={"Tries"},
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
