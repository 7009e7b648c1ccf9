from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    """A folder in memory, if there is such a place: syncs cost nothing there."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within it.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
