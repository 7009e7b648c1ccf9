"""``docs/your-own-lifecycle.md``, done as it says, from its first block to its last."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from shutil import which
from typing import Any, Final

import pytest
from mypy import api
from typer.testing import CliRunner

from states.drawing import render
from states.errors import CommunityArchivesError
from workflow.cli.app import app

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = (ROOT / "docs" / "your-own-lifecycle.md").read_text("utf-8")
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
SPAN: Final = re.compile(r"\d+ (?:d|h|min|s)\b(?: \d+ (?:h|min|s)\b)?")
TABLES: Final = "shop.py"
PYRIGHT: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "community-archives/pyright/node_modules/pyright/index.js"
)


@dataclass
class Reader:
    """Does what the page says, in the current folder."""

    said: str = ""

    def do(self, kind: str, text: str) -> None:
        getattr(self, kind)(text)

    def python(self, text: str) -> None:
        name = text.split("\n", 1)[0].removeprefix("# ").partition(",")[0]
        file = Path(name)
        file.write_text(text if "further down" not in text else file.read_text() + "\n\n" + text)
        if name != TABLES:
            self.run(name)

    def run(self, name: str) -> None:
        sys.modules.pop("shop", None)
        heard = StringIO()
        with redirect_stdout(heard):
            runpy.run_path(name, run_name="__main__")
        self.said = heard.getvalue()

    def text(self, text: str) -> None:
        if not self.said:
            self.run("next_year.py")
        assert self.said == text
        self.said = ""

    def console(self, text: str) -> None:
        for command, shown in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            assert steady(self.command(command)) == steady(shown), command

    def command(self, line: str) -> str:
        sys.modules.pop("shop", None)
        name, *arguments = shlex.split(line)
        assert name == "community-archives"
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, CommunityArchivesError):
            return done.exception.explained() + "\n"
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.stdout

    def diff(self, text: str) -> None:
        tables = Path(TABLES).read_text()
        for hunk in text.split("@@\n")[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            assert tables.count(old) == 1, old
            tables = tables.replace(old, new)
        Path("first").mkdir()
        Path(TABLES).rename(Path("first", TABLES))
        Path(TABLES).write_text(tables)

    def mermaid(self, text: str) -> None:
        shop: dict[str, Any] = runpy.run_path(TABLES)
        assert render(shop["ORDERS"], "mmd") == text


def steady(text: str) -> str:
    """Without the moments that are other ones each time."""
    return SPAN.sub("SPAN", MOMENT.sub("MOMENT", text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page, done; the files that it has made."""
    made = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.syspath_prepend(str(made))
        patch.setenv("COLUMNS", "80")
        reader = Reader()
        for kind, text in BLOCK.findall(PAGE):
            reader.do(kind, text)
        yield made
    sys.modules.pop("shop", None)


def test_the_page_does_what_it_says(folder: Path) -> None:
    assert {one.name for one in folder.glob("*.py")} == {"shop.py", "a_week.py", "next_year.py"}


def test_mypy_accepts_it(folder: Path) -> None:
    said, failed, status = api.run(
        [
            "--strict",
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--cache-dir={ROOT / '.mypy_cache'}",  # What 'make types' knows need not be read anew.
            *map(str, folder.glob("*.py")),
        ]
    )
    assert (failed, status) == ("", 0), said


def test_pyright_accepts_it(folder: Path) -> None:
    node = which("node")
    if node is None or not PYRIGHT.is_file():
        pytest.skip("pyright not found: run 'bash .ci/install-pyright'")
    done = subprocess.run(
        [node, PYRIGHT, "--pythonpath", sys.executable, *map(str, folder.glob("*.py"))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
