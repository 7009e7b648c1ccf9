from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from benchmarks.parts import baselines
from benchmarks.parts.fleet import BEFORE, Fleet, build, keys_of, opened
from benchmarks.parts.report import count, note, row, table
from workflow.adapters.clock.manual import ManualClock
from workflow.engine.journal import connect


class Work(Protocol):
    """What a fresh process is asked: how many bytes it holds with that."""

    def __call__(self, argument: object, /, *, is_traced: bool) -> float: ...


STATM: Final = Path("/proc/self/statm")


def run(directory: Path, few: int, many: int, registered: int) -> None:
    """Each process has seen nothing else; what the second holds more is the communities'."""
    more = many - few
    small, large = directory / "few.sqlite3", directory / "many.sqlite3"
    for path, size in ((small, few), (large, many)):
        build(path, Fleet(size))
        with closing(connect(path)) as connection:
            connection.execute("VACUUM")
    rows = (large.stat().st_size - small.stat().st_size) / more
    objects = (
        _asked(_engine, large, is_traced=True) - _asked(_engine, small, is_traced=True)
    ) / more
    resident = (
        _asked(_engine, large, is_traced=False) - _asked(_engine, small, is_traced=False)
    ) / more
    table("One idle community, bytes", "objects", "resident", "in the file")
    row("the engine", f"{abs(objects):.1f}", f"{resident:.1f}", count(rows))
    for name, work in (("a registered model", _models), ("a job in memory", _jobs)):
        traced = (
            _asked(work, registered, is_traced=True) - _asked(work, 0, is_traced=True)
        ) / registered
        real = (
            _asked(work, registered, is_traced=False) - _asked(work, 0, is_traced=False)
        ) / registered
        row(name, count(traced), count(real), "-")
    if baselines.has_job_files():
        row("a job in SQLite", "-", "-", count(_job_file(directory, registered)))
    note(f"The engine: {count(many)} communities beside {count(few)}, started and swept; SQLite's")
    note(f"page cache has a fixed size. The others: {count(registered)} of them beside none.")


def _job_file(directory: Path, registered: int) -> float:
    path = directory / "jobs.sqlite3"
    scheduler = baselines.jobs_in_file(path, is_durable=False)
    baselines.add_jobs(scheduler, registered)
    scheduler.close()
    with closing(connect(path)) as connection:
        connection.execute("VACUUM")
    return path.stat().st_size / registered


def _asked(work: Work, argument: object, *, is_traced: bool) -> float:
    """What a fresh process says."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, argument, is_traced=is_traced).result()


def _engine(path: object, *, is_traced: bool) -> float:
    async def held() -> float:
        clock = ManualClock(BEFORE)
        async with opened(Path(str(path)), keys_of(Fleet(0)), clock) as engine:
            await engine.start()
            await clock.settle()
            await engine.sweep()
            return _memory(is_traced=is_traced)

    if is_traced:
        tracemalloc.start()
    return asyncio.run(held())


def _models(number: object, *, is_traced: bool) -> float:
    baselines.register(10)  # Whatever is made once.
    if is_traced:
        tracemalloc.start()
    kept = baselines.register(int(str(number)))
    memory = _memory(is_traced=is_traced)
    del kept
    return memory


def _jobs(number: object, *, is_traced: bool) -> float:
    baselines.add_jobs(baselines.jobs_in_memory(), 10)
    if is_traced:
        tracemalloc.start()
    scheduler = baselines.jobs_in_memory()
    baselines.add_jobs(scheduler, int(str(number)))
    memory = _memory(is_traced=is_traced)
    scheduler.close()
    return memory


def _memory(*, is_traced: bool) -> float:
    """Bytes: of Python's objects, or of all that the process has in memory."""
    gc.collect()
    if is_traced:
        return tracemalloc.get_traced_memory()[0]
    if not STATM.exists():
        return float("nan")
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
