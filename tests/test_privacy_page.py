"""docs/privacy.md knows every table there is, and what it says of settings is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pixeltrail_bridge.config.privacy import RetentionSettings
from pixeltrail_bridge.mapping import display
from pixeltrail_bridge.store import scanning, tombstones

from tests.support.requirements import ROOT
from tests.support.services import Postgres
from tests.support.stores import Place, PostgresPlace, SqlitePlace

PAGE = (ROOT / "docs" / "privacy.md").read_text()
# Of the databases, of migrations, and of leases: numbers.
OWN = {"sqlite_sequence", "schema_version", "outbox_slots"}


def listed() -> dict[str, list[str]]:
    """Rows of the list of tables, by name."""
    part = PAGE.split("## Where everything lies")[1].split("| file or folder |")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row for row in rows}


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("postgres_server")
    return PostgresPlace(server.url)


def test_every_table_stands_on_the_page_and_none_that_is_not_there(place: Place) -> None:
    store = place.open()
    assert set(scanning.tables(store)) - OWN == set(listed())
    store.close()


def test_every_row_says_how_long_and_how_it_is_forgotten() -> None:
    times = {f"`{name}`" for name in RetentionSettings.__dataclass_fields__}
    for name, row in listed().items():
        assert len(row) == 4 and all(row), name
        assert row[2] in times or not row[2].startswith("`"), f"{name}: {row[2]} is no setting"


def test_every_time_of_retention_is_explained() -> None:
    for name in RetentionSettings.__dataclass_fields__:
        assert re.search(rf"^{name} = ", PAGE, re.M) and f"`{name}`" in PAGE


def test_what_is_made_of_recordings_is_called_as_mapping_calls_it() -> None:
    assert tombstones.DISPLAY_CHANGED == display.DISPLAY_CHANGED
