"""The code in a page, block by block, and what a comment before a block says of it.

A comment on a line of its own before a block holds for that block alone:

``<!-- not run: needs the public network -->``  it cannot run here, and why
``<!-- as: member -->``                         another person types it, with another data directory
``<!-- goes on -->``                            Python that goes on where the last block ended
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE: Final = re.compile(
    r"(?:^[ ]*<!-- (?P<comment>[^\n]*?) -->\n\n?)?"
    r"^(?P<indent>[ ]*)```(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN: Final = "not run: "


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; ``line`` is that of its fence, ``page`` is relative to the repository."""

    page: str
    line: int
    language: str
    code: str
    comment: str

    @property
    def place(self) -> str:
        """``docs/chats.md:28``."""
        return f"{self.page}:{self.line}"

    @property
    def why_not_run(self) -> str:
        """The reason for which it is not run; empty when it is."""
        is_marked = self.comment.startswith(NOT_RUN)
        return self.comment.removeprefix(NOT_RUN) if is_marked else ""


def name_of(page: Path) -> str:
    """``docs/chats.md``; a page from elsewhere keeps its whole path."""
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else str(page)


def blocks_of(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        indent = re.compile(rf"^{found['indent']}", re.MULTILINE)
        fence = text.index("```", found.start("indent"))
        yield Block(
            page=name_of(page),
            line=text.count("\n", 0, fence) + 1,
            language=found["language"].strip(),
            code=indent.sub("", found["code"]),
            comment=found["comment"] or "",
        )
