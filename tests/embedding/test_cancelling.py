"""Whoever cancels the task around a node has ended it cleanly, at whatever moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from workflow import Node, open_node


class CancelledAt:
    """Runs a coroutine and cancels its task where it waits for the ``number``-th time."""

    def __init__(self, work: Coroutine[Any, Any, None], number: int) -> None:
        self.work = work
        self.number = number
        self.waited = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.work.__await__()
        step: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                waits_for = step()
            except StopIteration:
                return
            self.waited += 1
            task = asyncio.current_task()
            if self.waited == self.number and task is not None:
                task.cancel()
            try:
                yield waits_for
            except asyncio.CancelledError as error:
                step = partial(steps.throw, error)
            else:
                step = partial(next, steps)


def what_is_open() -> tuple[list[str], int]:
    """The threads, and how many sockets and pipes."""
    files = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return (
        sorted(thread.name for thread in threading.enumerate()),
        sum(file.startswith(("socket:", "pipe:")) for file in files),
    )


async def entered(node: Node) -> None:
    await node.__aenter__()


async def opened_and_cancelled(number: int, directory: Path) -> bool:
    """Whether it was cancelled at all: opening may not wait so often."""
    node = open_node(directory)
    opening = CancelledAt(entered(node), number)
    try:
        await opening
    except asyncio.CancelledError:
        return True
    await node.stop()
    return opening.waited >= number


def test_cancelled_wherever_it_waits_while_it_is_opened(tmp_path: Path) -> None:
    number, before = 1, what_is_open()
    while asyncio.run(opened_and_cancelled(number, tmp_path)):
        assert not (tmp_path / "holder").exists(), number
        assert what_is_open() == before, number
        number += 1
    assert number > 3


async def closed_and_cancelled(directory: Path) -> int:
    """How often it was cancelled."""
    node = open_node(directory)
    await node.start()
    closing = asyncio.create_task(node.stop())
    count = 0
    while not closing.done():
        await asyncio.sleep(0)
        count += closing.cancel()
    assert closing.cancelled()
    return count


def test_cancelled_again_and_again_while_it_is_closed(tmp_path: Path) -> None:
    before = what_is_open()
    assert asyncio.run(closed_and_cancelled(tmp_path)) > 3
    assert not (tmp_path / "holder").exists()
    assert what_is_open() == before


async def test_cancelled_at_work(tmp_path: Path) -> None:
    """The task is over when the node has stopped, and what was committed is there again."""

    async def embedded() -> None:
        async with open_node(tmp_path) as node:
            await node.enable()
            await node.create_community("gardeners")
            at_work.set()
            await asyncio.Event().wait()

    at_work = asyncio.Event()
    task = asyncio.create_task(embedded())
    await at_work.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with open_node(tmp_path) as again:
        (gardeners,) = await again.communities()
        assert (await again.status(gardeners.id)).state == "idle"


async def test_a_task_group_that_fails_ends_the_node(tmp_path: Path) -> None:
    """Somebody else's failure is the group's; the node has nothing to add."""

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def embedded() -> None:
        async with open_node(tmp_path) as node, asyncio.TaskGroup() as group:
            group.create_task(failing())
            await anext(node.signals())

    with pytest.raises(ExceptionGroup) as caught:
        await embedded()
    assert caught.group_contains(ZeroDivisionError)
    assert not (tmp_path / "holder").exists()
