"""The network of messages: it may lose, repeat, delay and reorder whatever it carries."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

RETENTION: Final = 30 * 86_400.0
"""Seconds that the network remembers messages."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came in. ``at`` is when the network took it (seconds, UTC epoch)."""

    channel: str
    payload: bytes
    at: float


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
