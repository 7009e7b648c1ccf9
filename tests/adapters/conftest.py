from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.swarms import World
from workflow.adapters.keys import forms


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypting and opening take a millisecond. ``test_key_forms.py`` has the real rounds."""
    monkeypatch.setattr(forms, "ROUNDS", 1000)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Nodes on BitTorrent, on loopback; a module may have a world of its own."""
    world = World(tmp_path)
    yield world
    await world.close()
