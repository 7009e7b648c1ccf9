"""What every ``Messaging`` promises, asked of a network in good weather.

Even then a network may repeat messages and mix up their order, so nothing here counts deliveries.
"""

# ruff: noqa: S101
# An assertion is how a contract speaks.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
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


class MessagingContract(ABC):
    """Subclass it as ``TestSomething``, say how to connect and how to let time pass.

    ``patience`` is how long (seconds) a message may take, a repeated delivery and the network's
    memory included.
    """

    pytestmark = pytest.mark.asyncio
    patience: float = 30.0
    step: float = 1.0

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
        found: list[Received] = []
        for _ in range(int(self.patience / self.step)):
            found = await self.remembered(reader, channel, since)
            if found:
                break
            await self.wait(self.step)
        assert {message.payload for message in found} == {b"late"}
        assert all(message.channel == channel and message.at >= since for message in found)
        everything = await self.remembered(reader, channel, since - 4 * self.step - 1)
        assert {message.payload for message in everything} == {b"early", b"late"}
        await sender.close()
        await reader.close()

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
