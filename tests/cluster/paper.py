"""The arithmetic of docs/scale.md: `python -m tests.cluster.paper` prints its tables, and a test compares them.

Traffic is what the recordings of the simulated fleet make (thermostat, 240 x 240 pixels: 5.1 chunks and 1,340 bytes a
second while somebody uses it). Costs of a message are processor time measured by `./dev bench cluster`. Prices are
assumptions; put your own in.
"""

from __future__ import annotations

from math import ceil

FLEETS = (1_000, 10_000, 100_000, 1_000_000)

USE_S = 1_200  # a day, for which somebody uses a device
CHUNKS_PER_S, BYTES_PER_S = 5.1, 1_340.0  # in use
SYNCS_A_DAY = 2_880  # one each 30 s, all day
CALLS_A_DAY = 45 * USE_S / 180  # 45 in the three minutes of the recording
PEAK = 3.0  # the busiest hour against the mean
REPLAY_DAYS, EVENT_DAYS = 30, 7

WORKER_US, DATABASE_US, NATS_US = 130.0, 65.0, 75.0  # of processor a message; NATS: three servers together
BUSY = 0.5  # of a core, planned
LEADER_PER_S = 25_000.0  # messages that one stream's leader takes (reference: 25 to 40 thousand on 4 cores)
WRITER_PER_S = 9_000.0  # messages that one connection writes into PostgreSQL
SESSIONS_A_SERVER = 50_000.0  # MQTT connections of one NATS server
EVENT_BYTES, ROW_BYTES = 1_200.0, 400.0  # of an event with its delivery; of a chunk beside its own bytes

CORE, SSD_GB, OBJECT_GB, EGRESS_GB = 25.0, 0.10, 0.023, 0.09  # a month, in dollars


def rows() -> list[list[str]]:
    return [_row(devices) for devices in FLEETS]


def _row(devices: int) -> list[str]:
    chunks = CHUNKS_PER_S * USE_S
    mean = devices * (chunks + SYNCS_A_DAY) / 86_400
    peak = PEAK * mean
    daily_gb = devices * BYTES_PER_S * USE_S / 1e9
    workers = ceil(peak * WORKER_US / 1e6 / BUSY)
    database = ceil(peak * DATABASE_US / 1e6 / BUSY)
    nats = ceil(max(3.0, peak * NATS_US / 1e6 / BUSY, devices / SESSIONS_A_SERVER))
    streams = ceil(peak / LEADER_PER_S)
    writers = ceil(peak / WRITER_PER_S)
    hot_gb = devices * (chunks * ROW_BYTES + CALLS_A_DAY * EVENT_BYTES) * EVENT_DAYS / 1e9 + 2 * daily_gb
    cold_gb = daily_gb * REPLAY_DAYS
    egress_gb = devices * CALLS_A_DAY * EVENT_BYTES * 30 / 10 / 1e9  # compressed to a tenth
    dollars = (
        CORE * (workers + database + nats + 2)
        + SSD_GB * (hot_gb + 3 * daily_gb)
        + OBJECT_GB * cold_gb
        + EGRESS_GB * egress_gb
    )
    return [
        f"{devices:,}",
        f"{mean:,.0f} / {peak:,.0f}",
        f"{daily_gb:,.1f}",
        f"{workers}",
        f"{database}",
        f"{nats}",
        f"{streams}",
        f"{writers}",
        f"{hot_gb:,.0f}",
        f"{cold_gb:,.0f}",
        f"{dollars:,.0f}",
        f"{100 * dollars / devices:.2f}",
    ]


HEAD = (
    "devices",
    "messages/s, mean / peak",
    "GB a day",
    "cores of workers",
    "cores of PostgreSQL",
    "cores of NATS",
    "stream leaders",
    "writers",
    "GB on SSD",
    "GB in objects",
    "$ a month",
    "cents a device",
)


def table() -> str:
    lines = [HEAD, ["---"] * len(HEAD), *rows()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(table())
