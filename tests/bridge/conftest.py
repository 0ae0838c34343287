"""Stores of both kinds for every test that takes `place`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.services import Postgres, postgres
from tests.support.stores import Place, PostgresPlace, SqlitePlace


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for a store."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "store.db")
    return PostgresPlace(request.getfixturevalue("postgres_server").url)
