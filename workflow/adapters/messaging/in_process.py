"""A network of messages within one process, as unreliable as a test wants it to be.

Every node has an ``InProcessMessaging`` on the ``MessageNetwork`` that all of them share. As on
Waku, who has subscribed to a channel also gets what it published there itself, and the network
remembers messages for 30 days. A delivery is a task of the network's; those of one moment begin in
the order of publishing. A receiver that raises gets the same delivery again a few times; after that
the message can only be had by ``stored``.

What goes wrong is decided by ``Faults``, a set of functions that a test writes: nothing is random.
Faults may be exchanged at any time (``network.faults = ...``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.messaging import RETENTION, Received, Receiver

if TYPE_CHECKING:
    import asyncio

REDELIVER_AFTER: Final = 10.0
"""Seconds until a receiver that raised gets the delivery again."""
REDELIVERIES: Final = 3


class Acceptance(Enum):
    """What becomes of a publish."""

    TAKEN = "taken"
    REFUSED = "refused"  # It raises, and nothing was published.
    UNANSWERED = "unanswered"  # It raises, although the message is on its way.


@dataclass(frozen=True, slots=True)
class Published:
    """One publish, whether it was taken or not; ``number`` counts all of the network from 0."""

    number: int
    sender: str
    channel: str
    payload: bytes
    at: float
    acceptance: Acceptance = Acceptance.TAKEN


@dataclass(frozen=True, slots=True)
class Question:
    """One call of ``stored``, and how many messages a complete answer has."""

    reader: str
    channel: str
    since: float
    found: int


def _takes(_: Published) -> Acceptance:
    return Acceptance.TAKEN


def _remembers(_: Published) -> bool:
    return True


def _in_time(_: Published, __: str) -> Sequence[float]:
    return (0.0,)


def _completely(_: Question) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; by default nothing. All are asked once, at the moment of the publish.

    ``accept`` refuses a publish or leaves its sender in doubt. ``deliver`` tells after how many
    seconds a message comes to one receiver (by name): ``()`` loses it, ``(0, 0, 60)`` repeats it,
    ``(5,)`` delays it and so lets later ones overtake it. ``remember`` keeps a message from
    ``stored``. ``answer`` lets ``stored`` fail after this many messages; None answers completely.
    """

    accept: Callable[[Published], Acceptance] = _takes
    deliver: Callable[[Published, str], Sequence[float]] = _in_time
    remember: Callable[[Published], bool] = _remembers
    answer: Callable[[Question], int | None] = _completely


NO_FAULTS: Final = Faults()


@dataclass(slots=True)
class _Member:
    """A node that is connected, its subscriptions, and the deliveries on their way to it."""

    name: str
    receive: Receiver
    channels: set[str]
    deliveries: set[asyncio.Task[None]] = field(default_factory=set)


