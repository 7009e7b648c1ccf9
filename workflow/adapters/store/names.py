"""What communities are called, read at once: nothing else of this program is loaded for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

PATIENCE: Final = 0.2
"""Seconds that a lock may last; somebody has pressed a key and waits."""


def names_in(journal: Path) -> list[tuple[str, str]]:
    """Name and id of every community in a journal, whose form is not checked.

    Raises ``sqlite3.Error`` when there is no journal or it cannot be read.
    """
    place = f"{journal.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(place, uri=True, timeout=PATIENCE)) as connection:
        return connection.execute("SELECT name, id FROM community ORDER BY name, id").fetchall()
