"""Lives of nodes, each in a process forked from one that has everything imported already."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]

Life = Callable[..., Coroutine[Any, Any, None]]


class Nodes:
    """The test's side: ``module`` calls ``serve`` when it is run."""

    def __init__(self, module: str, place: Path) -> None:
        self._place = place
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._hear() == "ready"

    def directory(self) -> Path:
        self._count += 1
        made = self._place / str(self._count)
        made.mkdir()
        return made

    def live(self, directory: Path, kill_at: int = 0, **more: str) -> int:
        """Let a node live until it is killed or done; returns how it ended."""
        assert self._process.stdin is not None
        order = {"directory": str(directory), "kill_at": kill_at, **more}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._hear())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def serve(life: Life) -> None:
    """The other side: fork a node for each line of the standard input."""
    assert threading.active_count() == 1, "only a process with one thread may fork"
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if process == 0:
            code = 1
            try:
                asyncio.run(life(**order | {"directory": Path(order["directory"])}))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
