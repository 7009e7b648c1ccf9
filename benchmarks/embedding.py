"""What embedding costs at the start: imports, each in a new interpreter, in turns.

    .venv/bin/python benchmarks/embedding.py             half a minute

Nothing here passes or fails: it prints. The baselines are the bare interpreter and what an
application of this kind has loaded anyway.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts import report

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAMS: Final = {
    "nothing": "pass",
    "import asyncio": "import asyncio",
    "import fastapi": "import fastapi",
    "import workflow": "import workflow",
    "... and what reads and writes posts": "from workflow import Post",
    "... open_node, ports of one's own": "from workflow import open_node",
    "... open_node, and BitTorrent": "from workflow import BitTorrentCarrier, open_node",
    "... workflow.blocking": "import workflow.blocking",
}


def seconds(program: str) -> float:
    """Of the processor: a busy machine changes them less than those of the clock."""
    began = children()
    subprocess.run(  # noqa: S603 - the programs above.
        [sys.executable, "-c", program],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return children() - began


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="What embedding costs at the start.")
    parser.add_argument("--times", type=int, default=9, help="how often each is run")
    times = parser.parse_args().times
    report.heading(ROOT)
    taken: dict[str, list[float]] = {name: [seconds(program)] for name, program in PROGRAMS.items()}
    for _ in range(times - 1):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    bare, asyncio = (statistics.median(taken[name]) for name in ("nothing", "import asyncio"))
    report.table("Processor time of a new interpreter", "ms", "asyncio = 1", "beyond")
    for name, found in taken.items():
        middle = statistics.median(found)
        beyond = f"{(middle - bare) * 1e3:.0f} ms"
        report.row(name, f"{middle * 1e3:.0f}", f"{middle / asyncio:.2f}", beyond)


if __name__ == "__main__":
    main()
