from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.parts.report import note, ratio, row, span, table
from benchmarks.parts.stores import (
    ANCHOR,
    TOPICS,
    WEEK,
    Store,
    created,
    fill,
    messages,
    opened,
)
from workflow.archive.codec import framed
from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.windows import Window
from workflow.files.appending import Appending
from workflow.files.torrents import seal_generation, write_torrent
from workflow.ports.records import Generation

MB: Final = 1_000_000
A_WEEK: Final = 16_000
"""Messages that make about 10 MB of archive."""


async def run(directory: Path, sizes: tuple[int, ...], times: int) -> None:
    """``sizes`` are bytes that are there before."""
    found = []
    for size in sizes:
        place = directory / "appending"
        async with opened(place) as store:
            _append_made_up(store, size)
            fill(store, A_WEEK, ANCHOR + 900 * WEEK, WEEK)
            seen = [(await created(store, is_committed=False))[0] for _ in range(times)]
            await created(store)
            _check(store)
        found.append((median(one.wall for one in seen), median(one.cpu for one in seen)))
        shutil.rmtree(place)
    table("A week of 10 MB is appended", "wall", "CPU", "CPU beside")
    for size, (wall, cpu) in zip(sizes, found, strict=True):
        row(f"to {size / MB:,.0f} MB", span(wall), span(cpu), ratio(cpu, found[0][1]))
    note("each .torrent was compared with one made from all bytes anew: equal")


def _append_made_up(store: Store, size: int) -> None:
    """So many bytes of archives and their rows; all weeks have the messages of the first."""
    content = store.tools.folder.content(store.id, 1, 1, 0)
    store.tools.folder.make(content)
    appending = Appending(content)
    week = framed(one.encoded for one in messages(A_WEEK, ANCHOR, WEEK))
    entries: list[IndexEntry] = []
    while appending.length < size:
        start = ANCHOR + len(entries) * WEEK
        appending.begin(Window(start, start + WEEK), TOPICS)
        appending.add(week)
        entries.append(appending.end())
    pieces = appending.finish()
    index = encode_index(entries)
    store.tools.folder.write_index(content, index)
    info_hash = write_torrent(content, appending.length, index, pieces, before=None, info_hash="")
    generation = Generation(store.id, 1, 1, "", appending.length, is_own=True, info_hash=info_hash)
    store.journal.run_blocking(
        partial(store.tools.store.add_generation, generation=generation, entries=entries)
    )


def _check(store: Store) -> None:
    generation = store.journal.run_blocking(lambda tx: store.tools.store.generation(tx, store.id))
    if generation is None or generation.number != 2:
        raise AssertionError(f"not what was to be measured: {generation}")
    if seal_generation(store.tools.folder.content_of(generation)) != generation.info_hash:
        raise AssertionError("a fresh hash of all bytes gives another info-hash")
