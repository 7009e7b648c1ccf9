"""``run`` waits for a command that has the data directory for a moment, and for nobody longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from workflow.cli import running
from workflow.cli.settings import Settings
from workflow.engine.lock import DirectoryLock
from workflow.errors import DirectoryLockedError


def settings(place: Path) -> Settings:
    return Settings(meeting=place / "meeting")


async def test_it_waits_for_a_command_that_has_the_directory(tmp_path: Path) -> None:
    command = DirectoryLock(tmp_path / "data", "node")
    waiting = asyncio.create_task(running._node_at(tmp_path / "data", settings(tmp_path)))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    command.release()
    node = await waiting
    assert await node.communities() == []
    await node.stop()


async def test_whoever_keeps_the_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "A_COMMAND", 0.2)
    other = DirectoryLock(tmp_path / "data", "node")
    with pytest.raises(DirectoryLockedError, match="in use by process"):
        await running._node_at(tmp_path / "data", settings(tmp_path))
    other.release()
