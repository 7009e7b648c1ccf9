"""The BitTorrent carrier beside libtorrent alone, with the same settings, on loopback.

.venv/bin/python benchmarks/torrents.py            about three minutes
.venv/bin/python benchmarks/torrents.py --quick    a tenth of everything
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from loguru import logger

from benchmarks.parts import carrying, picking, report, seeding

PARTS: Final = ("carrying", "picking", "seeding")


async def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the BitTorrent carrier.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the bytes")
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
    logger.remove()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        directory = Path(made)
        report.heading(directory)
        if "seeding" in parts:
            await seeding.run(directory, 1_000 // scale)
        if "carrying" in parts:
            await carrying.run(directory, {300 // scale: 11, 1_000 // scale: 5})
        if "picking" in parts:
            await picking.run(directory, 15)


if __name__ == "__main__":
    asyncio.run(main())
