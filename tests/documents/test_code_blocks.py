"""What the README and docs/ tell one to type works as it stands; what is not run says why."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.documents.blocks import PAGES, ROOT, Block, blocks_of, name_of
from tests.documents.discord import write_export
from tests.documents.shell import PATIENCE, Typed, environment, type_all

BLOCKS: Final = {name_of(page): list(blocks_of(page)) for page in PAGES}
RUN: Final = {"python", "sh", "console", "json", "toml"}
SHOWN: Final = {"text", "mermaid", "ini", "yaml", "dockerfile", "diff"}
"""For people; ``text`` behind ``python`` is what that prints."""
OTHERS: Final = re.compile(
    r"^\s*(?:sudo|make|git|apt|apt-get|pip|pipx|uv|docker|podman|systemctl|journalctl)\b"
    r"|--network[ =]p|NETWORK=p",
    re.MULTILINE,
)
"""What must not be done by a test: a block with it is marked."""
ELSEWHERE: Final = {
    "docs/embedding.md": "tests/embedding/test_page.py",
    "docs/operating-data.md": "tests/faces/test_cli_keeping.py",
    "docs/your-own-lifecycle.md": "tests/test_own_lifecycle.py",
}
"""Pages whose blocks need more around them than a desk: the tests that run them."""
PROMPTED: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
MARKED: Final = {
    "docs/clients.md": {"the programs are other people's; tests/clients runs them"},
    "docs/waku.md": {"they take a Waku node; tests/faces runs them with one"},
}
"""All blocks that are marked as not run, by page: here the exceptions are seen."""
UNMARKED: Final = {
    "README.md": {
        "make demo": "CI runs both",
    },
    "docs/operating.md": {"": "it takes root, systemd and a container engine"},
}
"""The same for blocks without a comment of their own, by how they begin."""


def why_not(block: Block) -> str:
    if block.page in ELSEWHERE:
        return ELSEWHERE[block.page]
    known = UNMARKED.get(block.page, {})
    found = (why for begin, why in known.items() if block.code.startswith(begin))
    return block.why_not_run or next(found, "")


def of(page: str, *languages: str) -> list[Block]:
    return [one for one in BLOCKS[page] if one.language in languages and not why_not(one)]


def pages_with(*languages: str) -> list[str]:
    return [page for page in BLOCKS if of(page, *languages)]


def typed_in(block: Block) -> str:
    """What a person types of it: in a console, what stands behind the prompt."""
    if block.language == "sh":
        return block.code
    return "\n".join(PROMPTED.findall(block.code))


def test_the_exceptions_are_these() -> None:
    marked = {
        page: {one.why_not_run for one in found if one.why_not_run}
        for page, found in BLOCKS.items()
    }
    assert {page: reasons for page, reasons in marked.items() if reasons} == MARKED
    for page, known in UNMARKED.items():
        for begin in known:
            meant = [one for one in BLOCKS.get(page, ()) if one.code.startswith(begin)]
            assert meant or page not in BLOCKS, f"{page}: {begin}"
            assert not [one for one in meant if one.comment], "it is marked: take it out"


def test_what_is_run_elsewhere_is_run_there() -> None:
    for page, test in ELSEWHERE.items():
        if page in BLOCKS:
            folder = (ROOT / test).parent
            texts = [one.read_text("utf-8") for one in [ROOT / test, *folder.glob("*.py")]]
            assert any(Path(page).name in text for text in texts), page


@pytest.mark.parametrize("page", [page for page in BLOCKS if page not in ELSEWHERE])
def test_every_block_says_what_it_is(page: str) -> None:
    for block in BLOCKS[page]:
        assert block.language in RUN | SHOWN, f"{block.place}: '{block.language}'"
        if block.language in {"sh", "console"} and not why_not(block):
            found = OTHERS.search(typed_in(block))
            assert not found, f"{block.place}: mark it <!-- not run: WHY -->: {found}"


def test_what_is_typed_into_a_console_is_found() -> None:
    code = "$ one \\\n    two\n$ three\nsaid\n"
    assert typed_in(Block("page", 1, "console", code, "")) == "one \\\n    two\nthree"


def test_what_is_in_a_fence_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- not run: b -->\n```sh\nc\n```\n\n- d\n\n  ```text\n  e\n  ```\n")
    assert [(one.line, one.language, one.code, one.why_not_run) for one in blocks_of(page)] == [
        (3, "sh", "c\n", "b"),
        (9, "text", "e\n", ""),
    ]


@pytest.mark.parametrize("page", pages_with("json", "toml"))
def test_data_can_be_read(page: str) -> None:
    for block in of(page, "json"):
        json.loads(block.code)
    for block in of(page, "toml"):
        tomllib.loads(block.code)


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs_and_prints_what_is_told(page: str, tmp_path: Path) -> None:
    blocks = of(page, "python")
    told = [
        {"place": one.place, "code": one.code, "goes_on": one.comment == "goes on"}
        for one in blocks
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).parent / "running_python.py")],
        cwd=tmp_path,
        env={**environment(tmp_path, Path(sys.executable).parent), "PYTHONPATH": str(ROOT)},
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    printed = {
        one.place: other.code for one, other in pairwise(BLOCKS[page]) if other.language == "text"
    }
    for block, outcome in zip(blocks, json.loads(done.stdout), strict=True):
        assert not outcome["failed"], f"{block.place}\n{outcome['failed']}"
        assert outcome["printed"] == printed.get(block.place, ""), block.place


@pytest.mark.timeout(PATIENCE + 20)
@pytest.mark.parametrize("page", pages_with("sh", "console"))
def test_what_is_typed_works(page: str, tmp_path: Path) -> None:
    blocks = of(page, "sh", "console")
    write_export(tmp_path / "desk" / "my-export" / "general.json")
    typed = [
        Typed(typed_in(one), one.comment.removeprefix("as: ") if "as: " in one.comment else "")
        for one in blocks
    ]
    for block, seen in zip(blocks, type_all(typed, tmp_path), strict=True):
        assert seen.code == 0, f"{block.place} ended with {seen.code}:\n{block.code}\n{seen.text}"
        assert "Traceback" not in seen.text, f"{block.place}\n{seen.text}"


def test_a_line_that_fails_ends_the_page_and_what_runs_behind_it(tmp_path: Path) -> None:
    typed = [
        Typed("name=one\nsleep 60 & echo $! > sleeper  # not with '&' at its end: nobody waits"),
        Typed("echo $name"),
        Typed("false\necho never"),
        Typed("echo never"),
    ]
    seen = type_all(typed, tmp_path)
    assert [(one.text, one.code) for one in seen] == [("", 0), ("one\n", 0), ("", 1), ("", None)]
    sleeper = (tmp_path / "desk" / "sleeper").read_text().strip()
    assert not Path("/proc", sleeper).exists()
