"""A data directory as people have it, and a process that holds it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faces.chatter import node_in
from tests.faces.command_line import CommandLine, Started
from tests.faces.in_process import InProcess
from workflow.adapters.clock.manual import ManualClock
from workflow.testing.world import text_message

DAY = 86_400.0


async def _plant(directory: Path) -> None:
    """A control node that archived, seeded and announced a week; it ended a moment ago."""
    clock = ManualClock(time.time() - 8 * DAY)
    node = node_in(directory, clock)
    async with node:
        id = await node.create_community("gardeners", private_key=bytes([7]) * 32)
        await node.add_topic(id, b"seed")
        await node.enable()
        now = clock.now()
        await node.add_messages(
            id, [text_message(b"seed", now + hour, f"hour {hour}") for hour in range(24)]
        )
        await clock.advance(8 * DAY)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("planted") / "data"
    asyncio.run(_plant(directory))
    return directory


@pytest.fixture
def garden(planted: Path, tmp_path: Path) -> CommandLine:
    """The command line on a data directory with the community 'gardeners'; nobody runs."""
    directory = tmp_path / "data"
    shutil.copytree(planted, directory)
    return CommandLine(directory)


@pytest.fixture
def here(garden: CommandLine) -> InProcess:
    """The same, without processes of its own."""
    return InProcess(garden.data_dir)


@pytest.fixture
def nowhere(tmp_path: Path) -> CommandLine:
    """The command line on a data directory that does not exist."""
    return CommandLine(tmp_path / "nothing")


@pytest.fixture
def nothing(nowhere: CommandLine) -> InProcess:
    """The same, without processes of its own."""
    return InProcess(nowhere.data_dir)


@pytest.fixture
def running(garden: CommandLine) -> Iterator[Started]:
    """``run``, holding the garden's data directory, with everything settled."""
    started = garden.start("run")
    try:
        started.wait_until_it_says("announcing → idle")
        yield started
    finally:
        started.process.kill()
        started.process.wait()
