"""The network of messages: it may lose, repeat, delay and reorder whatever it carries."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

RETENTION: Final = 30 * 86_400.0
"""Seconds that the network remembers messages."""
AHEAD: Final = 60.0
"""Seconds that a sender's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a chat message came in: archives hold it beside the payload.

    ``sender`` is the public key of the account that sent it, uncompressed (65 bytes): not who
    signed what is inside. ``time`` is the sender's (seconds, UTC epoch), ``padding`` the random
    bytes around the payload, and ``hash`` the 32 bytes by which the network knows the message.
    """

    sender: bytes
    time: int
    padding: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came in.

    ``at`` is when the network took it (seconds, UTC epoch); with an envelope, it is what the sender
    says of it.
    """

    channel: str
    payload: bytes
    at: float
    envelope: Envelope | None = None


Receiver = Callable[[Received], Awaitable[None]]
"""Called once for each delivery; a delivery counts as taken only when this has returned."""


class Messaging(Protocol):
    """Publish and subscribe on named channels (chat ids), and ask for what was missed.

    ``publish`` and ``stored`` raise ``MessagingError`` while not connected; subscriptions end with
    ``close``.
    """

    async def open(self, receive: Receiver) -> None:
        """Connect; from now on deliveries of subscribed channels go to ``receive``."""

    async def subscribe(self, channel: str) -> None:
        """Take deliveries of this channel; asking twice is asking once."""

    async def unsubscribe(self, channel: str) -> None:
        """Take no more deliveries of this channel."""

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hand a message to the network. Raises ``MessagingError`` when it was not taken."""

    def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        """What the network still remembers of a channel since this moment (seconds, UTC epoch).

        Raises ``MessagingError`` when the question could not be answered completely.
        """

    async def close(self) -> None:
        """Disconnect; no delivery is made after this has returned."""


@runtime_checkable
class ChatMessaging(Messaging, Protocol):
    """A network on which communities chat: what it delivers and remembers has envelopes.

    Its deliveries may leave messages out, and nobody notices. So whoever follows chats asks for
    what it remembers every ``ask_every`` seconds, and after each time that an answer failed. It
    remembers in several ``sources``, by name: each knows what it heard itself.
    """

    @property
    def ask_every(self) -> float:
        """Seconds between two questions for what deliveries have left out."""

    @property
    def sources(self) -> Sequence[str]:
        """Who can be asked."""

    def recalled(
        self, channels: Sequence[str], since: float, source: str = ""
    ) -> AsyncGenerator[list[Received], None]:
        """What a source remembers of these channels since this moment (seconds, UTC epoch).

        Without a source, what any of them does. Page by page and the oldest first: whoever has
        taken a page has all until its last ``at``. Raises ``MessagingError`` when the question
        could not be answered completely; the pages until then hold.
        """
