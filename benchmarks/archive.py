"""Archives beside the least that must be done for them.

    .venv/bin/python benchmarks/archive.py            some ten minutes, 8 GB on the disk
    .venv/bin/python benchmarks/archive.py --quick    less than one, a tenth of everything

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

from benchmarks.parts import appending, creating, importing, report

PARTS: Final = ("creating", "appending", "importing")


async def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of archives.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--only", choices=PARTS, action="append", help="not all of it")
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path.cwd(),
        help="where to write, on a real disk (default: here)",
    )
    asked = parser.parse_args()
    parts = asked.only or PARTS
    scale = 10 if asked.quick else 1
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        directory = Path(made)
        report.heading(directory)
        if "creating" in parts:
            await creating.run(directory, 1_000_000 // scale, (1, 52), asked.times)
        if "appending" in parts:
            sizes = tuple(size * appending.MB // scale for size in (10, 100, 1_000, 3_000))
            await appending.run(directory, sizes, asked.times)
        if "importing" in parts:
            numbers = (100_000 // scale, 1_000_000 // scale)
            await importing.run(directory, numbers, asked.times)


if __name__ == "__main__":
    asyncio.run(main())
