"""What a person sees: a real terminal of 80 columns, looked at by tmux.

A line that the terminal had to break is one that the command made too long. What colours say, words
say as well: with and without them the same words are on the screen.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.faces.chatter import plant
from tests.faces.command_line import COMMAND, CommandLine, environment, eventually

COLUMNS: Final = 80
LINES: Final = 300
PLAIN: Final = {"TERM": "dumb", "NO_COLOR": "1"}
COLOURED: Final = {"TERM": "screen-256color"}
SEEN: Final = (
    "status",
    "status gardeners",
    "why gardeners",
    "verify gardeners",
    "messages gardeners --tail 3",
    "status nobody",
)
ABBREVIATED: Final = re.compile(r"\d+")
LONGER: Final = re.compile(r"0x[0-9a-f]{66}|^\d{4}-\d\d-\d\d [\d:]{8}  #")
"""What may be longer: a word to be copied whole, and what people wrote."""


@pytest.fixture
def tmux() -> str:
    program = shutil.which("tmux")
    if program is None:
        assert os.environ.get("TERMINAL_TOOLS") != "required", "tmux is not here"
        pytest.skip("tmux is not here: bash .ci/install-terminal-tools")
    return program


class Screen:
    """A terminal that nobody else sees, with one shell that types the commands."""

    def __init__(self, tmux: str, place: Path) -> None:
        self._place = place
        self._tmux = [tmux, "-u", "-f", "/dev/null", "-S", str(place / "tmux")]

    def type(self, command: CommandLine, words: tuple[str, ...], **variables: str) -> None:
        """Run the commands, one after the other; returns when the last one has ended."""
        script = self._place / "script"
        lines = [f"echo '$ {one}'; {shlex.join(COMMAND)} {one}" for one in words]
        ended = self._place / "ended"
        script.write_text("\n".join(["cd /", *lines, f"touch {ended}", "sleep 100"]), "utf-8")
        given = environment(**command.variables, LC_ALL="C.UTF-8")
        given = {name: value for name, value in given.items() if name not in {"COLUMNS", "TMUX"}}
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        told = [f"{name}={value}" for name, value in variables.items()]
        self._ask("new-session", "-d", *size, shlex.join(["env", *told, "bash", str(script)]),
                  env={**given, "TERM": "xterm"})  # fmt: skip
        eventually(ended.exists, self.lines)

    def lines(self, *more: str) -> str:
        """What is on the screen; with ``-J`` as it was before the terminal broke it."""
        return self._ask("capture-pane", "-p", *more).rstrip()

    def close(self) -> None:
        self._ask("kill-server")

    def _ask(self, *words: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=env, capture_output=True, encoding="utf-8", check=True
        )
        return done.stdout


def seen(tmux: str, place: Path, garden: CommandLine, **variables: str) -> tuple[str, str, bool]:
    """The screen, the same before lines were broken, and whether it has any colour."""
    place.mkdir()
    screen = Screen(tmux, place)
    try:
        screen.type(garden, SEEN, **variables)
        return screen.lines(), screen.lines("-J"), "\x1b[" in screen.lines("-e")
    finally:
        screen.close()


def test_what_is_seen_fits_and_says_the_same_without_colour(tmux: str, tmp_path: Path) -> None:
    plant(tmp_path / "data")
    garden = CommandLine(tmp_path / "data")
    plain, whole, has_colour = seen(tmux, tmp_path / "plain", garden, **PLAIN)
    assert plain.count("$ ") == len(SEEN)
    assert not has_colour
    broken = [line for line in whole.splitlines() if len(line) > COLUMNS]
    assert not [line for line in broken if not LONGER.search(line)]
    assert "Traceback" not in plain
    coloured, _, has_colour = seen(tmux, tmp_path / "coloured", garden, **COLOURED)
    assert has_colour
    words, same = (ABBREVIATED.sub("0", text).split() for text in (plain, coloured))
    assert words == same
