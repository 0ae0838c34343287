from __future__ import annotations

import asyncio
import threading

import pytest
from pixeltrail_bridge.web.pool import Busy, Pool


def test_too_many_at_once_are_turned_away_at_once() -> None:
    gate = threading.Event()

    async def crowd() -> list[object]:
        pool = Pool("crowd", workers=1, most_waiting=2)
        jobs = [asyncio.ensure_future(pool.run(gate.wait, 60)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.run(gate.wait, 60)
        gate.set()
        found = await asyncio.gather(*jobs, return_exceptions=True)
        assert await pool.run(gate.wait, 60), "there is room again"
        pool.close()
        return found

    found = asyncio.run(crowd())
    assert [isinstance(one, Busy) for one in found] == [False] * 3 + [True] * 2


def test_who_gives_up_waiting_frees_no_thread_too_soon() -> None:
    gate = threading.Event()

    async def crowd() -> None:
        pool = Pool("crowd", workers=1, most_waiting=0)
        job = asyncio.ensure_future(pool.run(gate.wait, 60))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        with pytest.raises(Busy):
            await pool.run(gate.wait, 60)
        gate.set()
        pool.close()

    asyncio.run(crowd())
