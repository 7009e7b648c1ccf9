"""The port over Waku nodes: all are polled, and what they bring is handed on once.

A delivery that its receiver did not take is not made again, and what a node lost is not noticed:
whoever follows chats asks for what stores remember (``recalled``), and finds both there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from loguru import logger

from workflow.adapters.messaging.waku.following import Following
from workflow.adapters.messaging.waku.node import MakeTransport, NodeStanding
from workflow.adapters.messaging.waku.opening import Opener, nanoseconds
from workflow.adapters.messaging.waku.publishing import check_length, send
from workflow.adapters.messaging.waku.recalling import questions, recall
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.keys import Keys
from workflow.ports.messaging import AHEAD, RETENTION, Received, Receiver
from workflow.waku.chats import content_topic, links_chat_id, topic_of
from workflow.waku.message import WakuMessage
from workflow.waku.refusal import Refusal
from workflow.waku.sealing import seal

_LINKS: Final = links_chat_id("")


class WakuMessaging:
    """A connection to the Waku network by way of nodes that run elsewhere.

    ``keys`` makes the account that signs what is sent, and random bytes; the account lives as long
    as this object. ``transport`` makes what carries requests to a node's address. It may be closed
    and opened again; subscriptions end with ``close``.
    """

    def __init__(
        self,
        settings: WakuSettings,
        clock: Clock,
        keys: Keys,
        *,
        transport: MakeTransport | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._account = keys.create()
        self._installation = str(UUID(bytes=keys.random(16), version=4))
        self._transport = transport
        self._opener = Opener()
        self._channels: set[str] = set()
        self._session: Following | None = None
        self._said_unconfirmed = False

    def __repr__(self) -> str:
        return f"WakuMessaging({self._settings!r})"

    @property
    def ask_every(self) -> float:
        """Seconds between two questions for what deliveries have left out."""
        return self._settings.ask_every

    @property
    def refused(self) -> dict[Refusal, int]:
        """How many messages could not be opened, by reason. Most are of other chats."""
        return self._opener.refused

    @property
    def standing(self) -> tuple[NodeStanding, ...]:
        """How it is with each node, as far as was heard; nothing while not connected."""
        return tuple(node.standing for node in self._session.nodes) if self._session else ()

    @property
    def is_busy(self) -> bool:
        """True while a thread works, which a manual clock must wait for."""
        return self._opener.is_busy

    async def open(self, receive: Receiver) -> None:
        """Follow the nodes; from now on deliveries of subscribed channels go to ``receive``.

        Nodes that do not answer are asked again and again. Raises ``MessagingError`` when it is
        connected already.
        """
        if self._session is not None:
            raise MessagingError("it is connected already", place=self._places())
        self._session = Following(
            self._settings, self._clock, self._transport, self._opener, self._channels, receive
        )
        try:
            await self._session.begin()
        except BaseException:
            await self.close()
            raise

    async def subscribe(self, channel: str) -> None:
        """Take deliveries of this channel; asking twice is asking once."""
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Take no more deliveries of this channel, nor those that are on their way."""
        self._channels.discard(channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hand a message to the network, and see that a store has it.

        Links are wrapped as status-go has them; everything else goes as it is. Raises
        ``MessageTooLongError`` when it is too long for the settings, and ``MessagingError`` when it
        was not taken: not connected, no node takes it, or no store has it in the end. When no store
        can be asked, being taken has to do.
        """
        session = self._connected()
        check_length(payload, self._settings.limit)
        chat = await self._opener.chat(channel)
        installation = self._installation if channel.endswith(_LINKS) else None
        sign = partial(self._keys.sign, self._account)

        def sealed() -> WakuMessage:
            now = nanoseconds(self._clock.now())
            message = seal(chat, payload, sign, self._keys.random, installation).stamped(now)
            message.check(self._settings.limit)
            return message

        topic, looks = self._settings.pubsub_topics[0], self._settings.confirm_after
        is_confirmed = await send(session.in_order(), topic, sealed, looks, self._clock)
        if looks and not is_confirmed and self._session is not session:
            raise MessagingError("disconnected before a store was asked", place=self._places())
        if looks and not is_confirmed and not self._said_unconfirmed:
            logger.warning(
                "messages are taken by the Waku nodes {}, and no store can tell whether they"
                " reach anybody",
                self._places(),
            )
        self._said_unconfirmed = not is_confirmed

    @property
    def sources(self) -> tuple[str, ...]:
        """The nodes with what is asked of them, without user and password."""
        topics = " ".join(self._settings.pubsub_topics)
        return tuple(f"{address} {topics}" for address in self._settings.addresses)

    async def recalled(
        self, channels: Sequence[str], since: float, source: str = ""
    ) -> AsyncGenerator[list[Received], None]:
        """What stores remember of these channels since this moment (seconds, UTC epoch).

        ``source`` is asked, or all nodes are, which complete each other; see ``ChatMessaging``.
        Raises ``MessagingError`` when it is not connected, or no node answers one of the questions
        to the end; the pages until then hold.
        """
        session = self._connected()
        nodes = session.those_that_answer()
        if source:
            nodes = [session.one_that_answers(self.sources.index(source))]
        now = self._clock.now()
        since = max(since, now - RETENTION)
        # A little more: a moment is a float, and holds nanoseconds of today to some hundred.
        start, end = nanoseconds(since) - 1_000, nanoseconds(now + AHEAD)
        topics = [content_topic(topic_of(channel)) for channel in channels]
        asked = questions(self._settings.pubsub_topics, topics, start, end)
        async for page in recall(nodes, asked, self._clock):
            opened = await self._opener.open(page, channels)
            if received := [message for message in opened if message.at >= since]:
                yield received

    async def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        """What stores remember of a channel since this moment (seconds, UTC epoch), oldest first.

        Raises ``MessagingError`` as ``recalled`` does.
        """
        async for page in self.recalled([channel], since):
            for message in page:
                yield message

    async def close(self) -> None:
        """Disconnect; deliveries under way are cancelled and have ended when this returns."""
        session, self._session = self._session, None
        if session is not None:
            self._channels = set()
            await session.end()

    def _connected(self) -> Following:
        if self._session is None:
            raise MessagingError("it is not connected", place=self._places())
        return self._session

    def _places(self) -> str:
        return ", ".join(self._settings.addresses)
