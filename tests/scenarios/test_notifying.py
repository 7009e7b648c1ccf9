"""The operator's command: run once for a change that lasts, whatever becomes of the command."""

from __future__ import annotations

import asyncio
import json
import shlex
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from workflow import notifying
from workflow.node import Node
from workflow.notifying import Notifier
from workflow.testing.world import World


@asynccontextmanager
async def watched(world: World, command: str, **more: Any) -> AsyncIterator[Node]:
    """A control node whose health is watched; nothing is wrong with it."""
    node = await world.start("control")
    notifier = Notifier(node, world.clock, shlex.split(command), **more)
    unwatch = world.clock.watch(lambda: notifier.is_busy)
    task = asyncio.create_task(notifier.watch())
    try:
        await world.advance(1)
        yield node
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        unwatch()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "world", start=1_800_000_000.0)
    node = await made.start("control")
    await node.enable()
    await node.set_key_saved(await node.create_community("gardeners"))
    yield made
    await made.close()


async def spoil(node: Node, condition: str) -> None:
    """Something that a person should know of; nothing when it is empty."""
    await node.engine.run(lambda tx: tx.execute("UPDATE community SET condition = ?", (condition,)))


def writing_to(file: Path) -> str:
    """A command that writes down what it is told."""
    words = "$COMMUNITY_ARCHIVES_HEALTH: $COMMUNITY_ARCHIVES_PROBLEMS"
    script = f'(echo "{words}"; cat; echo) >> {file}'
    return shlex.join(["sh", "-c", script])


async def restarted(world: World) -> None:
    await world.stop("control")


async def test_a_change_that_lasts_is_told_once(world: World, tmp_path: Path) -> None:
    file = tmp_path / "told"
    await restarted(world)
    async with watched(world, writing_to(file)) as node:
        await world.advance(300)
        assert not file.exists(), "nothing is wrong"
        await spoil(node, "another device\x1b[31m announces")
        await world.advance(45)
        assert not file.exists(), "it may pass"
        await world.advance(60)
        words, document = file.read_text().splitlines()
        assert words == "degraded: gardeners: another device\ufffd[31m announces"
        told = json.loads(document)
        assert (told["state"], told["is_healthy"]) == ("degraded", False)
        assert told["problems"][0]["code"] == "condition"
        await world.advance(3600)
        assert len(file.read_text().splitlines()) == 2, "it is told once"
        await spoil(node, "")
        await world.advance(150)
        words, document = file.read_text().splitlines()[2:]
        assert words == "recovered: "
        assert json.loads(document)["is_healthy"] is True


async def test_what_comes_and_goes_is_told_to_nobody(world: World, tmp_path: Path) -> None:
    file = tmp_path / "told"
    await restarted(world)
    async with watched(world, writing_to(file)) as node:
        for _ in range(10):
            await spoil(node, "another device announces")
            await world.advance(40)
            await spoil(node, "")
            await world.advance(40)
    assert not file.exists()


async def test_a_restart_tells_nothing_twice_and_forgets_nothing(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "told"
    await restarted(world)
    async with watched(world, writing_to(file)) as node:
        await spoil(node, "another device announces")
        await world.advance(150)
    await world.stop("control")
    async with watched(world, writing_to(file)) as node:
        await world.advance(600)
        assert file.read_text().count("degraded: ") == 1
        await spoil(node, "")
        await world.advance(150)
    assert file.read_text().count("recovered: ") == 1


@pytest.mark.parametrize(
    ("command", "logged"),
    [
        ("false", "ended with 1"),
        ("/no/such/program", "cannot be run: No such file or directory"),
        ("sleep 60", "did not end within 0.2 s and was ended"),
    ],
)
async def test_a_command_that_fails_is_logged_and_stops_nothing(
    world: World, command: str, logged: str
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING")
    await restarted(world)
    try:
        async with watched(world, command, time_limit=0.2) as node:
            await spoil(node, "another device announces")
            await world.advance(300)
            assert (await node.status((await node.communities())[0].id)).condition
    finally:
        logger.remove(sink)
    assert len(lines) == 1
    assert f"the notify command for 'degraded' {logged}" in lines[0]


async def test_health_that_cannot_be_looked_at_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise OSError("no disk")

    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING")
    await restarted(world)
    try:
        monkeypatch.setattr("shutil.disk_usage", fails)
        async with watched(world, "true"):
            await world.advance(40)
    finally:
        logger.remove(sink)
    assert len(lines) == 2
    assert "OSError('no disk')" in lines[0]


async def test_a_journal_that_cannot_be_read_for_a_moment_ends_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    file = tmp_path / "told"
    await restarted(world)
    monkeypatch.setattr(notifying, "kept", fails)
    async with watched(world, writing_to(file)) as node:
        await spoil(node, "another device announces")
        await world.advance(150)
    assert file.read_text().count("degraded: ") == 1


async def test_many_problems_fit_into_the_environment(world: World, tmp_path: Path) -> None:
    file = tmp_path / "told"
    node = world.node("control")
    for number in range(60):
        await node.set_key_saved(await node.create_community(f"{'long ' * 200}{number}"))
    await restarted(world)
    async with watched(world, writing_to(file)) as node:
        await spoil(node, "another device announces")
        await world.advance(150)
    *_, last, document = file.read_text().splitlines()
    assert last == "and 11 more"
    assert len(json.loads(document)["problems"]) == 61


async def test_without_a_command_nobody_watches(world: World) -> None:
    await Notifier(world.node("control"), world.clock, ()).watch()
