"""The example of docs/sinks.md, as it is printed there, keeps what a sink must keep."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web
from pixeltrail_bridge.app import parts
from pixeltrail_bridge.config import load
from pixeltrail_bridge.delivery import Delivery
from pixeltrail_bridge.mapping.calls import OutboxRow, Settled

from tests.support.requirements import ROOT

from .rows import NOW_MS, MemoryOutbox, row

PAGE = (ROOT / "docs" / "sinks.md").read_text()


def block(language: str, word: str) -> str:
    (found,) = [b for b in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S) if word in b]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_sinks.py").write_text(block("python", "Webhook"))
    sys.modules.pop("my_sinks", None)
    return tmp_path


def test_every_event_arrives_in_order_or_is_refused_with_a_reason(folder: Path) -> None:
    taken: list[str] = []
    asked: Counter[str] = Counter()

    async def hook(request: web.Request) -> web.Response:
        event = await request.json()
        name = event["messageId"]
        assert request.headers["Idempotency-Key"] == name
        asked[name] += 1
        if name.endswith("-3"):
            return web.Response(status=422, text="no such event")
        if name.endswith(("-4", "-7")) and asked[name] < 3:
            return web.Response(status=503, text="busy")
        taken.append(name)
        return web.Response(text="thanks")

    rows = [row(n, f"dev-{n % 2}") for n in range(10)]
    outbox = MemoryOutbox(rows)

    async def run() -> list[str | None]:
        app = web.Application()
        app.router.add_post("/hook", hook)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        text = block("toml", "sinks.custom").replace("https://example.com/hook", address)
        (folder / "pixeltrail.toml").write_text(text)
        (sink,) = parts.make_sinks(load(folder / "pixeltrail.toml"))
        turns = iter(range(1 << 30))
        far = NOW_MS * 2  # each look of the bridge is a minute later
        delivery = Delivery(outbox, [sink], now_ms=lambda: far + next(turns) * 60_000)
        alarms: list[str | None] = []
        deliver = sink.deliver

        async def watched(rows: Sequence[OutboxRow]) -> list[Settled]:
            results = await deliver(rows)
            alarms.append(sink.alarm)
            return results

        sink.deliver = watched  # type: ignore[method-assign]
        await delivery.start()
        async with asyncio.timeout(20):
            while outbox.waiting:
                delivery.wake()
                await asyncio.sleep(0.002)
        await delivery.stop()
        alarms.append(sink.alarm)
        await runner.cleanup()
        return alarms

    alarms = asyncio.run(run())
    for device in range(2):
        expected = [one.message_id for one in rows[device::2] if one.id != 3]
        assert [name for name in taken if name.startswith(f"px-dev-{device}")] == expected
    assert len(taken) == len(set(taken)) == 9
    assert (outbox.settled[3].state, outbox.settled[3].answer) == ("dead", "no such event")
    assert any(alarm and "503" in alarm for alarm in alarms) and alarms[-1] is None
