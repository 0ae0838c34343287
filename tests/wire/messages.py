"""Any valid message, for properties."""

from __future__ import annotations

from hypothesis import strategies as st
from pixeltrail_bridge.wire import limits
from pixeltrail_bridge.wire import messages as m

u30 = st.integers(0, limits.U30_MAX)
i30 = st.integers(limits.I30_MIN, limits.U30_MAX)
u8 = st.integers(0, 255)
ids = st.binary(min_size=8, max_size=8)
maybe_ids = st.none() | ids
epochs = st.integers(0, limits.EPOCH_MAX)
device_ids = st.from_regex(limits.DEVICE_ID, fullmatch=True)
names = st.text(max_size=20)
texts = st.text(max_size=60)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=6
)
properties = st.dictionaries(names, values, max_size=3)
side = st.integers(1, limits.MAX_SIDE_PX)
palettes = st.none() | st.integers(1, 4).flatmap(lambda n: st.binary(min_size=3 * n, max_size=3 * n))
coordinates = st.tuples(st.integers(0, 1023), st.integers(0, 1023)) | st.just((None, None))

frames = st.builds(m.Frame, u8, st.binary(max_size=60))
replay = (
    frames
    | st.builds(lambda at, phase: m.Touch(*at, phase), coordinates, st.integers(0, 3))
    | st.builds(m.Key, names, st.integers(0, 4), i30)
    | st.builds(m.Log, st.integers(0, 4), texts)
)
others = st.one_of(
    st.builds(m.Hello, device_ids, u30, u8, names, names, names, names, st.integers(0, 2), maybe_ids, names),
    st.builds(
        m.Display,
        side,
        side,
        st.sampled_from(m.PixelFormat),
        st.integers(1, 255),
        st.integers(1, 8),
        st.integers(0, 1024),
        palettes,
        st.integers(0, 3),
    ),
    st.builds(m.SessionStart, u30, st.none() | st.booleans(), st.none() | epochs),
    st.builds(m.SessionEnd, u30),
    st.builds(m.Track, names, properties),
    st.builds(m.Screen, names, properties),
    st.builds(m.Identify, st.none() | names, properties),
    st.builds(m.Group, names, properties),
    st.builds(m.Alias, names, st.none() | names),
    st.builds(lambda a, b, c, r: m.Gap(min(a, b), max(a, b), *c, r), u30, u30, st.tuples(u30, u30, u30), u8),
    st.builds(m.Vitals, st.dictionaries(u8, i30, max_size=4)),
    st.builds(m.Masks, st.lists(st.tuples(u30, u30, u30, u30), max_size=3).map(tuple)),
    st.builds(m.UnknownArea, u30, u30, u30, u30),
    st.builds(m.OptOut, st.booleans()),
    st.builds(m.Unknown, st.integers(18, 255)),
)


@st.composite
def chunks(draw: st.DrawFn) -> m.Chunk:
    bodies = draw(st.lists(replay, min_size=1, max_size=5) | st.lists(others, min_size=1, max_size=5))
    now = time_ms = draw(st.integers(0, 1 << 29))
    records = []
    for index, body in enumerate(bodies):
        now += draw(st.integers(0, 100_000))
        records.append(m.Record(index, now, body))
    return m.Chunk(draw(ids), draw(u30), time_ms, tuple(records))


syncs = st.builds(
    lambda stream, a, b, *rest: m.Sync(stream, min(a, b), max(a, b), *rest),
    ids,
    u30,
    u30,
    u30,
    st.none() | epochs,
    u30,
    maybe_ids,
    device_ids,
)
uplinks = chunks() | syncs
downlinks = st.one_of(
    st.builds(m.Ack, ids, u30, st.integers(1, 255), ids),
    st.builds(m.Session, ids, u30, epochs, st.booleans()),
    st.builds(m.Config, properties, u30),
    st.builds(m.KeyframeRequest, ids),
    st.builds(m.Time, epochs),
    st.builds(m.OptOutOrder, st.booleans()),
    st.builds(m.NewStream, ids),
    st.builds(m.HostHello, ids, u8, u8),
)
