"""The engine beside what one would write with transitions and APScheduler alone.

    .venv/bin/python benchmarks/engine.py            about six minutes
    .venv/bin/python benchmarks/engine.py --quick    less than one, a tenth of everything

Nothing here passes or fails: it prints, and every table has its baseline from the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts import (
    baselines,
    committing,
    deciding,
    remembering,
    report,
    restarting,
    sweeping,
)

PARTS: Final = ("decisions", "commits", "sweep", "restart", "memory")


async def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the engine.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the communities")
    parser.add_argument("--only", choices=PARTS, action="append", help="not all of it")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path.cwd(),
        help="where to write, on a real disk (default: here)",
    )
    asked = parser.parse_args()
    parts = asked.only or PARTS
    scale = 10 if asked.quick else 1
    times = 3 if asked.quick else 5
    sizes = tuple(size // scale for size in (1_000, 10_000, 100_000))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        directory = Path(made)
        report.heading(directory)
        if not baselines.has_job_files():
            print("SQLAlchemy is not here, so no jobs in SQLite: .venv/bin/pip install sqlalchemy")
        if "decisions" in parts:
            deciding.run(times, 20_000 // scale)
        if "commits" in parts:
            await committing.run(directory, times, 200 // scale)
        if "sweep" in parts:
            await sweeping.run(directory, sizes, 1_000 // scale, times)
        if "restart" in parts:
            await restarting.run(directory, sizes, times)
        if "memory" in parts:
            remembering.run(directory, sizes[1], sizes[2], sizes[1])


if __name__ == "__main__":
    asyncio.run(main())