class MessageNetwork:
    """What the nodes of one process share. ``published`` is every publish there was, in order.

    ``retention`` and ``redeliver_after`` are seconds of the clock, ``redeliveries`` is how often a
    receiver that raises gets a delivery again.
    """

    def __init__(
        self,
        clock: Clock,
        faults: Faults = NO_FAULTS,
        *,
        retention: float = RETENTION,
        redeliver_after: float = REDELIVER_AFTER,
        redeliveries: int = REDELIVERIES,
    ) -> None:
        self.faults = faults
        self.published: list[Published] = []
        self._clock = clock
        self._retention = retention
        self._redeliver_after = redeliver_after
        self._redeliveries = redeliveries
        self._members: list[_Member] = []
        self._history: defaultdict[str, list[Received]] = defaultdict(list)
        self._names = 0

    def inject(self, channel: str, payload: bytes, sender: str = "stranger") -> None:
        """Publish in the name of somebody who is no node of ours. Raises ``MessagingError``."""
        self._publish(sender, channel, payload)

    def _name(self) -> str:
        self._names += 1
        return f"node-{self._names}"

    def _publish(self, sender: str, channel: str, payload: bytes) -> None:
        publish = Published(len(self.published), sender, channel, payload, self._clock.now())
        publish = replace(publish, acceptance=self.faults.accept(publish))
        self.published.append(publish)
        if publish.acceptance is not Acceptance.REFUSED:
            message = Received(channel, payload, publish.at)
            if self.faults.remember(publish):
                self._history[channel].append(message)
            for member in self._members:
                if channel in member.channels:
                    for delay in self.faults.deliver(publish, member.name):
                        self._send(member, message, delay)
        if publish.acceptance is not Acceptance.TAKEN:
            raise MessagingError("the network did not take the message", place=channel)

    def _send(self, member: _Member, message: Received, delay: float) -> None:
        import asyncio  # noqa: PLC0415 - who only looks sends nothing.

        task = asyncio.get_running_loop().create_task(self._deliver(member, message, delay))
        member.deliveries.add(task)
        task.add_done_callback(member.deliveries.discard)

    async def _deliver(self, member: _Member, message: Received, delay: float) -> None:
        if delay > 0:
            await self._clock.sleep(delay)
        for repeat in range(self._redeliveries + 1):
            if repeat:
                await self._clock.sleep(self._redeliver_after)
            if message.channel not in member.channels:  # Nor is anything left after closing.
                return
            try:
                await member.receive(message)
            except Exception as error:  # noqa: BLE001 - the receiver's failure, not the network's.
                from loguru import logger  # noqa: PLC0415

                logger.warning("{} did not take a message: {!r}", member.name, error)
            else:
                return

    def _remembered(self, channel: str, since: float) -> list[Received]:
        oldest = self._clock.now() - self._retention
        kept = [message for message in self._history[channel] if message.at >= oldest]
        self._history[channel] = kept
        return [message for message in kept if message.at >= since]


class InProcessMessaging:
    """One node's connection to the network. ``name`` is what ``Faults`` know it by.

    It may be closed and opened again; subscriptions end with ``close``.
    """

    def __init__(self, network: MessageNetwork, name: str = "") -> None:
        self.name = name or network._name()  # noqa: SLF001 - the network's other half.
        self._network = network
        self._member: _Member | None = None
        self._channels: set[str] = set()

    def __repr__(self) -> str:
        return f"<InProcessMessaging {self.name}>"

    async def open(self, receive: Receiver) -> None:
        """Connect; from now on deliveries of subscribed channels go to ``receive``.

        Raises ``MessagingError`` when it is connected already.
        """
        if self._member is not None:
            raise MessagingError("the node is connected already", place=self.name)
        self._member = _Member(self.name, receive, self._channels)
        self._network._members.append(self._member)  # noqa: SLF001 - the same.

    async def subscribe(self, channel: str) -> None:
        """Take deliveries of this channel; asking twice is asking once."""
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Take no more deliveries of this channel, nor those that are on their way."""
        self._channels.discard(channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hand a message to the network. Raises ``MessagingError`` when it was not taken."""
        self._connected()
        self._network._publish(self.name, channel, payload)  # noqa: SLF001 - the same.

    async def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        """What the network remembers of a channel since this moment (seconds, UTC epoch).

        Raises ``MessagingError`` when it is not connected or the faults say so, possibly after some
        of the messages.
        """
        self._connected()
        found = self._network._remembered(channel, since)  # noqa: SLF001 - the same.
        question = Question(self.name, channel, since, len(found))
        answered = self._network.faults.answer(question)
        for message in found[:answered]:
            yield message
        if answered is not None:
            raise MessagingError("the question was not answered completely", place=channel)

    async def close(self) -> None:
        """Disconnect; deliveries under way are cancelled and have ended when this returns."""
        import asyncio  # noqa: PLC0415

        own = asyncio.current_task()  # A receiver may close its own connection.
        under_way = [task for task in self._cut_off() if task is not own]
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    def crash(self) -> None:
        """For tests: be gone at once, as if the process had been killed."""
        for task in self._cut_off():
            task.cancel()

    def _cut_off(self) -> list[asyncio.Task[None]]:
        member, self._member = self._member, None
        if member is None:
            return []
        self._network._members.remove(member)  # noqa: SLF001 - the same.
        self._channels.clear()
        return list(member.deliveries)

    def _connected(self) -> _Member:
        if self._member is None:
            raise MessagingError("the node is not connected", place=self.name)
        return self._member
