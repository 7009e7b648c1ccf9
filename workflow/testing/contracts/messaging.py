"""What every ``Messaging`` promises, asked of a network in good weather.

Even then a network may repeat messages and mix up their order, so nothing here counts deliveries.
"""

# ruff: noqa: S101
# An assertion is how a contract speaks.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from workflow.errors import MessagingError
from workflow.ports.messaging import Messaging, Received

CHANNEL: Final = "0x02ab2f56a9b1b3cf0ef8d53fbbd8d1d1b8d6d8a3f1c1b1a1d1f1e1c1b1a1d1f1e1"
OTHER_CHANNEL: Final = CHANNEL + "a8f4a7f3-0f3c-4f0e-9d6a-2f7e9b1c3d5e"
EVERY_BYTE: Final = bytes(range(256)) * 4


class Inbox:
    """A receiver that keeps what it gets; the first ``fails`` times it raises instead."""

    def __init__(self, fails: int = 0) -> None:
        self.messages: list[Received] = []
        self.calls = 0
        self._fails = fails

    async def __call__(self, message: Received) -> None:
        """One delivery."""
        self.calls += 1
        if self.calls <= self._fails:
            raise OSError("the disk is full")
        self.messages.append(message)

    @property
    def payloads(self) -> set[bytes]:
        """What came, without order and number."""
        return {message.payload for message in self.messages}

    @property
    def addressed(self) -> set[tuple[str, bytes]]:
        """The same, with the channel of each."""
        return {(message.channel, message.payload) for message in self.messages}

    def has(self, number: int) -> bool:
        """Whether so many different messages came."""
        return len(self.addressed) >= number


