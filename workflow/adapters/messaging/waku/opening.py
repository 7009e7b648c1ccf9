"""Messages of the network -> messages of chats; and what is counted of the rest.

On a public topic anybody's messages come, and other chats' share four bytes with ours. What cannot
be opened is nobody's fault, so it is counted by its reason and never logged.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from workflow.ports.messaging import Envelope, Received
from workflow.waku.chats import Chat, content_topic, topic_of
from workflow.waku.message import WakuMessage
from workflow.waku.recent_hashes import RecentHashes
from workflow.waku.refusal import Refusal
from workflow.waku.sealing import open_sealed

OPENED_AT_ONCE: Final = 8
"""So many messages are opened within the event loop, some 100 us each; more go to a thread."""
REMEMBERED: Final = 32_768
"""Hashes that are remembered, so that nothing is taken or counted twice."""
NANOSECONDS: Final = 1_000_000_000


def nanoseconds(moment: float) -> int:
    """A moment of the clock (seconds) as the network has it, without the error of a product."""
    return int(moment) * NANOSECONDS + round(moment % 1 * NANOSECONDS)


class Found(NamedTuple):
    """A message of the network, the pubsub topic that it came on, and its hash (32 bytes)."""

    pubsub_topic: str
    message: WakuMessage
    hash: bytes

    @property
    def time(self) -> int:
        """The sender's time (nanoseconds, UTC epoch); zero when it does not say."""
        return self.message.timestamp or 0


class Opener:
    """Opens messages with the keys of chats.

    ``refused`` counts what could not be opened, each message once as far as it is remembered.
    """

    def __init__(self) -> None:
        self.refused: dict[Refusal, int] = {}
        self._chats: dict[str, Chat] = {}
        self._counted = RecentHashes(REMEMBERED)
        self._in_threads = 0

    @property
    def is_busy(self) -> bool:
        """True while a thread works, which a manual clock must wait for."""
        return self._in_threads > 0

    async def chat(self, channel: str) -> Chat:
        """The chat of this channel. Its key is derived once, in a thread."""
        if channel not in self._chats:
            self._chats[channel] = await self._in_thread_chat(channel)
        return self._chats[channel]

    async def open(self, found: Sequence[Found], channels: Iterable[str]) -> list[Received]:
        """What these messages say on these channels, in the same order."""
        by_topic = defaultdict(list)
        for channel in channels:
            by_topic[content_topic(topic_of(channel))].append(channel)
        chats = {
            topic: [await self.chat(channel) for channel in by_topic[topic]]
            for topic in {one.message.content_topic for one in found}
        }
        if len(found) <= OPENED_AT_ONCE:
            opened = _open_all(found, chats)
        else:
            self._in_threads += 1
            try:
                opened = await asyncio.to_thread(_open_all, found, chats)
            finally:
                self._in_threads -= 1
        for one, outcome in zip(found, opened, strict=True):
            if isinstance(outcome, Refusal) and one.hash not in self._counted:
                self._counted.add(one.hash)
                self.refused[outcome] = self.refused.get(outcome, 0) + 1
        return [outcome for outcome in opened if isinstance(outcome, Received)]

    async def _in_thread_chat(self, channel: str) -> Chat:
        self._in_threads += 1
        try:
            return await asyncio.to_thread(Chat.of, channel)
        finally:
            self._in_threads -= 1


def _open_all(found: Sequence[Found], chats: dict[str, list[Chat]]) -> list[Received | Refusal]:
    return [_open(one, chats[one.message.content_topic]) for one in found]


def _open(found: Found, chats: Sequence[Chat]) -> Received | Refusal:
    opened = open_sealed(found.message, chats)
    if isinstance(opened, Refusal):
        return opened
    envelope = Envelope(opened.sender, found.time // NANOSECONDS, opened.padding, found.hash)
    return Received(opened.chat.id, opened.payload, found.time / NANOSECONDS, envelope)
