from __future__ import annotations

import asyncio
import shutil
import statistics
from pathlib import Path
from typing import Final

from benchmarks.parts import report, swarm

MEGABYTE: Final = 1_000_000
ARCHIVE: Final = 100


async def run(directory: Path, sizes: dict[int, int]) -> None:
    """Whole histories of so many megabytes, each so many times, from the link to the disk.

    Archives have 10 MB each.
    """
    report.table("A whole history, from the link", "ours", "libtorrent", "speed")
    for size, times in sizes.items():
        pieces = size * MEGABYTE // swarm.PIECE
        content, info = swarm.generation(directory / f"{size}", pieces)
        one, two = swarm.Plain(), swarm.Plain()
        one.seed(content, info)
        seeder, member = await swarm.node(directory, "one"), await swarm.node(directory, "two")
        locator = await seeder.publish(content)
        wanted = swarm.archives(0, pieces, ARCHIVE)
        ours, theirs, synced = [], [], []
        for _ in range(times):
            plain = directory / "plain"
            theirs.append(await asyncio.to_thread(two.fetch, info, plain, one))
            synced.append(theirs[-1] + swarm.sync(plain))
            shutil.rmtree(plain)
            own = swarm.content_in(directory / "own", pieces)
            member._known.clear()  # noqa: SLF001 - from the link, each time.
            ours.append(await swarm.carry(member, locator, own, wanted))
            shutil.rmtree(directory / "own")
        await asyncio.gather(seeder.close(), member.close())
        ours_took = statistics.median(ours)
        for name, others in (("", theirs), (" and fsync", synced)):
            took = statistics.median(others)
            report.row(
                f"{size} MB{name}",
                report.span(ours_took),
                report.span(took),
                f"{took / ours_took:.0%}",
            )
        shutil.rmtree(directory / f"{size}")
    report.note("ours: metadata, every piece hashed a second time, synced, id by id;")
    report.note("libtorrent: until it says 'finished', which 1 in 5 times is too early")
