from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.parts.fleet import BEFORE, Fleet, build, keys_of, opened
from benchmarks.parts.report import per_second, ratio, row, span, table, timed
from states import COMMUNITY
from states.community import Event
from workflow.adapters.clock.manual import ManualClock
from workflow.engine.engine import Engine
from workflow.engine.journal import connect
from workflow.engine.rows import Request

AT_ONCE: Final = 500
TOUCH: Final = "UPDATE instance SET version = version + 1 WHERE lifecycle = ? AND id = ?"
COPY: Final = (
    "INSERT INTO history (lifecycle, id, event, source, target, entry, words, facts, guards,"
    " signals, details, reason, actor, at, command_id) SELECT lifecycle, id, event, source, target,"
    " entry, words, facts, guards, signals, details, reason, actor, at, command_id"
    " FROM history WHERE seq = 1"
)


async def run(directory: Path, times: int, one_by_one: int) -> None:
    fleet = Fleet(AT_ONCE)
    path, raw = directory / "commits.sqlite3", directory / "raw.sqlite3"
    build(path, fleet)
    clock = ManualClock(BEFORE)
    async with opened(path, keys_of(fleet), clock) as engine:
        await engine.start()
        await clock.settle()
        ids = await engine.run(lambda tx: [str(id) for (id,) in tx.execute(IDS, ()).fetchall()])
        await _together(engine, ids)  # Now their rows say what they will say again.
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(raw)) as target:
            source.backup(target)
        with closing(connect(raw)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            seen: list[list[float]] = [[], [], [], []]
            some = ids[:one_by_one]
            for _ in range(times):
                seen[0].append(timed(lambda: _raw(connection, some, 1)) / len(some))
                seen[1].append(await _timed_one_by_one(engine, some) / len(some))
                seen[2].append(timed(lambda: _raw(connection, ids, AT_ONCE)) / len(ids))
                seen[3].append(await _timed_together(engine, ids) / len(ids))
    table("Commits: a step that changes no state, its row and its history", "each", "", "time")
    raw_alone, alone, raw_group, group = (median(each) for each in seen)
    row("raw SQLite, one by one", span(raw_alone), per_second(raw_alone), "1.00x")
    row("engine.send, one by one", span(alone), per_second(alone), ratio(alone, raw_alone))
    row(f"raw SQLite, {AT_ONCE} in one commit", span(raw_group), per_second(raw_group), "1.00x")
    row(f"engine.send, {AT_ONCE} at once", span(group), per_second(group), ratio(group, raw_group))
    row("at once beside one by one", "", "", ratio(group, alone))


IDS: Final = "SELECT id FROM community"


def _request() -> Request:
    return Request(Event.LINK_RECEIVED, "benchmark")


async def _together(engine: Engine, ids: Sequence[str]) -> None:
    await asyncio.gather(*(engine.send(COMMUNITY.name, id, _request()) for id in ids))


async def _timed_together(engine: Engine, ids: Sequence[str]) -> float:
    began = asyncio.get_running_loop().time()
    await _together(engine, ids)
    return asyncio.get_running_loop().time() - began


async def _timed_one_by_one(engine: Engine, ids: Sequence[str]) -> float:
    began = asyncio.get_running_loop().time()
    for id in ids:
        await engine.send(COMMUNITY.name, id, _request())
    return asyncio.get_running_loop().time() - began


def _raw(connection: sqlite3.Connection, ids: Sequence[str], together: int) -> None:
    """The same rows, nothing decided."""
    for first in range(0, len(ids), together):
        connection.execute("BEGIN IMMEDIATE")
        for id in ids[first : first + together]:
            connection.execute(TOUCH, (COMMUNITY.name, id))
            connection.execute(COPY)
        connection.execute("COMMIT")
