"""What a command costs before it does anything, beside the libraries it is made of.

    .venv/bin/python benchmarks/startup.py [--times 15]

Every command in a process of its own, in turns; counted is the processor time of the process
(user and system), which a busy machine changes less than the wall. Bytecode is written to a folder
of its own first, whatever the environment says of it: an installed program has it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts.report import heading, ratio, row, span, table

ROOT: Final = Path(__file__).parent.parent
BASE: Final = "python -c 'import typer, rich'"
COMMAND: Final = [sys.executable, "-m", "workflow"]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a command costs before it does anything.")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write")
    parser.add_argument("--times", type=int, default=15)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        heading(Path(made))
        _measure(Path(made), asked.times)


def _measure(made: Path, times: int) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(made / "bytecode"),
        "COMMUNITY_ARCHIVES_DATA_DIR": str(made / "data"),
    }
    for name in ("gardeners", "chess", "florists"):
        _run([*COMMAND, "community", "create", name], environment)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        BASE: [sys.executable, "-c", "import typer, rich"],
        "python -c 'import states'": [sys.executable, "-c", "import states"],
        "community-archives --help": [*COMMAND, "--help"],
        "community-archives status": [*COMMAND, "status"],
        "community-archives status --json": [*COMMAND, "status", "--json"],
        "community-archives history": [*COMMAND, "history"],
    }
    for command in commands.values():
        _run(command, environment)
    seen: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            seen[name].append(_run(command, environment))
    medians = {name: statistics.median(seconds) for name, seconds in seen.items()}
    table("Processor time from start to end", "each", "at best", "")
    for name, seconds in medians.items():
        row(name, span(seconds), span(min(seen[name])), ratio(seconds, medians[BASE]))


def _run(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of processor time, of user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - our own.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
