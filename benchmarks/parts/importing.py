from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.parts.report import count, note, row, span, table
from benchmarks.parts.stores import (
    ANCHOR,
    WEEK,
    Spent,
    Store,
    created,
    fill,
    opened,
    peak_above,
    spent,
)
from workflow.actions.import_messages import import_messages
from workflow.archive.index import IndexEntry, decode_index
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchive
from workflow.files.folder import read_archive
from workflow.ports.carrier import Content
from workflow.ports.records import Generation

WEEKS: Final = 52
TABLE: Final = (
    "CREATE TABLE waku_messages (sig BLOB NOT NULL, timestamp INT NOT NULL, topic TEXT NOT NULL,"
    " payload BLOB NOT NULL, padding BLOB NOT NULL, hash TEXT PRIMARY KEY NOT NULL,"
    " third_party_id TEXT DEFAULT '')"
)
INDEX: Final = "CREATE INDEX waku_messages_timestamp_topic ON waku_messages (timestamp, topic)"
INSERT: Final = "INSERT OR REPLACE INTO waku_messages VALUES (?, ?, ?, ?, ?, ?, ?)"


async def run(directory: Path, numbers: tuple[int, ...], times: int) -> None:
    for number in numbers:
        original = directory / "original"
        async with opened(original) as store:
            fill(store, number, ANCHOR, WEEKS * WEEK)
            await created(store)
            content = store.tools.folder.content(store.id, 1, 1, 0)
        seen: list[list[Spent]] = [[], [], []]
        for _ in range(times):
            for synchronous, found in zip(("FULL", "NORMAL"), seen, strict=False):
                found.append(_apart(partial(_baseline, directory, content, synchronous)))
            async with opened(directory / "member", is_member=True) as store:
                instances = await _adopt(store, content)
                seen[2].append(await spent(partial(_import, store, instances)))
                await _check(store, number)
            shutil.rmtree(directory / "member")
        peak = peak_above(partial(_import_all, original), directory / "member")
        shutil.rmtree(directory / "member")
        shutil.rmtree(original)
        ours = median(one.cpu for one in seen[2])
        title = f"Import of {WEEKS} archives, {count(number)} messages"
        table(title, "wall", "CPU", "per CPU s", "ours is")
        names = (
            "protobuf, executemany, FULL",
            "   the same, NORMAL",
            "import_messages and its commit",
        )
        for name, found in zip(names, seen, strict=True):
            cpu = median(one.cpu for one in found)
            wall = span(median(one.wall for one in found))
            row(name, wall, span(cpu), count(number / cpu), f"{cpu / ours:.2f}x")
        note(f"peak memory above the imported process: {peak / 1e6:.0f} MB")


def _apart(work: Callable[[], Awaitable[object]]) -> Spent:
    """In a fresh process: what our journal tells sqlite3 about values holds for a whole one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_spent, work).result()


def _spent(work: Callable[[], Awaitable[object]]) -> Spent:
    return asyncio.run(spent(work))


async def _baseline(directory: Path, content: Content, synchronous: str) -> None:
    """The reference's table, one transaction for each archive; nothing is checked."""
    path = directory / "reference.sqlite3"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size=4096")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute(TABLE)
        connection.execute(INDEX)
        for entry in _entries(content):
            archive = WakuMessageArchive.FromString(read_archive(content.data, entry))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                INSERT,
                (
                    (
                        one.sig,
                        one.timestamp,
                        "0x" + one.topic.hex(),
                        one.payload,
                        one.padding,
                        one.hash.hex(),
                        one.third_party_id,
                    )
                    for one in archive.messages
                ),
            )
            connection.execute("COMMIT")


def _entries(content: Content) -> list[IndexEntry]:
    return sorted(decode_index(content.index.read_bytes()), key=lambda entry: entry.offset)


async def _adopt(store: Store, source: Content) -> list[str]:
    """The archives are here and wait for their import; the ids of these."""
    content = store.tools.folder.content(store.id, 1, 1, source.data.stat().st_size)
    store.tools.folder.make(content)
    os.link(source.data, content.data)
    entries = _entries(source)
    generation = Generation(store.id, 1, 1, "", content.data_length, is_own=True)
    await store.journal.run(lambda tx: store.tools.store.adopt_generation(tx, generation, entries))
    return [store.tools.store.instance_of(store.id, 1, one.id) for one in entries]


async def _import(store: Store, instances: list[str]) -> None:
    for instance in instances:
        await store.commit(await import_messages(store.tools, store.work(instance)))


async def _import_all(original: Path, place: Path) -> None:
    async with opened(place, is_member=True) as store:
        source = store.tools.folder.content(store.id, 1, 1, 0)
        data = original / source.data.relative_to(place)
        index = original / source.index.relative_to(place)
        content = Content(store.id, data, 0, index, index)
        await _import(store, await _adopt(store, content))


async def _check(store: Store, number: int) -> None:
    tallies = await store.journal.run(lambda tx: store.tools.store.tallies(tx, store.id))
    archived = sum(one.archived for one in tallies)
    if archived != number:
        raise AssertionError(f"{archived} of {number} messages are imported")
