"""Types what a page tells one to type, in a real bash, and keeps what a person would see.

One bash a page, at a desk in a folder of its own, which is also its home. Somebody else at the same
desk (``as``) has another data directory. What goes on in the background is waited for until it
holds its data directory, as a person would do, and ended when the page ends. Nothing of this
machine's user is read or written.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE: Final = 300.0
"""Seconds for a whole page, on a machine that has much else to do."""
IN_BACKGROUND: Final = re.compile(r"^(.*[^&>])&[ ]*(#.*)?$", re.MULTILINE)
BEGIN: Final = """\
end() {
    code=$?; [ -e "$now.code" ] || echo $code >"$now.code"
    [ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null
    wait
}
trap end EXIT
until_somebody_runs() {
    for _ in $(seq 400); do
        [ -e "${COMMUNITY_ARCHIVES_DATA_DIR:-$HOME/.local/share/community-archives}/holder" ] &&
            return 0
        sleep 0.05
    done
    echo "nobody runs"; return 1
}
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What is typed at once, and by whom. ``stops`` ends the page when any line of it fails."""

    code: str
    person: str = ""
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What appeared, on both streams, and the exit code (of the last line); None: never came."""

    text: str
    code: int | None


def environment(scratch: Path, programs: Path) -> dict[str, str]:
    """A plain terminal of 80 columns; ``programs`` has the command."""
    ours = ("COMMUNITY_ARCHIVES_", "FORCE_COLOR", "XDG_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(scratch / "person"),
        "COLUMNS": "80",
        "PYTHONUNBUFFERED": "1",  # As on a terminal: what is said first is seen first.
        "NO_COLOR": "1",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def type_all(
    typed: Sequence[Typed],
    scratch: Path,
    programs: Path = Path(sys.executable).parent,
) -> list[Seen]:
    """Type it all, in order, in ``scratch/desk``; everything has ended when this returns."""
    desk, told = scratch / "desk", scratch / "told"
    desk.mkdir(parents=True, exist_ok=True)
    told.mkdir()
    script = [BEGIN]
    for number, one in enumerate(typed):
        code = IN_BACKGROUND.sub(r"\g<0>\nuntil_somebody_runs", one.code)
        script += [
            f"export COMMUNITY_ARCHIVES_DATA_DIR={shlex.quote(str(scratch / one.person))}"
            if one.person
            else "unset COMMUNITY_ARCHIVES_DATA_DIR",
            f"now={shlex.quote(str(told / str(number)))}",
            f"set {'-' if one.stops else '+'}e",
            f'{{\n{code.rstrip()}\n}} >"$now" 2>&1 </dev/null; echo $? >"$now.code"',
        ]
    process = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=desk,
        env=environment(scratch, programs),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    try:
        with suppress(subprocess.TimeoutExpired):  # What never came is told by its missing code.
            process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return [_seen(told / str(number)) for number in range(len(typed))]


def _seen(out: Path) -> Seen:
    code = out.with_name(f"{out.name}.code")
    text = out.read_text("utf-8", "replace") if out.exists() else ""
    return Seen(text, int(code.read_text()) if code.exists() else None)
