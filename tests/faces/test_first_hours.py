"""Three people's first hours, typed into a real shell, with the built wheel in a new environment.

What a person sees is compared with what the pages in ``first_hours/`` promise; only what differs
each time (ids, moments, spans, sizes) has a name there instead of its value. After a command was
changed on purpose, ``RECORD=1`` writes what is seen now into the pages: read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Final

import pytest

from tests.documents.blocks import ROOT, Block, blocks_of
from tests.documents.discord import write_export
from tests.documents.shell import PATIENCE, Seen, Typed, type_all

FOLDER: Final = Path(__file__).parent / "first_hours"
PAGES: Final = [FOLDER / f"{name}.md" for name in ("owner", "researcher", "developer")]
"""In this order, at one desk: the researcher is sent the owner's line."""
PROMPT: Final = "$ "
CHANGING: Final = (
    (r"magnet:\?\S+", "<magnet>"),
    (r"0x[0-9a-f]{66}", "<id>"),
    (r"\b[0-9a-f]{40}\b", "<hash>"),
    (r"0x[0-9a-f]{8,16}\b", "<archive>"),
    (r"#[0-9a-f]{8}\b", "#<channel>"),
    (r"\b20(?:2[3-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d", "<time>"),
    (r"^\d\d:\d\d:\d\d", "<clock>"),
    (r"\bprocess \d+", "process <pid>"),
    (r"\b\d+ (?:d|h|min|s)(?: \d+ (?:h|min|s))?\b", "<span>"),
    (r"\b[\d,.]+ [kM]B", "<size>"),
)
"""What differs each time. The chat of the test is of 2022."""


def build(wheels: Path, venv: Path) -> Path:
    """The folder of programs of a new environment with the built wheel.

    Other people's packages are taken from the environment that runs the tests, behind its own.
    """
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (wheel,) = wheels.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (own,) = venv.glob("lib/python*/site-packages")
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    ask = "import states, workflow; print(states.__file__, workflow.__file__)"
    asked = [str(venv / "bin" / "python"), "-I", "-c", ask]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [f"{own}/{one}/__init__.py" for one in ("states", "workflow")]
    return venv / "bin"


@dataclass(frozen=True, slots=True)
class Line:
    """One line to type, and what is promised to appear."""

    block: Block
    typed: str
    promised: str


def lines_of(block: Block) -> Iterator[Line]:
    for part in re.split(rf"^{re.escape(PROMPT)}", block.code, flags=re.MULTILINE)[1:]:
        typed, _, promised = part.partition("\n")
        yield Line(block, typed, promised)


def shown(seen: Seen, scratch: Path) -> str:
    """What was seen, with a name for whatever differs each time."""
    text = seen.text.replace(str(scratch), "<scratch>")
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return f"{text}\n" * bool(text) + f"[ends with {seen.code}]\n" * bool(seen.code)


@pytest.mark.timeout(PATIENCE + 100)
def test_what_is_seen_is_what_is_promised(tmp_path: Path) -> None:
    programs = build(tmp_path / "wheels", tmp_path / "venv")
    scratch = tmp_path / "scratch"
    desk = scratch / "desk"
    write_export(desk / "my-export" / "talk.json")
    readme = next(one for one in blocks_of(ROOT / "README.md") if one.language == "python")
    (desk / "embed.py").write_text(readme.code, "utf-8")
    blocks = [block for page in PAGES for block in blocks_of(page)]
    for block in blocks:
        if block.language == "python":
            (desk / block.comment.removeprefix("file: ")).write_text(block.code, "utf-8")
    lines = [line for block in blocks if block.language == "console" for line in lines_of(block)]
    typed = [
        Typed(line.typed, line.block.comment.removeprefix("as: "), stops=False) for line in lines
    ]
    now = [shown(seen, scratch) for seen in type_all(typed, scratch, programs)]
    if "RECORD" in os.environ:
        record(lines, now)
    promised = "".join(f"{PROMPT}{line.typed}\n{line.promised}" for line in lines)
    seen = "".join(f"{PROMPT}{line.typed}\n{text}" for line, text in zip(lines, now, strict=True))
    difference = unified_diff(promised.splitlines(), seen.splitlines(), "promised", "seen", "", "")
    assert seen == promised, "\n".join(difference)
    assert "Traceback" not in seen


def record(lines: list[Line], now: list[str]) -> None:
    """Write what is seen into the pages."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in blocks_of(page):
            pairs = zip(lines, now, strict=True)
            mine = [f"{PROMPT}{line.typed}\n{out}" for line, out in pairs if line.block == block]
            if mine:
                code = "".join(mine)
                text = text.replace(f"```console\n{block.code}```", f"```console\n{code}```")
        page.write_text(text, "utf-8")
    pytest.skip("recorded; read the difference")
