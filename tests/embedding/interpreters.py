"""New interpreters, in which nothing of ours has been imported yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


def run_python(
    *arguments: str, cwd: Path, path: tuple[Path, ...] = (ROOT,)
) -> subprocess.CompletedProcess[str]:
    """Run Python; ``path`` comes before what is installed. A warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def printed(*arguments: str, cwd: Path, path: tuple[Path, ...] = (ROOT,)) -> str:
    """What it prints, without whatever it logs."""
    done = run_python(*arguments, cwd=cwd, path=path)
    assert done.returncode == 0, done.stderr
    return done.stdout
