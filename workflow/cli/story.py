"""The story that ``demo`` tells: real nodes with real journals and files, on a clock of their own.

Everything is derived from numbers, nothing is random: two tellings are the same to the byte, but
for the community's key.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.archive.message import ArchivedMessage
from workflow.assembly import ARCHIVES, open_node
from workflow.cli.place import KEYS
from workflow.cli.running import transition
from workflow.cli.words import moment, say, span
from workflow.engine.rows import Recorded
from workflow.errors import ConfigurationError
from workflow.node import Node
from workflow.testing.world import text_message

NAME: Final = "gardeners"
CONTROL, MEMBER, NEWCOMER = "control", "ana", "ben"
START: Final = 1_704_067_200.0  # 2024-01-01, a Monday
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
DAYS: Final = 7
A_DAY: Final = 48
"""Messages: one every half hour."""
MISSED: Final = 3
"""The member misses every third message."""
TOPICS: Final = (b"seed", b"tool")
CHECK_SECONDS: Final = 2.0


@dataclass(slots=True)
class Actor:
    """A node of the story, and what it was seen to do."""

    name: str
    directory: Path
    node: Node
    steps: list[Recorded] = field(default_factory=list)
    is_here: bool = True

    async def leave(self) -> None:
        """Be gone; again is once."""
        if self.is_here:
            self.is_here = False
            await self.node.stop()

    def count(self, lifecycle: str, target: str) -> int:
        """How often this state of a lifecycle was entered."""
        return sum(
            (step.lifecycle, step.target) == (lifecycle, target) and step.source != target
            for step in self.steps
        )

    def files(self) -> list[Path]:
        """The files that hold archives."""
        return sorted((self.directory / ARCHIVES).glob("*/*/data"))

    def size(self) -> int:
        """Bytes of archives on this disk."""
        return sum(file.stat().st_size for file in self.files())

    def digest(self) -> str:
        """What tells two disks apart."""
        return hashlib.sha256(b"".join(file.read_bytes() for file in self.files())).hexdigest()


class Story:
    """One telling in ``directory``; ``told`` says whether everything was as promised.

    Raises ``ConfigurationError`` when a story was told there before.
    """

    def __init__(self, directory: Path, weeks: int) -> None:
        if (directory / CONTROL).exists():
            raise ConfigurationError(
                "a demo was kept here before",
                place=str(directory),
                remedy="Delete it, or choose another --data-dir.",
            )
        self._directory = directory
        self._weeks = weeks
        self._clock = ManualClock(START)
        self._swarm = Swarm(self._clock)
        self._clock.watch(lambda: self._swarm.is_busy)
        self._network = MessageNetwork(self._clock)
        self._actors: dict[str, Actor] = {}
        self._id = ""
        self._kept = True
        self._shows_steps = False

    async def told(self) -> bool:
        """Tell it all; False when a promise was broken."""
        try:
            await self._begin()
            with _progress(self._weeks) as advance:
                for week in range(1, self._weeks + 1):
                    await self._live_through(week)
                    advance()
            await self._compare(MEMBER, "although she missed a third of them")
            await self._lose_the_control_node()
            await self._compare(NEWCOMER, "although he never received one")
            self._sum_up()
        finally:
            for actor in self._actors.values():
                await actor.leave()
        return self._kept

    # -- chapters ---------------------------------------------------------------------------------

    async def _begin(self) -> None:
        owner = await self._start(CONTROL)
        self._id = await owner.node.create_community(NAME)
        member = await self._start(MEMBER)
        await member.node.join(self._id, NAME)
        for actor in (owner, member):
            for topic in TOPICS:
                await actor.node.add_topic(self._id, topic)
            await actor.node.enable()
        say(f"The community '{NAME}', {self._id[:14]}…")
        say(f"  {CONTROL:<8} holds its key, so it is the control node")
        say(f"  {MEMBER:<8} is a member, who misses every third message")
        say(f"\nIt is {moment(START)}. {self._weeks} weeks go by; the end of the first in full:\n")

    async def _live_through(self, week: int) -> None:
        """Seven days of messages, and the hours in which the week before becomes an archive."""
        owner, member = self._actors[CONTROL], self._actors[MEMBER]
        for day in range((week - 1) * DAYS, week * DAYS):
            await self._clock.advance_to(START + (day + 1) * DAY)
            batch = list(_day_of(START + day * DAY))
            await owner.node.add_messages(self._id, batch)
            heard = [one for number, one in enumerate(batch) if number % MISSED]
            await member.node.add_messages(self._id, heard)
        self._shows_steps = week == 1
        before = owner.size()
        await self._clock.advance(2 * HOUR)
        if week == 1:
            say("")
        self._shows_steps = False
        self._tell_week(week, owner.size() - before)

    def _tell_week(self, week: int, size: int) -> None:
        ends = moment(self._clock.now())[:10]
        imported = self._actors[MEMBER].count("archive", "IMPORTED")
        say(
            f"  week {week:<3} {ends}  {DAYS * A_DAY} messages → {_bytes(size)}, announced;"
            f" {MEMBER} has imported {imported}"
        )

    async def _lose_the_control_node(self) -> None:
        say(f"\nNow {CONTROL} disappears, with its key and its copy.")
        await self._actors[CONTROL].leave()
        say(f"{NEWCOMER} joins and asks the network for the newest link. Only {MEMBER} has files.")
        newcomer = await self._start(NEWCOMER)
        await newcomer.node.join(self._id, NAME)
        for topic in TOPICS:
            await newcomer.node.add_topic(self._id, topic)
        await newcomer.node.enable()
        await self._clock.advance(HOUR)

    async def _compare(self, name: str, although: str) -> None:
        """Is every message that was sent on this disk, and every byte of every archive?"""
        actor, owner = self._actors[name], self._actors[CONTROL]
        sent = sorted(one.encode() for at in self._days() for one in _day_of(at))
        held = sorted(one.encoded or b"" for one in await actor.node.messages(self._id))
        say("")
        self._promise(f"{name} has all {len(sent):,} messages, {although}", held == sent)
        same = actor.size() > 0 and actor.digest() == owner.digest()
        self._promise(f"{name}'s archives are {CONTROL}'s, byte for byte", same)
        self._promise(f"{name} offers them to others", (await actor.node.status(self._id)).is_live)

    def _sum_up(self) -> None:
        owner, newcomer = self._actors[CONTROL], self._actors[NEWCOMER]
        senders = Counter(one.sender for one in self._network.published)
        announced = [step for step in owner.steps if step.target == "ANNOUNCING"]
        say("")
        self._promise(
            f"only {CONTROL} announced: {senders[CONTROL]} links, none by anybody else",
            set(senders) == {CONTROL},
        )
        self._promise(
            "it announced archives only when they had just been seen to be live",
            all(step.source == "SEEDING" for step in announced),
        )
        total = sum(len(actor.steps) for actor in self._actors.values())
        say("\nIn figures")
        say(f"  messages   {self._weeks * DAYS * A_DAY:,} in {self._weeks} weeks")
        say(f"  archives   {newcomer.count('archive', 'IMPORTED')}, {_bytes(owner.size())}")
        say(f"  steps      {total:,} in {len(self._actors)} journals")
        say(f"  time       {span(self._clock.now() - START)} of theirs")
        say(f"  complete   {'every member' if self._kept else 'NOT everything; see above'}")

    # -- the stage --------------------------------------------------------------------------------

    async def _start(self, name: str) -> Actor:
        directory = self._directory / name
        node = open_node(
            directory,
            clock=self._clock,
            carrier=MemoryCarrier(self._swarm, self._clock, check_seconds=CHECK_SECONDS),
            messaging=InProcessMessaging(self._network, name),
            keys=KeyFiles(directory / KEYS),
        )
        actor = self._actors[name] = Actor(name, directory, node)
        node.engine.on_step(lambda step: self._see(actor, step))
        self._clock.watch(lambda: node.engine.is_busy)
        await node.start()
        return actor

    def _see(self, actor: Actor, step: Recorded) -> None:
        actor.steps.append(step)
        if self._shows_steps and step.source != step.target:
            line = transition(step, {self._id: ""})
            say(f"  {actor.name:<8} {line}")

    def _promise(self, text: str, is_kept: bool) -> None:
        self._kept = self._kept and is_kept
        say(f"  {'kept  ' if is_kept else 'BROKEN'}  {text}")

    def _days(self) -> Iterator[float]:
        return (START + day * DAY for day in range(self._weeks * DAYS))


def _day_of(start: float) -> Iterator[ArchivedMessage]:
    """A day's messages, half in each channel."""
    for number in range(A_DAY):
        at = start + number * DAY / A_DAY
        topic = TOPICS[number % len(TOPICS)]
        yield text_message(topic, at, f"{moment(at)}: " + "the beans are up. " * (number % 9 + 1))


def _bytes(count: int) -> str:
    return f"{count / 1024:,.0f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:,.1f} MiB"


@contextmanager
def _progress(weeks: int) -> Iterator[Any]:
    """A bar on the terminal, and nothing anywhere else."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it.
    from rich.progress import Progress  # noqa: PLC0415

    bar = Progress(console=Console(stderr=True), transient=True,
                   redirect_stdout=sys.stdout.isatty())  # fmt: skip
    with bar:
        task = bar.add_task("weeks", total=weeks)
        yield lambda: bar.advance(task)
