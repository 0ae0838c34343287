"""What the page is given of the bridge: the store, another try for what failed, and a warm decoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from ..config import Config
from ..export import formats
from ..ingest.again import Retried, retry_letters
from ..mapping.chunks import map_chunk
from ..mapping.display import DISPLAY_CHANGED
from ..replay.warm import warm_up
from ..sinks.base import Sink
from ..store.base import DeadLetter
from ..store.database import SqlStore
from ..web.exports import Exports
from ..web.live import Hub
from ..web.viewing import Viewing
from . import parts

log = structlog.get_logger(__name__)


def make_viewing(
    store: SqlStore,
    config: Callable[[], Config],
    wake: Callable[[], None],
    hub: Hub | None = None,
    sinks: Sequence[Sink] = (),
) -> Viewing:
    """`config` gives the settings in force; `wake` tells the delivery that there is something to do.

    The hub is shown what devices showed last. `sinks`: those that events go to.
    """

    def again(letters: Sequence[DeadLetter]) -> Sequence[Retried]:
        return retry_letters(store, letters, map_chunk, parts.mapping_settings(config()))

    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    exports = Exports(store, config().bridge.data_dir)
    viewing = Viewing(
        store,
        formats=formats.available(),
        more=exports.routes(),
        closing=[exports.close],
        retry_letters=again,
        wake=wake,
        public_url=config().web.public_url,
        summaries=DISPLAY_CHANGED,
        shows={sink.name: sink.shows for sink in sinks if hasattr(sink, "shows")},
    )
    viewing.forgetful.append(exports.forget)
    if hub is not None:
        viewing.show_last(hub)
    return viewing


def _warm_up() -> None:
    try:
        warm_up()
    except Exception:  # noqa: BLE001 then the first who looks waits, and learns what it is
        log.exception("the decoder could not be made ready")
