from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from workflow.testing.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World, None]:
    """A world in which nothing was announced that must not be."""
    world = World(tmp_path)
    yield world
    assert world.violations() == []
    await world.close()
