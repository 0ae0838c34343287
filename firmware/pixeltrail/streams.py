"""The streams whose chunks the device still holds, oldest first: their names, ends, clocks and what is acked of each.

The *active* stream is the first; a newer one becomes active when it is over. Those of earlier starts, found in flash,
stand at the front. Their tag is KEPT: no chunk of the outbox has it.
"""

from micropython import const

from .clock import STREAM_LIMIT_MS

# Of this start: 50 days each without a bridge; their number is bounded by nothing else
MAX_STREAMS = const(4)
KEPT = const(-1)
# Who tells the bridge of chunks that are no longer there: nobody when none is missing.
GAPS_TELL = const(1)
SYNCS_TELL = const(2)


class Stream:
    def __init__(self, name, tag, previous, boot):
        self.name = name
        self.tag = tag
        self.previous = previous
        self.boot = boot
        self.acked = 0  # every chunk below it is the bridge's
        self.end = -1  # one above its last chunk, once a newer stream has begun
        self.ended_ms = 0  # its age when the newer stream began
        self.holes = 0  # or *_TELL

    def is_over(self):
        return 0 <= self.end <= self.acked


class Streams:
    """`chunk` has the number that the newest stream's next chunk will get."""

    def __init__(self, chunk, boot):
        self._chunk = chunk
        self._boot = boot
        self.all = []
        self.newest: Stream = None  # pyright: ignore[reportAttributeAccessIssue]

    def can_begin(self):
        own = 0
        for stream in self.all:
            if stream.tag != KEPT:
                own += 1
        return own < MAX_STREAMS

    def begin(self, name, stream_ms):
        """Add a stream, the earlier one being `stream_ms` old; returns that one's name or None. Allocates."""
        last = self.newest
        previous = last.name if self.all else None
        tag = (last.tag + 1) & 0xFF if self.all else 0
        stream = Stream(name, tag, previous, self._boot)
        self.all.append(stream)
        end = self._chunk.seq
        try:
            self._chunk.begin_stream(name, tag)
        except Exception:  # all of it, or nothing
            self.all.pop()
            raise
        if previous is not None:
            last.end = end
            last.ended_ms = stream_ms
        self.newest = stream
        return previous

    def keep(self, found):
        """Put streams of earlier starts before the others."""
        self.all[0:0] = found

    def next_of(self, stream):
        return self._chunk.seq if stream.end < 0 else stream.end

    def age(self, stream_ms):
        """The clock of the active stream, the newest being `stream_ms` old: it went on when newer ones began.

        That of an earlier start counts as if it had ended when this one began.
        """
        for i in range(len(self.all) - 1):
            if i == 0 or self.all[i].tag != KEPT:
                stream_ms += self.all[i].ended_ms
        return min(stream_ms, STREAM_LIMIT_MS)

    def of_tag(self, tag):
        """The stream of this start that marks its chunks in the outbox with `tag`."""
        for stream in self.all:
            if stream.tag == tag:
                return stream
        return self.newest

    def of_name(self, name):
        for stream in self.all:
            if stream.name == name:
                return stream
        return None


def kept(name, previous, boot, age_ms, first, end):
    """A stream of an earlier start, which ends with its last chunk in flash."""
    stream = Stream(name, KEPT, previous, boot)
    stream.acked = first
    stream.end = end
    stream.ended_ms = age_ms
    stream.holes = SYNCS_TELL
    return stream
