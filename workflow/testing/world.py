"""A small world: nodes with real journals, a clock that stands still, and networks in memory.

A year passes in seconds, and a node can be killed at any **point**: before a commit, after a
commit, and between an effect on the world (a link sent, archives live) and its answer. What a node
has announced is checked at the moment of sending, whoever is watching.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from workflow.actions.tools import channel_of
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import Timing
from workflow.archive.announcement import open_announcement
from workflow.archive.message import ArchivedMessage
from workflow.assembly import open_node
from workflow.errors import JournalClosedError
from workflow.node import Node
from workflow.ports.carrier import Content, Range

T = TypeVar("T")

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
START: Final = 1_704_067_200.0  # 2024-01-01, a Monday


class SimulatedCrash(BaseException):
    """The process is gone; nothing that it had not committed has happened."""


class _NodeDied(Exception):  # noqa: N818 - only a way out of the clock.
    """Time must not go on before the node was started again."""


@dataclass(slots=True)
class Killer:
    """Counts the points that a node passes and ends it at one of them."""

    at: int | None = None
    passed: int = 0
    is_dead: bool = False
    log: list[str] = field(default_factory=list)

    def reach(self, point: str) -> None:
        """Pass a point in the journal's thread. Raises ``SimulatedCrash`` at the chosen one."""
        if not self.is_dead:
            self.passed += 1
            self.log.append(point)
            self.is_dead = self.passed == self.at
        if self.is_dead:
            raise SimulatedCrash(point)

    async def reach_between(self, point: str) -> None:
        """Pass a point between an effect and its answer: from then on nothing more happens."""
        try:
            self.reach(point)
        except SimulatedCrash:
            await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Place:
    """What of a node survives its death: its disk and its keys. ``violations`` must stay empty."""

    directory: Path
    keys: MemoryKeys
    killer: Killer
    node: Node | None = None
    carrier: MemoryCarrier | None = None
    violations: list[str] = field(default_factory=list)


class World:
    """Nodes by name, on one clock, one swarm and one network of messages."""

    def __init__(
        self, directory: Path, *, start: float = START, timing: Timing | None = None
    ) -> None:
        self.clock = ManualClock(start)
        self.swarm = Swarm(self.clock)
        self.network = MessageNetwork(self.clock)
        self.clock.watch(self._stop_time_at_a_death)
        self.clock.watch(lambda: self.swarm.is_busy)
        self.check_seconds = 2.0
        self.seconds_per_archive = 1.0
        self._directory = directory
        self._timing = timing or Timing()
        self._places: dict[str, Place] = {}
        self._unwatch: dict[str, Callable[[], None]] = {}

    async def start(self, name: str) -> Node:
        """Start a node (again). Its disk and keys are those that it had."""
        place = self.place(name)
        while True:
            place.killer.is_dead = False
            try:
                return await self._open(name, place)
            except JournalClosedError:  # It died again while it was starting.
                await self.stop(name)

    async def _open(self, name: str, place: Place) -> Node:
        place.carrier = _WatchedCarrier(self, place.killer)
        node = open_node(
            place.directory,
            clock=self.clock,
            carrier=place.carrier,
            messaging=_WatchedMessaging(self.network, name, place),
            keys=place.keys,
            timing=self._timing,
            probe=place.killer.reach,
        )
        place.node = node
        self._unwatch[name] = self.clock.watch(lambda: node.engine.is_busy)
        await node.start()
        return node

    async def stop(self, name: str) -> None:
        """End a node; a dead one is buried the same way."""
        place = self.place(name)
        if place.node is not None:
            self._unwatch.pop(name)()
            with suppress(JournalClosedError):
                await place.node.stop()
            place.node = None

    async def restart(self, name: str) -> Node:
        """Stop and start."""
        await self.stop(name)
        return await self.start(name)

    async def close(self) -> None:
        """End all nodes."""
        for name in self._places:
            await self.stop(name)

    def place(self, name: str) -> Place:
        """The disk and keys of a node."""
        if name not in self._places:
            self._places[name] = Place(self._directory / name, MemoryKeys(), Killer())
        return self._places[name]

    def node(self, name: str) -> Node:
        """The running node of this name."""
        node = self.place(name).node
        if node is None:
            raise KeyError(name)
        return node

    async def do(self, name: str, verb: Callable[[Node], Awaitable[T]]) -> T:
        """Do something with a node, again after its death: verbs are safe to repeat."""
        while True:
            try:
                return await verb(self.node(name))
            except JournalClosedError:
                await self.restart(name)

    async def advance(self, seconds: float) -> None:
        """Let time pass; a node that dies meanwhile is started again at that moment."""
        goal = self.clock.now() + seconds
        while True:
            with suppress(_NodeDied):
                await self.clock.advance_to(goal)
            dead = self._dead()
            if not dead:
                return
            for name in dead:
                await self.restart(name)

    def violations(self) -> list[str]:
        """Announcements that should not have been made, by any node."""
        return [problem for place in self._places.values() for problem in place.violations]

    def _stop_time_at_a_death(self) -> bool:
        if self._dead():
            raise _NodeDied
        return False

    def _dead(self) -> list[str]:
        return [
            name
            for name, place in self._places.items()
            if place.node is not None and place.killer.is_dead
        ]


class _WatchedCarrier(MemoryCarrier):
    """A carrier with a point between "live" and the answer that says so."""

    def __init__(self, world: World, killer: Killer) -> None:
        super().__init__(
            world.swarm,
            world.clock,
            check_seconds=world.check_seconds,
            seconds_per_archive=world.seconds_per_archive,
        )
        self._killer = killer

    async def publish(
        self, content: Content, locator: str = "", ranges: Sequence[Range] | None = None
    ) -> str:
        """Pass a point once the content is live."""
        found = await super().publish(content, locator, ranges)
        await self._killer.reach_between("archives live")
        return found


class _WatchedMessaging(InProcessMessaging):
    """Messaging that checks the rule at the heart at the very moment of sending."""

    def __init__(self, network: MessageNetwork, name: str, place: Place) -> None:
        super().__init__(network, name)
        self._place = place

    async def publish(self, channel: str, payload: bytes) -> None:
        """Check the rule, and pass a point before and after sending a link."""
        if channel != channel_of(channel[:68]):
            await super().publish(channel, payload)
            return
        opened = open_announcement(payload)
        carrier, node = self._place.carrier, self._place.node
        if carrier is None or not carrier.is_live(opened.announcement.locator):
            self._place.violations.append(f"{channel}: announced while not live")
        if not self._place.keys.holds(opened.signer):
            self._place.violations.append(f"{channel}: announced without the key")
        if node is not None and not (await node.status(channel[:68])).is_control_node:
            self._place.violations.append(f"{channel}: announced by a node without control")
        await self._place.killer.reach_between("before sending")
        await super().publish(channel, payload)
        await self._place.killer.reach_between("link sent")


def text_message(topic: bytes, time: float, text: str) -> ArchivedMessage:
    """A message as a store node would have given it; equal arguments give equal messages."""
    payload = text.encode()
    return ArchivedMessage(
        sig=b"\x04" + hashlib.sha512(payload).digest(),
        timestamp=int(time),
        topic=topic,
        payload=payload,
        padding=b"\x01",
        hash=hashlib.sha256(payload + topic).digest(),
        third_party_id="",
    )
