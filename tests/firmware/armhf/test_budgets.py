"""Counts against budgets.toml: exact, the same on every machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.firmware.armhf import measures
from tests.support import corpus

SLACK = 1.005  # an update of the interpreter may cost a little
FRAMES = 8  # of each sequence
BUDGETS = tomllib.loads((Path(__file__).parent / "budgets.toml").read_text())


def check(table: str, name: str, counted: float) -> None:
    budget = BUDGETS[table][name]
    assert counted <= budget * SLACK, f"{table}.{name}: {counted:,} against {budget:,}"


@pytest.mark.parametrize("frame", BUDGETS["hash_pass"])
def test_the_hash_pass(frame: str) -> None:
    check("hash_pass", frame, measures.hash_pass(frame))


@pytest.mark.parametrize("frame", BUDGETS["hash_pass_armv6m"])
def test_the_hash_pass_on_a_cortex_m0(frame: str) -> None:
    check("hash_pass_armv6m", frame, measures.hash_pass(frame, "armv6m"))


@pytest.mark.parametrize("panel", BUDGETS["unchanged"])
def test_a_refresh_with_nothing_changed(panel: str) -> None:
    check("unchanged", panel, measures.unchanged(panel))


def test_a_refresh_with_nothing_changed_frozen_from_source() -> None:
    check("unchanged_as_compiled", "rgb565_320x240", measures.unchanged("rgb565_320x240", as_compiled=True))


@pytest.mark.parametrize("panel", BUDGETS["off"])
def test_a_refresh_with_the_recorder_off(panel: str) -> None:
    check("off", panel, measures.unchanged(panel, "off"))


@pytest.mark.parametrize("panel", BUDGETS["idle_poll"])
def test_a_step_with_nothing_to_do(panel: str) -> None:
    check("idle_poll", panel, measures.unchanged(panel, "poll"))


@pytest.mark.parametrize("what", BUDGETS["small"])
def test_small_things(what: str) -> None:
    check("small", what, measures.small(what))


@pytest.mark.parametrize("what", BUDGETS["signing"])
def test_a_signed_message(what: str) -> None:
    check("signing", what, measures.signed(what))


def test_ram_of_signing() -> None:
    for what, size in measures.signing_ram().items():
        check("signing_ram", what, size)


@pytest.mark.parametrize("name", BUDGETS["coded_pixel"])
def test_a_coded_pixel(name: str) -> None:
    """From the recordings kept here; `--corpus` changes nothing."""
    check("coded_pixel", name, measures.coded(corpus.load(name), FRAMES).each)


def test_nothing_is_left_on_the_heap() -> None:
    assert measures.steady_heap() == 0


@pytest.mark.parametrize("panel", BUDGETS["ram"])
def test_ram(panel: str) -> None:
    check("ram", panel, measures.ram(panel).recorder)


@pytest.mark.parametrize("link", BUDGETS["heap"])
def test_heap_of_the_library(link: str) -> None:
    check("heap", link, measures.heap_of_library(link))


@pytest.mark.parametrize("panel", BUDGETS["kernels"])
def test_flash_of_kernels(panel: str) -> None:
    check("kernels", panel, sum(measures.kernel_sizes(panel).values()))


def test_counts_do_not_wander() -> None:
    assert measures.hash_pass("mono_128x64") == measures.hash_pass("mono_128x64")
