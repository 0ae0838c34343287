"""Devices over a cluster of NATS servers: they speak MQTT to any of them, and a stream of ours keeps what they send.

The stream is in parts, and any number of workers pull from the durable consumers of the parts they have. A message is
confirmed once its commit is durable, and never before: what a worker held when it died goes to another one. To come
twice harms nothing, since a chunk's place in its stream is unique, so it does not matter either when two workers have
one part for a moment. What devices are told goes out as plain messages, which
the servers hand to the device's MQTT connection wherever that is.

Topics are subjects here, with dots: `pt.v1.<device>.up`, `.state`, `.down`, and `pt.v1._bridge.<id>`. In the stream the
first two have the number of their part behind them.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from ..errors import ConfigError
from ..wire.encode import encode_downlink
from ..wire.limits import BRIDGE_ID_BYTES, DEVICE_ID, MAX_MESSAGE_BYTES, VERSION
from ..wire.messages import HostHello
from .base import Arrival, LinkState, Presence, Receive, State, host_ms
from .herald import Action, Alarm, Announce, Herald, Refuse, Serve, Stand
from .nats_link import NatsLink, first_of
from .pull import Pull
from .stream import StreamSettings, prepare

log = structlog.get_logger(__name__)

PREFIX: Final = "pt.v1"
MOST_HELD: Final = 4_000  # taken and not committed: a full batch, far below what ingest queues
_REQUEST: Final = 500  # messages asked for at once: what a worker that dies at that moment leaves for later
_RETRY_S: Final = 1.0
_LOOK_S: Final = 0.5
_LEAVE_S: Final = 5.0  # for the commit of what is held at the end
_MOST_SUBJECTS: Final = 10_000  # remembered, so that a subject is taken apart once
_BRIDGE: Final = re.compile(f"[0-9a-f]{{{2 * BRIDGE_ID_BYTES}}}")
_ACK: Final = b"+ACK"


class JetStreamSource:
    """The link is somebody else's, to start after this and to stop after it: acks of the last commit go over it.

    `parts` is asked now and then: those of the stream to take messages of, all of them where nobody divides it.
    """

    def __init__(
        self,
        link: NatsLink,
        bridge_id: bytes,
        settings: StreamSettings,
        parts: Callable[[], frozenset[int]] | None = None,
    ) -> None:
        self.name = f"nats {link.login.place}"
        self._link, self._settings = link, settings
        everything = frozenset(range(settings.parts))
        self._parts = parts or (lambda: everything)
        self._pulls: dict[int, tuple[Pull, asyncio.Task[None]]] = {}
        self._bridge = bridge_id.hex()
        self._hello = encode_downlink(HostHello(bridge_id, VERSION, VERSION))
        self._herald = Herald(self._bridge)
        self._stopping = threading.Event()
        self._subjects: dict[str, tuple[str, bool]] = {}
        self.bad_topics = 0
        # Each counter has one thread that writes it, so none needs a lock.
        self._taken = self._refused = self._settled = 0
        self._is_serving = asyncio.Event()
        self._said: tuple[bool, str] | None = None
        link.add(self._serve, self._on_link)
        link.add(self._listen_to_bridges)

    def start(self, receive: Receive, state: State) -> None:
        self._receive, self._state = receive, state

    def stop(self) -> None:
        """Take no more, and wait until what was taken is committed and confirmed; the rest is for other workers."""
        self._stopping.set()
        deadline_s = time.monotonic() + _LEAVE_S
        while self._held and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def send(self, device_id: str, data: bytes) -> bool:
        return self._link.publish(f"{PREFIX}.{device_id}.down", data)

    @property
    def _held(self) -> int:
        return self._taken - self._refused - self._settled

    # ---- taking -------------------------------------------------------------------

    async def _serve(self, link: NatsLink) -> None:
        while not self._stopping.is_set():
            client = await link.client()
            if self._herald.stand is not Stand.SERVING:
                self._is_serving.clear()
                await first_of(self._is_serving.wait(), timeout_s=_RETRY_S)
                continue
            try:
                await prepare(client, self._settings)
                await self._pull(client)
                continue
            except ConfigError as error:
                self._say(False, str(error))
            except (nats.errors.Error, OSError, TimeoutError) as error:
                self._say_waiting(error)
            await asyncio.sleep(_RETRY_S)

    async def _pull(self, client: Client) -> None:
        """Take messages of the parts that are ours, until the connection or a consumer fails."""
        generation = self._link.generation
        self._say(True, f"taking messages of {self.name} from stream {self._settings.stream}")
        try:
            while self._may_pull(generation):
                await self._divide(client)
                tasks = [task for _, task in self._pulls.values()]
                if not tasks:
                    await asyncio.sleep(_LOOK_S)
                    continue
                done, _ = await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await self._drop(list(self._pulls))

    def _may_pull(self, generation: int) -> bool:
        is_same = generation == self._link.generation and self._link.is_up
        return is_same and not self._stopping.is_set() and self._herald.stand is Stand.SERVING

    async def _divide(self, client: Client) -> None:
        """Begin with parts that became ours, and leave those that are another worker's now."""
        ours = self._parts()
        await self._drop([part for part in self._pulls if part not in ours])
        for part in ours - self._pulls.keys():
            consumer = self._settings.consumers[part]
            pull = Pull(client, self._settings.stream, consumer, self._hand_on, self._room)
            self._pulls[part] = pull, asyncio.create_task(pull.run())

    async def _drop(self, parts: list[int]) -> None:
        tasks = [self._pulls.pop(part)[1] for part in parts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _room(self) -> int:
        """For how many messages more one pull may ask; half of all that may be held is shared out among them."""
        asked = sum(pull.asked for pull, _ in self._pulls.values())
        share = max(MOST_HELD // (2 * max(len(self._pulls), 1)), 1)
        return min(MOST_HELD - self._held - asked, share, _REQUEST)

    def _hand_on(self, message: Msg) -> None:
        reply = message.reply
        received_ms = _told_by(reply)
        device_id, is_up = self._subjects.get(message.subject) or self._learn(message.subject)
        self._taken += 1
        settled = partial(self._settle, reply)
        if not device_id:
            self._refuse(reply)
        elif is_up:
            # One byte above the limit is enough to be refused as too large, and bounds what a dead letter keeps.
            data = message.data[: MAX_MESSAGE_BYTES + 1]
            if not self._receive(Arrival(device_id, data, received_ms, self, settled=settled)):
                self._refuse(reply)
        else:
            self._state(Presence(device_id, message.data == b"online", received_ms, settled=settled))

    def _learn(self, subject: str) -> tuple[str, bool]:
        """Device and whether it is a message of its own; no device where its name breaks the rule."""
        topic, _, _part = subject.removeprefix(f"{PREFIX}.").rpartition(".")
        device_id, _, kind = topic.rpartition(".")
        if not DEVICE_ID.fullmatch(device_id):
            self.bad_topics += 1
            if self.bad_topics.bit_count() == 1:  # the 1st, 2nd, 4th ...: who floods us does not fill the log
                log.warning("topic of no device", topic=subject[:100], count=self.bad_topics)
            return "", False
        if len(self._subjects) >= _MOST_SUBJECTS:
            self._subjects.clear()
        found = self._subjects[subject] = (device_id, kind == "up")
        return found

    def _refuse(self, reply: str) -> None:
        """Over its quota, or no device: its sender keeps it, so here it need not wait."""
        self._refused += 1
        self._link.publish(reply, _ACK)

    def _settle(self, reply: str) -> None:
        """On the committer's thread. A confirmation that is lost costs a message that comes twice."""
        was_full = self._held >= MOST_HELD
        self._settled += 1
        self._link.publish(reply, _ACK)
        if was_full:
            self._link.call(self._nudge)

    def _nudge(self) -> None:
        for pull, _ in self._pulls.values():
            pull.nudge()

    # ---- who serves -----------------------------------------------------------------

    async def _listen_to_bridges(self, link: NatsLink) -> None:
        """Workers of one store are one bridge. Another store's would ack what this one never saw."""
        while True:
            client = await link.client()
            generation = link.generation
            with suppress(nats.errors.Error, OSError, TimeoutError):
                subscription = await client.subscribe(f"{PREFIX}._bridge.*", cb=self._hear)
                await client.flush()
                self._herald.subscribed(time.monotonic())
                self._announce()  # whoever serves answers at once
                while link.is_up and generation == link.generation:
                    self._do(self._herald.tick(time.monotonic()))
                    wait_s = min(max(self._herald.next_s - time.monotonic(), 0.01), 60.0)
                    await first_of(link.lost(), timeout_s=wait_s)
                await subscription.unsubscribe()
            self._herald.disconnected()
            await asyncio.sleep(_LOOK_S)

    async def _hear(self, message: Msg) -> None:
        bridge = message.subject.rpartition(".")[2]
        if _BRIDGE.fullmatch(bridge):
            self._do(self._herald.heard(bridge, not message.data, False, time.monotonic()))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Serve):
                self._is_serving.set()
            elif isinstance(action, Announce):
                self._announce()
            elif isinstance(action, Refuse):
                self._say(
                    False,
                    f"bridge {action.rival} serves the devices of {self.name} already, and this one ({self._bridge}) "
                    "has another database; stop one of the two, or give this one the other's database",
                )
            elif isinstance(action, Alarm):
                log.error("a second bridge began on these servers", servers=self.name, rival=action.rival)
                self._announce()  # it may be one that asks before it begins

    def _announce(self) -> None:
        self._link.publish(f"{PREFIX}._bridge.{self._bridge}", self._hello)

    # ---- what is told ---------------------------------------------------------------

    def _on_link(self, is_up: bool, detail: str) -> None:
        if not is_up:
            self._say(False, detail)

    def _say_waiting(self, error: Exception) -> None:
        words = str(error).partition("\n")[0].removeprefix("nats: ") or type(error).__name__
        if self._link.is_up:
            self._say(
                False, f"{self.name}: stream {self._settings.stream} cannot be read ({words}); trying again"
            )

    def _say(self, is_up: bool, detail: str) -> None:
        if (is_up, detail) != self._said:
            (log.info if is_up else log.error)(detail)
            self._said = (is_up, detail)
        self._state(LinkState(self.name, is_up, detail))


def _told_by(reply: str) -> int:
    """When a message came to the stream: $JS.ACK.(...).<time in ns>.<pending>(.<token>)"""
    words = reply.split(".")
    try:
        return min(int(words[7 if len(words) == 9 else 9]) // 1_000_000, host_ms())
    except (IndexError, ValueError):
        return host_ms()
