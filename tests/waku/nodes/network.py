"""What Waku nodes share: a message that one publishes reaches all that are up.

Gossip is not told again: who was down, apart or not on the topic never hears of it. Only stores
remember. This knows nothing of how the project speaks to nodes.
"""

from __future__ import annotations

from typing import Protocol

from workflow.ports.clock import Clock
from workflow.waku.message import WakuMessage


class Peer(Protocol):
    """A node, as the others see it."""

    @property
    def address(self) -> str:
        """Its multiaddress, with its peer id."""

    @property
    def is_reachable(self) -> bool: ...

    def deliver(self, pubsub_topic: str, message: WakuMessage) -> None:
        """Take a message that is on its way; what was seen before is passed over."""


class WakuNetwork:
    """``peers`` are in the order in which they were made."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.peers: list[Peer] = []

    def publish(self, pubsub_topic: str, message: WakuMessage) -> bytes:
        """As a stranger whose node is not one of ours. Returns the message's hash."""
        for peer in self.peers:
            if peer.is_reachable:
                peer.deliver(pubsub_topic, message)
        return message.hash(pubsub_topic)

    def find(self, address: str) -> Peer | None:
        """Who can be dialled there."""
        return next(
            (peer for peer in self.peers if peer.address == address and peer.is_reachable), None
        )
