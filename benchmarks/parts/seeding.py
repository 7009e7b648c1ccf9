from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from loguru import logger

from benchmarks.parts import report, swarm
from workflow.archive.torrent import Info
from workflow.ports.carrier import Content

IDLE: Final = 10.0
"""Seconds over which an idle process is watched."""


async def run(directory: Path, communities: int) -> None:
    """Many small communities that are offered by one process."""
    made = await asyncio.to_thread(_make, directory / "many", communities)
    report.table(f"{communities:,} communities offered", "ours", "libtorrent")
    # Each in a process of its own: memory that one has given back would be the other's for nothing.
    ours = await asyncio.to_thread(_apart, _ours, directory, made)
    theirs = await asyncio.to_thread(_apart, _theirs, directory, made)
    for name, one, other in zip(
        ("until all are offered", "each", "memory each", "processor when idle"),
        ours,
        theirs,
        strict=True,
    ):
        report.row(name, one, other)
    report.note("ours reads and hashes every byte first; libtorrent believes what it is told")


def _make(directory: Path, communities: int) -> list[tuple[Content, Info]]:
    return [
        swarm.generation(directory / str(number), 1, f"0x02{number:06}")
        for number in range(communities)
    ]


def _apart(
    measured: Callable[[Path, list[tuple[Content, Info]]], list[str]],
    directory: Path,
    made: list[tuple[Content, Info]],
) -> list[str]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measured, directory, made).result()


def _ours(directory: Path, made: list[tuple[Content, Info]]) -> list[str]:
    logger.remove()
    return asyncio.run(_offered(directory, made))


async def _offered(directory: Path, made: list[tuple[Content, Info]]) -> list[str]:
    carrier = await swarm.node(directory, "many")
    before = _memory()
    began = time.perf_counter()
    for start in range(0, len(made), 16):
        await asyncio.gather(*(carrier.publish(content) for content, _ in made[start : start + 16]))
    took = time.perf_counter() - began
    memory = _memory() - before
    busy = time.process_time()
    await asyncio.sleep(IDLE)
    busy = time.process_time() - busy
    await carrier.close()
    return _cells(took, memory, busy, len(made))


def _theirs(_: Path, made: list[tuple[Content, Info]]) -> list[str]:
    plain = swarm.Plain()
    before = _memory()
    began = time.perf_counter()
    for content, info in made:
        plain.seed(content, info)
    took = time.perf_counter() - began
    memory = _memory() - before
    busy = time.process_time()
    time.sleep(IDLE)
    return _cells(took, memory, time.process_time() - busy, len(made))


def _cells(took: float, memory: int, busy: float, number: int) -> list[str]:
    return [
        report.span(took),
        report.span(took / number),
        f"{memory / number / 1000:.1f} kB",
        f"{busy / IDLE:.2%}",
    ]


def _memory() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
