from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.swarms import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Nodes on BitTorrent, on loopback; a module may have a world of its own."""
    world = World(tmp_path)
    yield world
    await world.close()
