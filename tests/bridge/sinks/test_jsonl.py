import asyncio
import json
import os
import threading

from pixeltrail_bridge.sinks.jsonl import JsonLinesSink

from .rows import NOW_MS, row


def deliver(path, *batches):
    async def run():
        sink = JsonLinesSink(path, now_ms=lambda: NOW_MS)
        results = [await sink.deliver(batch) for batch in batches]
        await sink.close()
        return results, sink

    return asyncio.run(run())


def ids(path):
    return [json.loads(line)["messageId"] for line in path.read_text().splitlines()]


def test_one_line_an_event(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    results, sink = deliver(path, [row(1), row(2)], [row(3)])
    assert [one.state for batch in results for one in batch] == ["sent"] * 3
    assert ids(path) == ["px-kitchen-01-1", "px-kitchen-01-2", "px-kitchen-01-3"]
    assert sink.alarm is None


def test_a_crash_between_writing_and_settling_doubles_nothing(tmp_path):
    path = tmp_path / "events.jsonl"
    deliver(path, [row(1), row(2)])
    deliver(path, [row(1), row(2), row(3)])
    assert ids(path) == ["px-kitchen-01-1", "px-kitchen-01-2", "px-kitchen-01-3"]


def test_a_half_line_of_a_crash_is_cut_off(tmp_path):
    path = tmp_path / "events.jsonl"
    deliver(path, [row(1)])
    with path.open("ab") as file:
        file.write(row(2).payload[:20])
    deliver(path, [row(2)])
    assert ids(path) == ["px-kitchen-01-1", "px-kitchen-01-2"]


def test_lines_of_others_are_left_alone(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("not JSON\n")
    deliver(path, [row(1)])
    assert path.read_text().splitlines()[0] == "not JSON"


def test_a_path_that_cannot_be_written_is_an_alarm_and_a_retry(tmp_path):
    (tmp_path / "file").write_text("")
    results, sink = deliver(tmp_path / "file" / "events.jsonl", [row(1)])
    assert results[0][0].state == "retry"
    assert results[0][0].next_try_ms > NOW_MS
    assert "jsonl.path" in sink.alarm


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"

    async def run():
        sink = JsonLinesSink(path, now_ms=lambda: NOW_MS)
        await sink.deliver([row(1)])
        whole = os.write
        monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:10]))
        failed = await sink.deliver([row(2)])
        monkeypatch.undo()
        again = await sink.deliver([row(2)])
        await sink.close()
        return failed, again

    failed, again = asyncio.run(run())
    assert (failed[0].state, again[0].state) == ("retry", "sent")
    assert ids(path) == ["px-kitchen-01-1", "px-kitchen-01-2"]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "events.jsonl"

    async def run():
        sink = JsonLinesSink(path, now_ms=lambda: NOW_MS)
        await sink.deliver([row(1)])
        path.rename(tmp_path / "events.1")
        await sink.deliver([row(2)])
        await sink.close()

    asyncio.run(run())
    assert ids(path) == ["px-kitchen-01-2"]


def test_an_append_that_outlives_its_sink_touches_no_other_file(tmp_path, monkeypatch):
    """A disk that hangs for longer than the end may wait, and then fails: what was opened since is not cut."""
    path, whole = tmp_path / "events.jsonl", os.fsync
    is_syncing, is_open = threading.Event(), threading.Event()

    def fsync(file):
        is_syncing.set()
        assert is_open.wait(20)
        raise OSError("the disk has failed")

    async def run():
        sink = JsonLinesSink(path, now_ms=lambda: NOW_MS)
        monkeypatch.setattr(os, "fsync", fsync)
        under_way = asyncio.create_task(sink.deliver([row(1)]))
        await asyncio.to_thread(is_syncing.wait, 20)
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)
        await sink.close()
        with (tmp_path / "other").open("wb", buffering=0) as other:
            other.write(b"of somebody else")
            is_open.set()
            await asyncio.get_running_loop().shutdown_default_executor()
        monkeypatch.setattr(os, "fsync", whole)

    asyncio.run(run())
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert path.read_bytes() == b"", "nothing was settled, so it is sent again"
