"""What waits in a node until it is polled: each dialect forgets in its own way."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from workflow.waku.message import WakuMessage


class Queues(Protocol):
    """The subscriptions made over REST. A poll empties what it returns."""

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...

    def add(self, topic: str, message: WakuMessage) -> None: ...

    def poll(self, topic: str) -> list[WakuMessage] | None:
        """What waited, or None when nobody has subscribed to the topic."""

    @property
    def is_blocked(self) -> bool:
        """The node takes no more messages, whatever their topic, until it is polled."""


class GoWakuQueues:
    """A channel for each subscription; a full one holds up the node, its store too.

    Seen on a real node: 6000 publishes were answered 200, and the first 3050 were delivered and
    stored. A poll gave at most 1001.
    """

    MOST_A_POLL: Final = 1001
    MOST: Final = 3050

    def __init__(self) -> None:
        self._waiting: dict[str, deque[WakuMessage]] = {}

    def subscribe(self, topic: str) -> None:
        self._waiting.setdefault(topic, deque())

    def unsubscribe(self, topic: str) -> None:
        self._waiting.pop(topic, None)

    def add(self, topic: str, message: WakuMessage) -> None:
        if (waiting := self._waiting.get(topic)) is not None:
            waiting.append(message)

    def poll(self, topic: str) -> list[WakuMessage] | None:
        if (waiting := self._waiting.get(topic)) is None:
            return None
        return [waiting.popleft() for _ in range(min(len(waiting), self.MOST_A_POLL))]

    @property
    def is_blocked(self) -> bool:
        return any(len(waiting) >= self.MOST for waiting in self._waiting.values())


class NwakuQueues:
    """One cache for all topics; the smallest timestamp goes. From source, untested.

    ``message_cache.nim``: ``--rest-relay-cache-capacity``. What goes leaves its place to the last
    message, so a poll is in no order.
    """

    is_blocked = False

    def __init__(self, capacity: int = 50) -> None:
        self._capacity = capacity
        self._topics: set[str] = set()
        self._waiting: list[tuple[str, WakuMessage]] = []

    def subscribe(self, topic: str) -> None:
        self._topics.add(topic)

    def unsubscribe(self, topic: str) -> None:
        self._topics.discard(topic)
        self._waiting = [one for one in self._waiting if one[0] != topic]

    def add(self, topic: str, message: WakuMessage) -> None:
        if topic not in self._topics:
            return
        if len(self._waiting) >= self._capacity:
            places = reversed(range(len(self._waiting)))
            oldest = min(places, key=lambda place: self._waiting[place][1].timestamp or 0)
            self._waiting[oldest] = self._waiting[-1]
            self._waiting.pop()
        self._waiting.append((topic, message))

    def poll(self, topic: str) -> list[WakuMessage] | None:
        if topic not in self._topics:
            return None
        polled = [message for at, message in self._waiting if at == topic]
        self._waiting = [one for one in self._waiting if one[0] != topic]
        return polled
