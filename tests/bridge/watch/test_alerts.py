"""What is told, when, and that it arrives."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pixeltrail_bridge.watch import alerts
from pixeltrail_bridge.watch.alerts import Alerts, Webhook
from pixeltrail_bridge.watch.conditions import Condition

DISK = Condition("disk", "disk", "little room")
HOUR_MS = 3_600_000


def told(news: list[alerts.Alert]) -> list[tuple[str, str]]:
    return [(one.state, one.condition.text) for one in news]


def test_an_alert_is_told_once_again_when_it_lasts_and_when_it_is_over() -> None:
    desk = Alerts(repeat_ms=HOUR_MS)
    assert told(desk.update([DISK], 0)) == [("firing", "little room")]
    less = Condition("disk", "disk", "less room")
    assert desk.update([less], HOUR_MS - 1) == []
    assert [one.condition.text for one in desk.standing] == ["less room"]
    assert told(desk.update([less], HOUR_MS)) == [("firing", "less room")]
    assert desk.update([less], HOUR_MS + 1) == []
    assert told(desk.update([], HOUR_MS + 2)) == [("resolved", "less room")]
    assert desk.standing == []


def test_without_repeats_each_is_told_once() -> None:
    desk = Alerts(repeat_ms=0)
    desk.update([DISK], 0)
    assert desk.update([DISK], 1 << 50) == []


def test_the_webhook_tries_again_and_keeps_only_the_newest_state(monkeypatch: Any) -> None:
    monkeypatch.setattr(alerts, "backoff_ms", lambda failures: 1)
    posts: list[dict[str, Any]] = []

    async def run() -> Webhook:
        all_told = asyncio.Event()

        async def hook(request: web.Request) -> web.Response:
            posts.append(await request.json())
            if len(posts) < 3:
                return web.Response(status=503)
            if posts[-1]["state"] == "resolved":
                all_told.set()
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_post("/hook", hook)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        webhook = Webhook(url, "ab12")
        desk = Alerts(repeat_ms=0)
        webhook.tell(desk.update([DISK], 0))
        task = asyncio.create_task(webhook.run())
        while webhook.sent == 0:
            await asyncio.sleep(0)
        webhook.tell(desk.update([], 60_000))
        await all_told.wait()
        while webhook.sent < 2:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()
        return webhook

    webhook = asyncio.run(run())
    assert [post["state"] for post in posts] == ["firing", "firing", "firing", "resolved"]
    assert posts[0] == {
        "text": "Pixeltrail: little room",
        "state": "firing",
        "alert": "disk",
        "key": "disk",
        "since": "1970-01-01T00:00:00+00:00",
        "bridge": "ab12",
    }
    assert (webhook.sent, webhook.failed, webhook.problem) == (2, 2, None)


def test_an_address_that_cannot_be_reached_is_no_secret_told(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(alerts, "backoff_ms", lambda failures: 1)

    async def run() -> Webhook:
        webhook = Webhook("http://127.0.0.1:1/hooks/T000-secret", "ab12")
        webhook.tell(Alerts(0).update([DISK], 0))
        task = asyncio.create_task(webhook.run())
        while webhook.failed < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return webhook

    webhook = asyncio.run(run())
    assert webhook.problem
    written = "".join(capsys.readouterr())
    assert "could not be posted" in written
    assert "secret" not in written + webhook.problem
