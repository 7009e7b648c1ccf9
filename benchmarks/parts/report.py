from __future__ import annotations

import gc
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

WIDTH: Final = 80
NAME: Final = 38
PACKAGES: Final = ("transitions", "APScheduler", "SQLAlchemy", "libtorrent")


def heading(directory: Path) -> None:
    """What was measured on what; figures without that say nothing."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, ", end="")
    print(", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    print(f"files in {directory}; medians; read the ratios, not the figures")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def table(title: str, *columns: str) -> None:
    print()
    print(title)
    row("", *columns)
    print("-" * WIDTH)


def row(name: str, *cells: str) -> None:
    width = (WIDTH - NAME) // max(len(cells), 1)
    print(name.ljust(NAME) + "".join(cell.rjust(width) for cell in cells))


def note(text: str) -> None:
    print(f"  {text}")


def per_second(seconds: float) -> str:
    return f"{1 / seconds:,.0f}/s"


def span(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} us"


def ratio(value: float, base: float) -> str:
    share = value / base
    return f"{share:.0f}x" if share >= 20 else f"{share:.2f}x"


def count(number: float) -> str:
    return f"{number:,.0f}"


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes, without a garbage collection of somebody else's leavings."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rounds(works: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Median seconds of each, taken in turns so that a noisy minute falls on all of them."""
    seen: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, seconds in zip(works, seen, strict=True):
            seconds.append(timed(work))
    return [statistics.median(seconds) for seconds in seen]
