"""The HTTP APIs, sent whatever their descriptions allow and more: no fault of ours, and answers as they are described.

Bounded here; `pytest tests/security/test_api.py --all` sends a hundred times as much.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pixeltrail_bridge.web import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.security.kit import LOOPBACK, bridge
from tests.security.test_web import routes_of
from tests.support.requirements import ROOT
from tests.support.sessions import record_session

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KEY = "the-key-of-the-apps"
APP = {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}
FEW = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}
PAGE = schemathesis.openapi.from_dict(openapi.describe())
APPS = schemathesis.openapi.from_dict(json.loads((ROOT / "schema" / "apps-api.json").read_text()))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Of the page and of the apps' address, over a recorded session."""
    folder = tmp_path_factory.mktemp("api")
    record_session(folder / "data", "mono_invaders", 5)
    (folder / "key").write_text(KEY)
    apps = (
        "mobile.enabled=true",
        f"mobile.write_key_file={folder / 'key'}",
        "mobile.max_events_per_s=1000000",
    )
    with bridge(folder / "data", *apps) as one:
        assert one.web_port is not None and one.mobile is not None
        yield one.web_port, one.mobile.port


@PAGE.parametrize()
@settings(max_examples=3, **FEW)  # type: ignore[arg-type]
def test_the_page_answers_as_it_describes(case: Any, ports: tuple[int, int]) -> None:
    case.call_and_validate(
        base_url=f"http://{LOOPBACK}:{ports[0]}", headers={"x-pixeltrail": "1"}, checks=CHECKS
    )


@APPS.parametrize()
@settings(max_examples=3, **FEW)  # type: ignore[arg-type]
def test_the_apps_address_answers_as_it_describes(case: Any, ports: tuple[int, int]) -> None:
    case.call_and_validate(base_url=f"http://{LOOPBACK}:{ports[1]}", headers=APP, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@PAGE.parametrize()
@settings(max_examples=300, **FEW)  # type: ignore[arg-type]
def test_the_page_answers_as_it_describes_at_length(case: Any, ports: tuple[int, int]) -> None:
    case.call_and_validate(
        base_url=f"http://{LOOPBACK}:{ports[0]}", headers={"x-pixeltrail": "1"}, checks=CHECKS
    )


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@APPS.parametrize()
@settings(max_examples=600, **FEW)  # type: ignore[arg-type]
def test_the_apps_address_answers_as_it_describes_at_length(case: Any, ports: tuple[int, int]) -> None:
    case.call_and_validate(base_url=f"http://{LOOPBACK}:{ports[1]}", headers=APP, checks=CHECKS)


def test_every_address_is_described(tmp_path_factory: pytest.TempPathFactory) -> None:
    """And nothing is described that there is not."""
    described = {(one.method, one.path) for one in openapi.ADDRESSES}
    filled = set()
    for method, path in described:
        for name in openapi._IN_PATH:
            path = path.replace(f"{{{name}}}", "1")
        filled.add((method, path))
    with bridge(tmp_path_factory.mktemp("described")) as one:
        served = {(method, path) for method, path in routes_of(one, with_public=True) if method != "HEAD"}
    assert served == filled
