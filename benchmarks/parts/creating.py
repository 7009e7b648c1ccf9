from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
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
    created,
    fill,
    opened,
    peak_above,
    spent,
)
from workflow.archive.pieces import PIECE_LENGTH
from workflow.engine.journal import connect
from workflow.files.folder import write_all
from workflow.viewing import JOURNAL

IN_ORDER: Final = (
    "SELECT m.encoded FROM unarchived u JOIN message m USING (sequence)"
    " ORDER BY u.community, u.time, u.topic, u.sequence"
)


async def run(directory: Path, number: int, weeks: tuple[int, ...], times: int) -> None:
    for each in weeks:
        original = directory / "original"
        async with opened(original) as store:
            fill(store, number, ANCHOR, each * WEEK)
        seen: list[list[Spent]] = [[], [], []]
        for _ in range(times):
            place = directory / "creating"
            _copy(original, place)
            seen[0].append(await spent(partial(_baseline, place)))
            async with opened(place) as store:
                making, committed = await created(store)
            seen[1].append(making)
            seen[2].append(committed)
            shutil.rmtree(place)
        place = directory / "creating"
        _copy(original, place)
        peak = peak_above(_create, place)
        shutil.rmtree(place)
        shutil.rmtree(original)
        table(f"Archives of {count(number)} messages, {each} weeks", "wall", "CPU", "share of CPU")
        base = median(one.cpu for one in seen[0])
        names = ("SELECT, SHA-1, write, fsync", "archives made", "   and committed")
        for name, found in zip(names, seen, strict=True):
            cpu = median(one.cpu for one in found)
            row(name, span(median(one.wall for one in found)), span(cpu), f"{base / cpu:.0%}")
        note(f"peak memory above the imported process: {peak / 1e6:.0f} MB")


def _copy(original: Path, place: Path) -> None:
    place.mkdir()
    shutil.copyfile(original / JOURNAL, place / JOURNAL)
    descriptor = os.open(place / JOURNAL, os.O_RDONLY)
    os.fsync(descriptor)  # Or the first to sync would pay for the copy.
    os.close(descriptor)


async def _create(place: Path) -> None:
    async with opened(place) as store:
        await created(store)


async def _baseline(place: Path) -> None:
    """The same bytes in the same order, with nothing between, before or after them."""
    with closing(connect(place / JOURNAL)) as connection:
        file = os.open(place / "baseline", os.O_WRONLY | os.O_CREAT)
        try:
            _pour(connection, file)
            os.fsync(file)
        finally:
            os.close(file)
    (place / "baseline").unlink()


def _pour(connection: sqlite3.Connection, file: int) -> bytes:
    hashes = bytearray()
    buffer = bytearray()
    for (encoded,) in connection.execute(IN_ORDER):
        buffer += encoded
        if len(buffer) >= 10 * PIECE_LENGTH:
            whole = len(buffer) - len(buffer) % PIECE_LENGTH
            _put(file, buffer[:whole], hashes)
            del buffer[:whole]
    _put(file, buffer, hashes)
    return bytes(hashes)


def _put(file: int, written: bytearray, hashes: bytearray) -> None:
    view = memoryview(written)
    for start in range(0, len(view), PIECE_LENGTH):
        piece = view[start : start + PIECE_LENGTH]
        hashes += hashlib.sha1(piece, usedforsecurity=False).digest()
    write_all(file, written)
