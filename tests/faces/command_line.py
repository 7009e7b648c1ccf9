"""The command as a user has it: a process, its two streams, and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faces.documented import complaints

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
COMMAND = [sys.executable, "-m", "workflow"]


def environment(**more: str) -> dict[str, str]:
    """A terminal of 80 columns that nobody looks at; nothing of this machine's user."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COMMUNITY_ARCHIVES_", "FORCE_COLOR"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **more}


GROUPS = ("announcement", "archive", "community", "import")


def check_json(arguments: tuple[str, ...], printed: str) -> None:
    """Whatever a test lets a command print as JSON is what the page says."""
    if "--json" in arguments and printed and arguments[0] not in {"messages", "demo"}:
        command = " ".join(arguments[: 2 if arguments[0] in GROUPS else 1])
        assert complaints(command, printed) == []


@dataclass(frozen=True)
class Said:
    out: str
    err: str
    code: int


@dataclass(frozen=True)
class CommandLine:
    """Runs ``community-archives`` on one data directory; its neighbours meet beside it."""

    data_dir: Path

    @property
    def variables(self) -> dict[str, str]:
        return {
            "COMMUNITY_ARCHIVES_DATA_DIR": str(self.data_dir),
            "COMMUNITY_ARCHIVES_MEETING": str(self.data_dir.parent / "local-network"),
            "COMMUNITY_ARCHIVES_SETTLE": "0.2",
        }

    def __call__(self, *arguments: str, stdin: str = "", **variables: str) -> Said:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=environment(**{**self.variables, **variables}),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "\x1b" not in done.stdout + done.stderr, "no colour where nobody looks"
        check_json(arguments, done.stdout)
        return Said(done.stdout, done.stderr, done.returncode)

    def start(self, *arguments: str) -> Started:
        """Start a command and go on."""
        log = self.data_dir.parent / f"{time.monotonic_ns()}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=environment(**self.variables),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        return Started(process, log)


@dataclass(frozen=True)
class Started:
    """A process that goes on; what it says so far."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def wait_until_it_says(self, text: str) -> None:
        eventually(lambda: text in self.said, lambda: f"'{text}' is not in: {self.said}")

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(PATIENCE)


def eventually(is_so: Callable[[], bool], otherwise: Callable[[], str] = str) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < give_up_at, otherwise()
        time.sleep(0.02)
