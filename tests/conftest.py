"""Options shared by all tests.

`--all` also runs what is marked slow. `--corpus FOLDER` replaces the recorded sequences of tests/data/corpus;
a test that takes `sequence` runs once for each. `--device=PORT --board=NAME` runs the scenarios of tests/hil on a
board. With `CI=true` a skipped test counts as failed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import corpus
from tests.support.services import Postgres, postgres

# How long an example takes is the machine's affair; else as Hypothesis has it, with CI=true and without.
settings.register_profile(
    "untimed", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pixeltrail")
    group.addoption("--all", action="store_true", help="run slow tests too")
    group.addoption("--corpus", type=Path, default=corpus.DEFAULT_FOLDER, help="folder of recorded sequences")
    group.addoption("--device", default="sim", help="serial port of a board for tests/hil, or sim")
    group.addoption("--board", default="pico-w-ssd1306", help="the board at --device")


def pytest_configure() -> None:
    # A shell has what it starts in the background ignore Ctrl-C, and our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _log_to_standard_error()


def _log_to_standard_error() -> None:
    """As the bridge does. A bridge inside a test logs when it likes, also while a command prints what is compared."""
    structlog.reset_defaults()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sequence" in metafunc.fixturenames:
        sequences = corpus.load_all(metafunc.config.getoption("--corpus"))
        metafunc.parametrize("sequence", sequences, ids=[sequence.name for sequence in sequences])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI=true forbids: {report.longrepr}"


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    """What a command sets for its whole process ends with its test."""
    umask = os.umask(0o022)
    os.umask(umask)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    on_hangup = signal.getsignal(signal.SIGHUP)
    on_error, on_thread_error = sys.excepthook, threading.excepthook
    yield
    os.umask(umask)
    _log_to_standard_error()
    root.handlers = handlers
    root.setLevel(level)
    signal.signal(signal.SIGHUP, on_hangup)
    sys.excepthook, threading.excepthook = on_error, on_thread_error


@pytest.fixture
def corpus_folder(request: pytest.FixtureRequest) -> Path:
    return request.config.getoption("--corpus")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server
