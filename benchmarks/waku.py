"""How fast messages of the Waku network are taken in, beside whoever only fetches them over HTTP.

    .venv/bin/python benchmarks/waku.py [--messages 100000] [--times 3]

A Waku node in a process of its own (the one of the tests, on loopback) has the messages: in its
store, to be caught up with, or in the queue of its relay, to be polled. In turns, they are fetched
by a bare HTTP client, which parses the JSON and throws it away, and by a node of ours, which opens,
verifies and commits every one. Processor time is that of the fetching process with its threads.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts import hearing
from benchmarks.parts.report import heading


def main() -> None:
    parser = argparse.ArgumentParser(description="Messages of the Waku network, a second.")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        heading(Path(made))
        asyncio.run(hearing.run(Path(made), asked.messages, asked.times))


if __name__ == "__main__":
    main()
