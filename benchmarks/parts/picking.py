from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from pathlib import Path

from benchmarks.parts import report, swarm


async def run(directory: Path, times: int) -> None:
    """Small things: the newest week, and one archive out of a long history."""
    report.table("Little, from the link", "ours", "libtorrent")
    await _newest_week(directory, times)
    await _one_of_many(directory, times)


async def _newest_week(directory: Path, times: int) -> None:
    content, info = swarm.generation(directory / "week", 2)
    one, two = swarm.Plain(), swarm.Plain()
    one.seed(content, info)
    seeder, member = await swarm.node(directory, "one"), await swarm.node(directory, "two")
    locator = await seeder.publish(content)
    wanted = swarm.archives(0, 2, 2)
    ours, indexes, theirs = [], [], []
    for _ in range(times):
        theirs.append(await asyncio.to_thread(two.fetch, info, directory / "plain", one))
        member._known.clear()  # noqa: SLF001 - from the link, each time.
        began = time.perf_counter()
        await member.fetch_index(locator)
        indexes.append(time.perf_counter() - began)
        await swarm.carry(member, locator, swarm.content_in(directory / "own", 2), wanted)
        ours.append(time.perf_counter() - began)
        shutil.rmtree(directory / "own")
    await asyncio.gather(seeder.close(), member.close())
    report.row(
        "200 KB: index, then the archive",
        report.span(statistics.median(ours)),
        report.span(statistics.median(theirs)),
    )
    report.row("... of which the index", report.span(statistics.median(indexes)), "")


async def _one_of_many(directory: Path, times: int) -> None:
    content, _ = swarm.generation(directory / "long", 3_000)
    seeder, member = await swarm.node(directory, "one"), await swarm.node(directory, "two")
    locator = await seeder.publish(content)
    await member.fetch_index(locator)
    took = []
    for number in range(times):
        own = swarm.content_in(directory / "own", 3_000)
        first = 100 + 200 * number % 2_800
        took.append(await swarm.carry(member, locator, own, swarm.archives(first, first + 10, 10)))
        shutil.rmtree(directory / "own")
    await asyncio.gather(seeder.close(), member.close())
    report.row("10 pieces of 3,000, after the index", report.span(statistics.median(took)), "-")
