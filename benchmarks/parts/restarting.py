from __future__ import annotations

import shutil
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.parts import baselines
from benchmarks.parts.fleet import BEFORE, Fleet, build, copies, keys_of, opened
from benchmarks.parts.report import count, note, row, span, table, timed
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.assembly import open_node
from workflow.viewing import JOURNAL

SHARES: Final = {
    "all idle": (0.0, 0.0),
    "1% wait for an archive, 1% seed": (0.01, 0.01),
    "10% wait, 1% seed": (0.1, 0.01),
    "10% wait, 10% seed": (0.1, 0.1),
}


async def run(directory: Path, sizes: tuple[int, ...], times: int) -> None:
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for size in sizes:
        for name, (talking, seeding) in SHARES.items():
            fleet = Fleet(size, int(size * talking), int(size * seeding))
            found[name, size] = await _restarts(directory, fleet, times)
    table("Restart: open the journal, start the engine", *(count(size) for size in sizes))
    for name in SHARES:
        row(name, *(span(found[name, size][0]) for size in sizes))
        row("   and the first sweep is over", *(span(found[name, size][1]) for size in sizes))
    nodes = {size: await _node(directory, size) for size in sizes}
    row("the whole node, all idle", *(span(nodes[size][0]) for size in sizes))
    row("   and everybody was asked for links", *(span(nodes[size][1]) for size in sizes))
    small = sizes[:2]
    row("register as many models", *(span(_register(size)) for size in small), "")
    row("add as many jobs to memory", *(span(_add(size)) for size in small), "")
    note("The first sweep asks everybody whom a restart concerns: who seeds begins to seed again.")


async def _restarts(directory: Path, fleet: Fleet, times: int) -> tuple[float, float]:
    original = directory / "restart.sqlite3"
    build(original, fleet)
    keys = keys_of(fleet)
    started, swept = [], []
    for path in copies(original, times):
        clock = ManualClock(BEFORE)
        async with AsyncExitStack() as stack:
            began = time.perf_counter()
            engine = await stack.enter_async_context(opened(path, keys, clock))
            await engine.start()
            started.append(time.perf_counter() - began)
            await clock.settle()
            swept.append(time.perf_counter() - began)
    original.unlink()
    return median(started), median(swept)


async def _node(directory: Path, size: int) -> tuple[float, float]:
    """As shipped, on networks within the process, which answer at once that nothing was missed."""
    place = directory / "node"
    place.mkdir()
    build(place / JOURNAL, Fleet(size))
    clock = ManualClock(BEFORE, patience=600)
    began = time.perf_counter()
    node = open_node(
        place,
        clock=clock,
        carrier=MemoryCarrier(Swarm(clock)),
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=MemoryKeys(),
    )
    clock.watch(lambda: node.engine.is_busy)
    async with node:
        started = time.perf_counter() - began
        await clock.settle()
        asked = time.perf_counter() - began
    shutil.rmtree(place)
    return started, asked


def _register(size: int) -> float:
    return timed(lambda: baselines.register(size))


def _add(size: int) -> float:
    scheduler = baselines.jobs_in_memory()
    return timed(lambda: baselines.add_jobs(scheduler, size))
