"""A community's store on a real disk, with made-up messages, and its actions without their engine.

The journal, the tables, the folder and the actions are the shipped ones. No lifecycle runs: what
an action answers is committed, or not, by whoever measures it.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from benchmarks.parts.fleet import DEVICE
from workflow.actions.create_archives import create_archives
from workflow.actions.tools import Tools
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import CommunityFacts, Timing
from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.engine.engine import Engine
from workflow.engine.history import begin_run
from workflow.engine.journal import Journal
from workflow.engine.migrations import ENGINE
from workflow.engine.working import ThisWork
from workflow.files.folder import ArchiveFolder
from workflow.ports.records import Channel, Community
from workflow.ports.work import Answer, no_writes
from workflow.viewing import ARCHIVES, JOURNAL, facts_of

WEEK: Final = 604_800
ANCHOR: Final = 1_700_000_000
TOPICS: Final = tuple(bytes((1, 2, 3, number)) for number in range(10))
SECRET: Final = bytes(range(1, 33))
TOGETHER: Final = 10_000
_SIG: Final = b"\x04" + bytes(64)
_NOISE: Final = hashlib.shake_256(b"noise").digest(1 << 20)
_LARGE: Final = 50_000
STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Store:
    """An open data directory of one community, which this device controls, or is a member of."""

    journal: Journal
    engine: Engine
    tools: Tools
    id: str
    clock: ManualClock

    def work(self, id: str) -> ThisWork:
        return ThisWork(id, 1, 1, engine=self.engine, clock=self.clock, report_to=_to_nobody)

    async def commit(self, answer: Answer[Any]) -> None:
        await self.journal.run(answer.writes)


@dataclass(slots=True)
class Spent:
    """Seconds: on the wall, and of this process' threads on all processors."""

    wall: float = 0.0
    cpu: float = 0.0


def messages(count: int, start: int, seconds: int) -> Iterator[EncodedMessage]:
    """Payloads of 300 to 600 bytes, each thousandth of 50 KB, spread over so many seconds."""
    for number in range(count):
        length = _LARGE if number % 1000 == 999 else 300 + number * 7919 % 301
        begin = number * 104_729 % (len(_NOISE) - length)
        yield ArchivedMessage(
            sig=_SIG,
            timestamp=start + number * seconds // count,
            topic=TOPICS[number * 7 % len(TOPICS)],
            payload=_NOISE[begin : begin + length],
            padding=b"\x01",
            hash=hashlib.sha256(b"%d %d" % (start, number)).digest(),
        ).packed()


@asynccontextmanager
async def opened(directory: Path, *, is_member: bool = False) -> AsyncIterator[Store]:
    """A store in a directory, new or kept, at a moment when all its weeks are long over."""
    directory.mkdir(exist_ok=True)  # noqa: ASYNC240 - nobody else waits in this loop.
    clock = ManualClock(float(ANCHOR + 1000 * WEEK))
    journal = Journal(directory / JOURNAL, (*ENGINE, *STORE))
    keys = MemoryKeys()
    key = keys.add(SECRET)
    if is_member:
        keys.remove(key)
    carrier = MemoryCarrier(Swarm(clock))
    run = journal.run_blocking(lambda tx: begin_run(tx, clock.now()))
    read_facts = CommunityFacts(keys, carrier, Timing(), device=DEVICE, run=run, started_at=0.0)
    store, id = SqliteStore(), "0x" + key.hex()
    tools = Tools(
        store=store,
        carrier=carrier,
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=keys,
        clock=clock,
        folder=ArchiveFolder(directory / ARCHIVES),
        facts_of=lambda tx, ids: facts_of(read_facts, tx, ids, clock.now()),
        grace=Timing().grace,
    )
    journal.run_blocking(lambda tx: store.add_community(tx, _community(id, key)))
    for topic in TOPICS:
        journal.run_blocking(partial(store.add_channel, community=id, channel=Channel(topic)))
    engine = Engine(journal, clock, [])
    try:
        yield Store(journal, engine, tools, id, clock)
    finally:
        await engine.stop()
        journal.close()


def fill(store: Store, count: int, start: int, seconds: int) -> None:
    """So many messages, as they would have come."""
    coming = messages(count, start, seconds)
    while batch := list(islice(coming, TOGETHER)):
        store.journal.run_blocking(
            partial(
                store.tools.store.add_messages,
                community=store.id,
                messages=batch,
                now=store.clock.now(),
            )
        )


async def created(store: Store, *, is_committed: bool = True) -> tuple[Spent, Spent]:
    """What making all archives that are due took: until the answer, and until its commit."""
    made: list[Answer[Any]] = []

    async def make() -> None:
        made.append(await create_archives(store.tools, store.work(store.id)))

    making = await spent(make)
    if made[0].writes is no_writes:
        raise AssertionError(f"nothing was made: {made[0]}")
    if not is_committed:
        return making, making
    committing = await spent(lambda: store.commit(made[0]))
    return making, Spent(making.wall + committing.wall, making.cpu + committing.cpu)


async def spent(work: Callable[[], Awaitable[object]]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def peak_above(work: Callable[[Path], Awaitable[object]], directory: Path) -> float:
    """Bytes that a fresh process had more at its peak than after its imports."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_peak, work, directory).result()


def _peak(work: Callable[[Path], Awaitable[object]], directory: Path) -> float:
    before = peak()
    asyncio.run(_awaited(work(directory)))
    return peak() - before


async def _awaited(work: Awaitable[object]) -> None:
    await work


def peak() -> float:
    """The most bytes that this process ever had in memory."""
    if not STATUS.exists():
        return float("nan")
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _community(id: str, key: bytes) -> Community:
    return Community(
        id=id,
        name="measured",
        control_key=key,
        control_device=DEVICE,
        control_epoch=1,
        claimed_epoch=1,
        interval=WEEK,
        anchor=ANCHOR,
        reannounce_after=None,
        is_enabled=True,
        is_encrypted=False,
        generation=0,
        candidate=0,
        condition="",
    )


def _to_nobody(done: int, total: int, unit: str) -> None:
    pass
