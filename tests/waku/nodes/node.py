"""A Waku node as its REST interface shows it, in two dialects, with faults.

go-waku as a real node answered (``test_nodes`` replays its transcript), nwaku as its source reads:
**nobody has compared the latter with a running node**. Filter, lightpush, admin and automatic
sharding are not here.

In one process, with time that stands still, or on a real port (``serving``)::

    network = WakuNetwork(clock)
    node = WakuNode(network, Dialect.NWAKU)
    async with httpx.AsyncClient(transport=InProcess(node), base_url=node.url) as client: ...
    async with served(node) as url: ...
    node.faults.drop_every = 10
    node.restart()
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from typing import Final, Protocol

from tests.waku.nodes import go_waku, nwaku
from tests.waku.nodes.exchange import Answer, App, Request, application
from tests.waku.nodes.faults import Faults
from tests.waku.nodes.memory import Memory, Page, Query
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.queues import GoWakuQueues, NwakuQueues, Queues
from workflow.ports.messaging import RETENTION
from workflow.waku.message import WakuMessage

STATUS_TOPICS: Final = ("/waku/2/rs/16/32", "/waku/2/rs/16/64")
"""The shards of Status."""


class Dialect(Enum):
    GO_WAKU = "go-waku"
    NWAKU = "nwaku"


class Speaker(Protocol):
    """A dialect, as a module speaks it."""

    def answer(self, node: WakuNode, request: Request, /) -> Answer: ...

    def failed(self) -> Answer: ...

    def limited(self, request: Request, /) -> Answer: ...


_SPEAKERS: Final[dict[Dialect, Speaker]] = {Dialect.GO_WAKU: go_waku, Dialect.NWAKU: nwaku}


class WakuNode:
    """``topics`` are the pubsub topics that the node is configured with: it relays and stores them.

    ``retention`` is how long it remembers (seconds); ``has_store`` is False when no store is
    mounted. ``store_peer`` is the node it asks when a store query names none.
    """

    def __init__(
        self,
        network: WakuNetwork,
        dialect: Dialect,
        *,
        topics: Iterable[str] = STATUS_TOPICS,
        retention: float = RETENTION,
        has_store: bool = True,
        store_peer: WakuNode | None = None,
    ) -> None:
        self.network = network
        self.clock = network.clock
        self.dialect = dialect
        self.faults = Faults()
        self.memory = Memory(network.clock, retention)
        self.has_store = has_store
        self.store_peer = store_peer
        self.lost = 0
        """Messages that never came in because a subscription was full."""
        self.answering = 0
        """Requests that have done their work, and whose answers are delayed."""
        self._configured = tuple(topics)
        number = len(network.peers)
        self.url = f"http://node-{number}:8645"
        """Where ``serving.InProcess`` finds it."""
        peer_id = "16Uiu2HAm" + sha256(self.url.encode()).hexdigest()[:44]
        self.address = f"/ip4/127.0.0.1/tcp/{60_000 + number}/p2p/{peer_id}"
        self.app: App = application(self._answer)
        self._start()
        network.peers.append(self)

    def __repr__(self) -> str:
        return f"<WakuNode {self.dialect.value} {self.url}>"

    @property
    def is_reachable(self) -> bool:
        return not self.faults.is_down and not self.faults.is_apart

    def restart(self, *, loses_store: bool = False) -> None:
        """Forget the subscriptions made over REST, what waited, and what was seen.

        nwaku polls its configured topics again without being asked, go-waku does not.
        """
        if loses_store:
            self.memory.clear()
        self._start()

    def forget_subscriptions(self) -> None:
        """Those made over REST, nwaku's own too; the node goes on relaying and storing."""
        self._queues = self._new_queues()

    # --------------------------------------------------------------------------- from the network

    def deliver(self, pubsub_topic: str, message: WakuMessage) -> None:
        """Queue and keep what comes in for the first time."""
        hash = message.hash(pubsub_topic)
        if not self.relays(pubsub_topic) or hash in self._seen:
            return
        self._seen.add(hash)
        if self._queues.is_blocked:
            self.lost += 1
            return
        if self.has_store and self._stores(message):
            self.memory.keep(pubsub_topic, message)
        self._delivered += 1
        if self.faults.drop_every and self._delivered % self.faults.drop_every == 0:
            return
        for _ in range(1 + self.faults.repeats):
            self._queues.add(pubsub_topic, message)

    def _stores(self, message: WakuMessage) -> bool:
        if message.ephemeral:
            return False
        # go-waku was seen to keep what was an hour old and what had no timestamp.
        return self.dialect is Dialect.GO_WAKU or nwaku.is_of_now(message, self.clock.now())

    # ----------------------------------------------------------------------------- for the dialects

    def relays(self, pubsub_topic: str) -> bool:
        return pubsub_topic in self._relayed

    def subscribe(self, pubsub_topic: str) -> None:
        self._relayed.add(pubsub_topic)
        self._queues.subscribe(pubsub_topic)

    def unsubscribe(self, pubsub_topic: str) -> None:
        """nwaku leaves the topic altogether, its store too; go-waku keeps what it is configured to.

        From source, untested: ``unsubscribe`` in nwaku's relay API ends the topic's only handler,
        which feeds the archive as well, until somebody subscribes again.
        """
        self._queues.unsubscribe(pubsub_topic)
        if self.dialect is Dialect.NWAKU or pubsub_topic not in self._configured:
            self._relayed.discard(pubsub_topic)

    def poll(self, pubsub_topic: str) -> list[WakuMessage] | None:
        """What waited, once; None when nobody has subscribed."""
        return self._queues.poll(pubsub_topic)

    def publish(self, pubsub_topic: str, message: WakuMessage) -> None:
        """To this node and all others. Identical messages go nowhere a second time."""
        hash = message.hash(pubsub_topic)
        if self.faults.swallows or hash in self._seen:
            return
        self.deliver(pubsub_topic, message)
        if self.is_reachable:
            self.network.publish(pubsub_topic, message)

    def page(self, query: Query) -> Page:
        """From its own store. Raises ``UnknownCursorError``."""
        return self.faults.page(self.memory, query)

    def store_at(self, address: str) -> WakuNode | None:
        """The node to ask: the one named, or without a name the one it is configured with."""
        if not address:
            peer = self.store_peer
            return peer if peer is not None and peer.is_reachable else None
        found = self.network.find(address)
        return found if isinstance(found, WakuNode) else None

    # ------------------------------------------------------------------------------------ its life

    def _start(self) -> None:
        self._relayed = set(self._configured)
        self._seen: set[bytes] = set()
        self._delivered = 0
        self._queues = self._new_queues()
        if self.dialect is Dialect.NWAKU:
            for topic in self._configured:
                self._queues.subscribe(topic)

    def _new_queues(self) -> Queues:
        return GoWakuQueues() if self.dialect is Dialect.GO_WAKU else NwakuQueues()

    async def _answer(self, request: Request) -> Answer:
        """Raises ``ConnectionRefusedError`` while down, ``ConnectionResetError`` for no answer."""
        self._must_be_up()
        given = self._given(request)
        if self.faults.delay:
            self.answering += 1
            try:
                await self.clock.sleep(self.faults.delay)
            finally:
                self.answering -= 1
            self._must_be_up()
        return given

    def _given(self, request: Request) -> Answer:
        speaker, faults = _SPEAKERS[self.dialect], self.faults
        if faults.strikes("failing"):
            return speaker.failed()
        if request.segments[0] == "store" and faults.strikes("limited"):
            return speaker.limited(request)
        given = speaker.answer(self, request)
        is_published = request.method == "POST" and request.segments[2:3] == ("messages",)
        if is_published and given.status == 200 and faults.strikes("unanswered"):
            raise ConnectionResetError(f"{self.url} hangs up")
        if request.method == "GET" and request.segments[0] in {"relay", "store"}:
            return faults.distorted(given)
        return given

    def _must_be_up(self) -> None:
        if self.faults.is_down:
            raise ConnectionRefusedError(f"{self.url} is down")
