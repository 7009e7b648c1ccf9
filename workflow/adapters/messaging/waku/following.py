"""Nodes that are polled, and what they bring handed on.

Each node is followed by a loop of its own, so that one that hangs holds up no other. Several nodes
bring the same messages; the hash, computed here, tells. A poll is over when its messages have been
taken or refused by the receiver: as long as a receiver is slow, messages wait in the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from loguru import logger

from workflow.adapters.messaging.waku import dialects
from workflow.adapters.messaging.waku.node import MakeTransport, WakuNode, in_time
from workflow.adapters.messaging.waku.opening import REMEMBERED, Found, Opener
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.messaging import Received, Receiver
from workflow.waku.chats import content_topic, topic_of
from workflow.waku.recent_hashes import RecentHashes

OPEN_WITHIN: Final = 3.0
"""Seconds that the beginning waits for nodes that do not answer; they are followed all the same."""
FIRST_PAUSE: Final = 1.0
"""Seconds between the second failure and the next attempt; twice as many each further time."""
LONGEST_PAUSE: Final = 30.0
HEALTH_EVERY: Final = 60.0
"""Seconds between two questions for a node's health."""
BUSY_POLL: Final = 50
"""So many messages in a poll mean that more wait: it is as much as some nodes keep."""
DELIVERED_AT_ONCE: Final = 256
"""Deliveries that are under way together, for each node."""


class Following:
    """From ``open`` to ``close``: the nodes, and the loops that follow them.

    ``channels`` may change at any time; messages on others are passed over.
    """

    def __init__(
        self,
        settings: WakuSettings,
        clock: Clock,
        transport: MakeTransport | None,
        opener: Opener,
        channels: set[str],
        receive: Receiver,
    ) -> None:
        topics = settings.pubsub_topics
        self.nodes = [WakuNode(node, topics, clock, transport) for node in settings.nodes]
        self._settings = settings
        self._clock = clock
        self._opener = opener
        self._channels = channels
        self._receive = receive
        self._taken = RecentHashes(REMEMBERED)
        self._in_hand: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Follow from now on; returns when each node was tried, or after ``OPEN_WITHIN``."""
        tried = [asyncio.Event() for _ in self.nodes]
        for node, event in zip(self.nodes, tried, strict=True):
            self._in_background(self._follow(node, event))
        try:
            await in_time(self._clock, OPEN_WITHIN, _all_set(tried))
        except TimeoutError:
            logger.debug("not every Waku node has answered yet")

    async def end(self) -> None:
        """Deliver nothing more, and leave the nodes."""
        self._channels.clear()
        own = asyncio.current_task()  # A receiver may close its own connection.
        under_way = [task for task in self._tasks if task is not own]
        for task in under_way:
            task.cancel()
        try:
            if under_way:
                await asyncio.wait(under_way)
        finally:
            await asyncio.gather(*(node.leave() for node in self.nodes))

    def in_order(self) -> list[WakuNode]:
        """Those that answer, then those that were not heard yet, then those that are silent."""
        rank = {True: 0, None: 1, False: 2}
        return sorted(self.nodes, key=lambda node: rank[node.standing.answers])

    def those_that_answer(self) -> list[WakuNode]:
        """Those that are not known to be silent; if all are, all, because one may be back."""
        return [node for node in self.nodes if node.standing.answers is not False] or self.nodes

    def one_that_answers(self, number: int) -> WakuNode:
        """The node at this place. Raises ``MessagingError`` while it is known to be silent."""
        node = self.nodes[number]
        if node.standing.answers is False:
            raise MessagingError(f"it does not answer: {node.standing.trouble}", place=node.address)
        return node

    async def _follow(self, node: WakuNode, tried: asyncio.Event) -> None:
        """Poll it for ever. After a failure it is met anew, first at once, then ever later."""
        pause = 0.0
        while True:
            try:
                await node.connect()
                tried.set()
                asked_at = self._clock.now()
                while (most := await self._poll(node)) is not None:
                    node.answers()
                    pause = 0.0
                    if abs(self._clock.now() - asked_at) >= HEALTH_EVERY:
                        asked_at = self._clock.now()
                        await node.note_health()
                    is_behind = most >= BUSY_POLL
                    await self._clock.sleep(0.0 if is_behind else self._settings.poll_every)
                trouble = MessagingError("it forgets who has subscribed", place=node.address)
            except MessagingError as error:
                trouble = error
            except Exception as error:  # noqa: BLE001 - whatever it is, the node is met again.
                trouble = MessagingError(f"following it failed: {error!r}", place=node.address)
            if pause:
                node.fell_silent(trouble)
                tried.set()
            else:
                logger.info("a Waku node is met anew: {}", trouble)
            await self._clock.sleep(pause)
            pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)

    async def _poll(self, node: WakuNode) -> int | None:
        """Take what has come on every topic. How many it were on one, at most; None: forgotten."""
        most = 0
        for topic in self._settings.pubsub_topics:
            items = await node.poll(topic)
            if items is None:
                return None
            most = max(most, len(items))
            await self._take(topic, items)
        return most

    async def _take(self, pubsub_topic: str, items: Sequence[object]) -> None:
        """Hand on what is new and on our channels."""
        if not items:
            return
        channels = tuple(self._channels)
        wanted = {content_topic(topic_of(channel)) for channel in channels}
        found = {}
        for message in dialects.messages(items, wanted):
            hash = message.hash(pubsub_topic)
            if hash not in self._taken and hash not in self._in_hand:
                found[hash] = Found(pubsub_topic, message, hash)
        if not found:
            return
        self._in_hand |= found.keys()
        try:
            await self._deliver(await self._opener.open(list(found.values()), channels))
        finally:
            self._in_hand -= found.keys()

    async def _deliver(self, messages: Iterable[Received]) -> None:
        """Side by side, so that the receiver can commit many at once."""
        troubles: list[Exception] = []
        waiting = iter(messages)
        while some := list(islice(waiting, DELIVERED_AT_ONCE)):
            await asyncio.wait(
                [self._in_background(self._hand_on(message, troubles)) for message in some]
            )
        if troubles:
            logger.warning(
                "{} messages were not taken, and must be asked for; the first: {!r}",
                len(troubles),
                troubles[0],
            )

    async def _hand_on(self, message: Received, troubles: list[Exception]) -> None:
        if message.channel not in self._channels:
            return
        try:
            await self._receive(message)
        except Exception as error:  # noqa: BLE001 - the receiver's failure, not ours.
            troubles.append(error)
        else:
            if message.envelope is not None:
                self._taken.add(message.envelope.hash)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _all_set(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
