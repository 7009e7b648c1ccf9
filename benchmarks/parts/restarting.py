from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.parts import baselines
from benchmarks.parts.fleet import BEFORE, Fleet, build, copies, keys_of, opened
from benchmarks.parts.report import count, note, row, span, table, timed
from workflow.adapters.clock.manual import ManualClock

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
    small = sizes[:2]
    row("register as many models", *(span(timed(lambda: baselines.register(size))) for size in small))
    row("add as many jobs to memory", *(span(_add(size)) for size in small))
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


def _add(size: int) -> float:
    scheduler = baselines.jobs_in_memory()
    return timed(lambda: baselines.add_jobs(scheduler, size))
