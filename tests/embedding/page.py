"""The blocks of docs/embedding.md."""

from __future__ import annotations

import re
from typing import Final

from tests.embedding.interpreters import ROOT

PAGE: Final = (ROOT / "docs" / "embedding.md").read_text()
BLOCK: Final = re.compile(r"```(\w+)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Each block of a language, with what stands behind it as its output, or nothing."""
    return [(code, text or "") for name, code, text in BLOCK.findall(PAGE) if name == language]


def the_application() -> str:
    """The one block that is served."""
    (found,) = (code for code, _ in blocks("python") if "FastAPI(" in code)
    return found