class MessagingContract(ABC):
    """Subclass it as ``TestSomething``, say how to connect and how to let time pass.

    ``patience`` is how long (seconds) a message may take, a repeated delivery and the network's
    memory included. ``largest`` is how many bytes a payload may have at the most.
    """

    pytestmark = pytest.mark.asyncio
    patience: float = 30.0
    step: float = 1.0
    largest: int = 128 * 1024

    @abstractmethod
    async def connect(self) -> Messaging:
        """One more node on the network of this test, not opened yet."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Return after so many seconds of the network's time."""

    @abstractmethod
    def now(self) -> float:
        """What time it is for the network (seconds, UTC epoch)."""

    def channel(self, name: str) -> str:
        """A channel's name; for a network that outlives the test, make it one of the test's own."""
        return name

    async def until(self, happened: Callable[[], bool]) -> bool:
        """Wait for something to happen, with patience; whether it has."""
        waited = 0.0
        while not happened() and waited < self.patience:
            await self.wait(self.step)
            waited += self.step
        return happened()

    async def opened(self, inbox: Inbox, *channels: str) -> Messaging:
        """A node that is open and has subscribed."""
        node = await self.connect()
        await node.open(inbox)
        for channel in channels:
            await node.subscribe(channel)
        return node

    async def remembered(self, node: Messaging, channel: str, since: float) -> list[Received]:
        """What ``stored`` answers."""
        return [message async for message in node.stored(channel, since)]

    async def found(
        self, node: Messaging, channel: str, since: float, payloads: set[bytes]
    ) -> list[Received]:
        """What ``stored`` answers once these are in it, or at last."""
        found = await self.remembered(node, channel, since)
        waited = 0.0
        while not payloads <= {message.payload for message in found} and waited < self.patience:
            await self.wait(self.step)
            waited += self.step
            found = await self.remembered(node, channel, since)
        return found

    async def test_a_message_comes_to_who_has_subscribed(self) -> None:
        """Byte by byte, with its channel and time."""
        channel, inbox, start = self.channel(CHANNEL), Inbox(), self.now()
        sender = await self.opened(Inbox())
        reader = await self.opened(inbox, channel)
        await sender.publish(channel, EVERY_BYTE)
        assert await self.until(lambda: bool(inbox.messages))
        message = inbox.messages[0]
        assert (message.channel, message.payload) == (channel, EVERY_BYTE)
        assert start - 1 <= message.at <= self.now() + 1
        await sender.close()
        await reader.close()

    async def test_other_channels_are_silent(self) -> None:
        """Also one whose name begins with the same letters."""
        channel, other, inbox = self.channel(CHANNEL), self.channel(OTHER_CHANNEL), Inbox()
        node = await self.opened(inbox, channel)
        sender = await self.opened(Inbox())
        await sender.publish(other, b"not for you")
        await sender.publish(channel, b"for you")
        assert await self.until(lambda: b"for you" in inbox.payloads)
        assert inbox.payloads == {b"for you"}
        await sender.close()
        await node.close()

    async def test_subscribing_twice_is_subscribing_once(self) -> None:
        """So one unsubscribing ends it."""
        channel, marker, inbox = self.channel(CHANNEL), self.channel(OTHER_CHANNEL), Inbox()
        node = await self.opened(inbox, channel, channel, marker)
        sender = await self.opened(Inbox())
        await node.unsubscribe(channel)
        await node.unsubscribe(channel)
        await sender.publish(channel, b"too late")
        await sender.publish(marker, b"the end")
        assert await self.until(lambda: b"the end" in inbox.payloads)
        assert inbox.payloads == {b"the end"}
        await sender.close()
        await node.close()

    async def test_what_was_missed_can_be_asked_for(self) -> None:
        """By somebody who was not there, from a moment on, for one channel."""
        channel, other = self.channel(CHANNEL), self.channel(OTHER_CHANNEL)
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"early")
        await self.wait(2 * self.step)
        since = self.now()
        await self.wait(2 * self.step)
        await sender.publish(channel, b"late")
        await sender.publish(other, b"elsewhere")
        await self.wait(self.step)
        reader = await self.opened(Inbox())
        found = await self.found(reader, channel, since, {b"late"})
        assert {message.payload for message in found} == {b"late"}
        assert all(message.channel == channel and message.at >= since for message in found)
        everything = await self.remembered(reader, channel, since - 4 * self.step - 1)
        assert {message.payload for message in everything} == {b"early", b"late"}
        await sender.close()
        await reader.close()

    async def test_a_moment_belongs_to_what_is_asked_for_since(self) -> None:
        """So asking since the time of the last message that one has misses none of that time."""
        channel, start = self.channel(CHANNEL), self.now()
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"first")
        await self.wait(2 * self.step)
        await sender.publish(channel, b"second")
        everything = await self.found(sender, channel, start - 1, {b"first", b"second"})
        times = {message.payload: message.at for message in everything}
        assert times[b"first"] < times[b"second"]
        for payload, expected in ((b"first", {b"first", b"second"}), (b"second", {b"second"})):
            again = await self.remembered(sender, channel, times[payload])
            assert {message.payload for message in again} == expected
        assert await self.remembered(sender, channel, times[b"second"] + self.step) == []
        await sender.close()

    async def test_who_comes_late_gets_what_comes_later_and_may_ask_for_the_rest(self) -> None:
        """Asking after subscribing leaves no gap."""
        channel, inbox, start = self.channel(CHANNEL), Inbox(), self.now()
        sender = await self.opened(Inbox())
        for number in range(3):
            await sender.publish(channel, b"before %d" % number)
        reader = await self.opened(inbox, channel)
        for number in range(3):
            await sender.publish(channel, b"after %d" % number)
        before = {b"before %d" % number for number in range(3)}
        after = {b"after %d" % number for number in range(3)}
        assert await self.until(lambda: after <= inbox.payloads)
        found = await self.found(reader, channel, start - 1, before)
        assert {message.payload for message in found} | inbox.payloads == before | after
        await sender.close()
        await reader.close()

    async def test_all_of_many_channels_and_senders_arrive(self) -> None:
        """In whatever order, each on its own channel."""
        channels = [self.channel(f"{CHANNEL}{number:04x}") for number in range(40)]
        inboxes = [Inbox(), Inbox()]
        readers = [await self.opened(inbox, *channels) for inbox in inboxes]
        senders = [await self.opened(Inbox()) for _ in range(3)]
        sent = set()
        for channel in channels:
            for number, sender in enumerate(senders):
                sent.add((channel, b"%d on %b" % (number, channel.encode())))
                await sender.publish(channel, b"%d on %b" % (number, channel.encode()))
        for inbox in inboxes:
            assert await self.until(partial(inbox.has, len(sent)))
            assert inbox.addressed == sent
        for node in readers + senders:
            await node.close()

    async def test_large_payloads_are_carried_whole(self) -> None:
        """Live and from the memory."""
        channel, inbox, start = self.channel(CHANNEL), Inbox(), self.now()
        payload = EVERY_BYTE * (self.largest // len(EVERY_BYTE))
        node = await self.opened(inbox, channel)
        sender = await self.opened(Inbox())
        await sender.publish(channel, payload)
        assert await self.until(lambda: bool(inbox.messages))
        assert inbox.payloads == {payload}
        found = await self.found(node, channel, start - 1, {payload})
        assert {message.payload for message in found} == {payload}
        await sender.close()
        await node.close()

    async def test_a_receiver_that_always_fails_holds_up_nothing_else(self) -> None:
        """Neither its other channels nor other messages of the same one."""
        channel, other, inbox = self.channel(CHANNEL), self.channel(OTHER_CHANNEL), Inbox()

        async def receive(message: Received) -> None:
            if message.payload == b"poison":
                raise OSError("never")
            await inbox(message)

        node = await self.connect()
        await node.open(receive)
        await node.subscribe(channel)
        await node.subscribe(other)
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"poison")
        for number in range(5):
            await sender.publish(channel, b"here %d" % number)
            await sender.publish(other, b"there %d" % number)
        assert await self.until(lambda: len(inbox.payloads) == 10)  # noqa: PLR2004 - five of each.
        await sender.close()
        await node.close()

    async def test_who_comes_back_subscribes_anew(self) -> None:
        """Closing ends subscriptions; opening again connects."""
        channel, other, inbox = self.channel(CHANNEL), self.channel(OTHER_CHANNEL), Inbox()
        node = await self.opened(Inbox(), channel)
        await node.close()
        await node.open(inbox)
        await node.subscribe(other)
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"nobody follows this any more")
        await sender.publish(other, b"but this")
        assert await self.until(lambda: bool(inbox.messages))
        assert inbox.payloads == {b"but this"}
        await sender.close()
        await node.close()

    async def test_a_silent_channel_has_no_memory(self) -> None:
        """An empty answer is an answer."""
        node = await self.opened(Inbox())
        assert await self.remembered(node, self.channel("0x03" + 64 * "f"), 0.0) == []
        await node.close()

    async def test_what_a_receiver_did_not_take_comes_again_or_can_be_asked_for(self) -> None:
        """A delivery counts only when the receiver has returned."""
        channel, inbox, start = self.channel(CHANNEL), Inbox(fails=1), self.now()
        node = await self.opened(inbox, channel)
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"hard to take")
        if not await self.until(lambda: bool(inbox.messages)):
            found = await self.remembered(node, channel, start - 1)
            assert b"hard to take" in {message.payload for message in found}
        await sender.publish(channel, b"easy to take")
        assert await self.until(lambda: b"easy to take" in inbox.payloads)
        await sender.close()
        await node.close()

    async def test_nothing_comes_after_closing(self) -> None:
        """And closing again does nothing."""
        channel, inbox, witness = self.channel(CHANNEL), Inbox(), Inbox()
        node = await self.opened(inbox, channel)
        watching = await self.opened(witness, channel)
        await node.close()
        await node.close()
        await watching.publish(channel, b"anybody there?")
        sender = await self.opened(Inbox())
        await sender.publish(channel, b"hello?")
        assert await self.until(lambda: b"hello?" in witness.payloads)
        assert inbox.calls == 0
        await sender.close()
        await watching.close()

    async def test_who_is_not_connected_is_told(self) -> None:
        """Nothing is dropped in silence."""
        channel = self.channel(CHANNEL)
        node = await self.opened(Inbox())
        await node.close()
        with pytest.raises(MessagingError):
            await node.publish(channel, b"into the void")
        with pytest.raises(MessagingError):
            await self.remembered(node, channel, 0.0)
