from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.parts import baselines
from benchmarks.parts.deciding import CONTROL
from benchmarks.parts.fleet import AFTER, BEFORE, Fleet, build, copies, keys_of, opened
from benchmarks.parts.report import count, note, ratio, row, span, table, timed
from states.community import State
from workflow.adapters.clock.manual import ManualClock
from workflow.engine.history import counts
from workflow.ports.keys import Keys


@dataclass
class Swept:
    """Seconds: nothing due, until the decisions are committed, until the actions have begun."""

    idle: list[float] = field(default_factory=list)
    committed: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)


async def run(directory: Path, sizes: tuple[int, ...], due: int, times: int) -> None:
    ours, in_files, jobs = {}, {}, {}
    for size in sizes:
        fleet = Fleet(size, talking=due)
        original = directory / "sweep.sqlite3"
        build(original, fleet)
        ours[size] = await _sweeps(original, keys_of(fleet), due, times)
        if size == sizes[-1]:
            in_files = {
                size: await _sweeps(original, keys_of(fleet, directory / "keys"), due, times)
            }
        original.unlink()
    small = sizes[:2]
    for size in small:
        jobs[size] = _jobs(directory, size, due, max(1, times // 2))

    table(f"Sweep: {count(due)} due of so many, to the commit", *(count(size) for size in sizes))

    def line(name: str, seconds: Callable[[int], float | None]) -> None:
        cells = [seconds(size) for size in sizes]
        row(name, *("" if cell is None else span(cell) for cell in cells))

    line("one sweep, decisions committed", lambda size: median(ours[size].committed))
    line("   and the actions begun", lambda size: median(ours[size].begun))
    line("   committed, keys in files", lambda size: _median(in_files, size))
    for name in next(iter(jobs.values())):
        line(name, lambda size, name=name: jobs.get(size, {}).get(name))  # type: ignore[misc]
    line("a wake with nothing due: sweep", lambda size: median(ours[size].idle))

    largest, compared = sizes[-1], small[-1]
    base = median(ours[compared].committed)
    table("The same for each that is due", "each", f"beside {count(compared)}")
    row(f"sweep of {count(largest)}", span(median(ours[largest].committed) / due),
        ratio(median(ours[largest].committed), base))  # fmt: skip
    row(f"sweep of {count(compared)}", span(base / due), "1.00x")
    for name, seconds in jobs[compared].items():
        row(name, span(seconds / due), ratio(seconds, base))
    note("A job that does nothing has only been woken; the sweep has read the facts, asked the")
    note("guards, and written states and histories.")


def _median(swept: dict[int, Swept], size: int) -> float | None:
    return median(swept[size].committed) if size in swept else None


async def _sweeps(original: Path, keys: Keys, due: int, times: int) -> Swept:
    swept = Swept()
    for path in copies(original, times):
        commits: list[float] = []

        def probe(moment: str, commits: list[float] = commits) -> None:
            if moment == "after commit":
                commits.append(time.perf_counter())

        clock = ManualClock(BEFORE)
        async with opened(path, keys, clock, probe) as engine:
            await engine.start()
            await clock.settle()
            began = time.perf_counter()
            await engine.sweep()
            swept.idle.append(time.perf_counter() - began)
            clock.jump(AFTER - BEFORE)
            commits.clear()
            began = time.perf_counter()
            await engine.sweep()
            swept.begun.append(time.perf_counter() - began)
            swept.committed.append(commits[-1] - began)
            states = await engine.run(lambda tx: counts(tx, "community"))
            if states.get(State.CREATING.name) != due:
                raise AssertionError(f"not what was to be measured: {states}")
    return swept


def _jobs(directory: Path, size: int, due: int, times: int) -> dict[str, float]:
    """Seconds of one wake; each takes the jobs a week further, so each gets jobs of its own."""
    found: dict[str, list[float]] = {}
    jobs = {"does nothing": baselines.nothing, "decides, commits": baselines.decide_and_commit}
    for name, job in jobs.items():
        stored = directory / "jobs.sqlite3"
        if baselines.has_job_files():
            scheduler = baselines.jobs_in_file(stored, is_durable=False)
            baselines.add_jobs(scheduler, size, due, job)
            scheduler.close()
        for _ in range(times):
            with baselines.rows_for(directory / "rows.sqlite3", size, CONTROL):
                scheduler = baselines.jobs_in_memory()
                baselines.add_jobs(scheduler, size, due, job)
                found.setdefault(f"jobs in memory, each {name}", []).append(timed(scheduler.wake))
            _remove(directory / "rows.sqlite3")
            if not baselines.has_job_files():
                continue
            copy = directory / "copy.sqlite3"
            shutil.copy(stored, copy)
            with baselines.rows_for(directory / "rows.sqlite3", size, CONTROL):
                scheduler = baselines.jobs_in_file(copy)
                found.setdefault(f"jobs in SQLite, each {name}", []).append(timed(scheduler.wake))
                scheduler.close()
            _remove(directory / "rows.sqlite3", copy)
        _remove(stored)
    return {name: median(seconds) for name, seconds in found.items()}


def _remove(*paths: Path) -> None:
    for path in paths:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
