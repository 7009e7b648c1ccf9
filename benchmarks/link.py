"""How long a member takes from a link to the messages: one archive of 200 KB, over BitTorrent.

    .venv/bin/python benchmarks/link.py [--times 40]

Owner and member are two processes with their data directories on the disk. The member knows the
community already and is given the signed announcement by hand, so neither the network of messages
nor waiting for links to settle is in it. Beside it, in turns in the same process, what libtorrent
alone takes from the magnet link to the finished files, and what as many bare commits cost on the
same disk as the member made.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts import following
from benchmarks.parts.report import heading


def main() -> None:
    parser = argparse.ArgumentParser(description="From a link to its messages.")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write")
    parser.add_argument("--times", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        heading(Path(made))
        asyncio.run(following.run(Path(made), asked.times))


if __name__ == "__main__":
    main()
