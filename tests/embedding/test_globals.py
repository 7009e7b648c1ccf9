"""A library that is embedded leaves alone what belongs to the whole process."""

from __future__ import annotations

import json
from pathlib import Path

from tests.embedding.interpreters import ROOT, printed


def test_nothing_that_a_process_shares_is_changed(tmp_path: Path) -> None:
    """But for two adapters of sqlite3, which give back what they are given."""
    child = ROOT / "tests" / "embedding" / "globals_child.py"
    during, after = json.loads(printed(str(child), cwd=tmp_path))
    assert set(during) == set(after) == {"adapters of sqlite3"}
    before, then = during["adapters of sqlite3"]
    added = then.removeprefix(before.removesuffix("}"))
    assert added.count("PrepareProtocol") == 2
    assert "<class 'bytes'>" in added
    assert "<class 'NoneType'>" in added
