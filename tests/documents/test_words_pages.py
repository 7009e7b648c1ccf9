"""Each word of the tables has its line in docs/lifecycles.md; the others are in the glossary."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any, Final

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY
from states.lifecycle import Lifecycle
from states.node import NODE

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
LIFECYCLES: Final = (COMMUNITY, ARCHIVE_IMPORT, NODE)
ROW: Final = re.compile(r"^\| ([^|]+) \| (.+) \|$", re.MULTILINE)
MARKED: Final = re.compile(r"\*\*([a-z][a-z -]*)\*\*")


def told(section: str) -> dict[str, set[str]]:
    """By lifecycle, the words in code that begin the rows of a section of the page."""
    page = (DOCS / "lifecycles.md").read_text("utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    found: dict[str, set[str]] = {}
    for owner, rest in ROW.findall(page):
        words = re.findall(r"`([\w.]+)`", rest.split(" | ")[0])
        found.setdefault(owner.strip("`"), set()).update(words)
    return found


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("section", "of"), [("States", "states"), ("Events", "events"), ("Actions", "actions")]
)
def test_each_word_of_a_table_is_explained(
    lifecycle: Lifecycle[Any, Any, Any, Any, Any], section: str, of: str
) -> None:
    kind: type[Enum] = getattr(lifecycle, of)
    assert told(section)[lifecycle.name] == {one.value for one in kind}


def test_each_signal_is_explained() -> None:
    rules = [rule for one in LIFECYCLES for rule in one.rules]
    signals = {signal.value for rule in rules for signal in rule.tell}
    page = (DOCS / "lifecycles.md").read_text("utf-8")
    rows = re.findall(r"^\| `(community\.\w+)` \| .+ \| .+ \|$", page, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == signals


def glossary() -> list[str]:
    rows = ROW.findall((DOCS / "glossary.md").read_text("utf-8"))
    return [word for word, _ in rows if word not in {"word", "---"}]


def test_the_glossary_is_sorted_and_tells_each_word_once() -> None:
    words = [word.lower() for word in glossary()]
    assert words == sorted(set(words))


@pytest.mark.parametrize("page", ["architecture.md", "files.md"])
def test_a_word_that_a_page_sets_in_bold_is_in_the_glossary(page: str) -> None:
    marked = set(MARKED.findall((DOCS / page).read_text("utf-8")))
    assert marked
    words = set(glossary())
    assert not {word for word in marked if not {word, word.removesuffix("s")} & words}
