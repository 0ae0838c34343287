"""`pixeltrail migrate`: from SQLite to PostgreSQL and back, with objects, while the bridge runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .options import ConfigOption, SetOption, load_config
from .progress import progress

if TYPE_CHECKING:
    from ..config import Config
    from ..moving import Report

_MOST_PASSES = 5
_FEW_CHANGES = 1_000  # with which the last pass is as short as it gets
_LOOK_EVERY_S = 0.3

ToOption = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="SECTION.NAME=VALUE",
        help="Setting that is another afterwards, such as store.url; may be repeated.",
        show_default=False,
    ),
]
ToConfigOption = Annotated[
    Path | None,
    typer.Option("--to-config", help="Settings file with which the bridge goes on.", show_default=False),
]
CopyOption = Annotated[
    bool, typer.Option("--copy", help="Only copy; another run takes the rest and ends it.")
]
TakeBackOption = Annotated[
    bool, typer.Option("--take-back", help="Move nothing: start again from a store that had moved.")
]


def run(
    to: ToOption = None,
    to_config: ToConfigOption = None,
    copy: CopyOption = False,
    take_back: TakeBackOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Move all that the bridge keeps into PostgreSQL and S3, or back into a file and a folder, while it runs.

    Devices need not stop: once most is copied this waits until the bridge is stopped, takes the rest, compares both
    sides and says with which settings to go on. It may be killed at any moment and is run again then.
    """
    source = load_config(config, set_)
    if take_back:
        return _take_back(source)
    if not (to or to_config):
        raise LocalError(
            "name where to: --to store.url=postgresql://USER@HOST/NAME, --to store.url= for the data folder, or "
            "--to-config FILE"
        )
    target = load_config(to_config or config, [*(set_ or ()), *(to or ())])
    _move(source, target, copy)


def _move(source: Config, target: Config, only_copy: bool) -> None:
    from ..app.moving import bring_files, let_go, prepared

    with progress("Copying") as show:
        told = _Told(show)
        with prepared(source, target, told.tell) as move:
            print(f"From {move.old} to {move.new}.", flush=True)
            told.size = max(1, move.size_bytes())
            if not move.is_moved:
                _copy(move.copy, told)
            if only_copy:
                print("Copied; run it again without --copy once the bridge is stopped.")
                return
            with let_go(source, move, told.wait):
                told.begin()
                report = move.finish()
                brought = bring_files(source, target)
    _print_report(report)
    for path in brought:
        print(f"copied: {path}")
    _print_settings(source, target)


def _copy(one_pass: Callable[[], int], told: _Told) -> None:
    for number in range(1, _MOST_PASSES + 1):
        told.begin()
        changes = one_pass()
        print(f"Pass {number}: {changes:,} rows and objects were new or had changed.", flush=True)
        if changes <= _FEW_CHANGES:
            return


class _Told:
    """What a person sees meanwhile."""

    def __init__(self, show: Callable[[float], None]) -> None:
        self._show, self._has_waited = show, False
        self.size, self._done = 1, 0

    def begin(self) -> None:
        self._done = 0

    def tell(self, what: str, size: int) -> None:
        del what
        self._done += size
        self._show(min(1.0, self._done / self.size))

    def wait(self, reason: str) -> None:
        if not self._has_waited:
            print(
                f"Now stop the bridge, and the rest follows: {reason}. Devices keep what they have.",
                flush=True,
            )
        self._has_waited = True
        time.sleep(_LOOK_EVERY_S)


def _print_report(report: Report) -> None:
    for name, held in report.contents.items():
        if held.rows:
            print(f"{name:<18} {held.rows:>12,} rows  {held.digest}")
    if report.objects.missing:
        print(f"{report.objects.missing:,} packed recordings were missing before, and are missing still.")
    print("Both sides are the same. The old one has its mark; no bridge starts from it any more.")


def _print_settings(source: Config, target: Config) -> None:
    from ..app.moving import changed_settings
    from ..config.values import as_toml

    print("\nStart the bridge with these settings:\n")
    section = ""
    for of, name, value in changed_settings(source, target):
        if of != section:
            print(f"[{of}]")
            section = of
        print(f"{name} = {as_toml(value)}")


def _take_back(config: Config) -> None:
    from contextlib import closing

    from ..app.moving import make_end
    from ..app.parts import sole_user
    from ..moving.move import take_back

    with sole_user(config.bridge.data_dir), closing(make_end(config)) as end:
        to = take_back(end)
    print(
        f"A bridge may start from here again. What was accepted since is in {to} alone: end the bridge there for good."
    )
