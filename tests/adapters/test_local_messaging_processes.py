"""Real processes share a folder; one is killed (SIGKILL) while all of them write."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from workflow.adapters.clock.system import SystemClock
from workflow.adapters.messaging.local import LocalMessaging
from workflow.errors import MessagingError
from workflow.ports.messaging import Received

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 1_000
KILLED_AFTER = 300


class News:
    """What was told so far, by kind; somebody may wait for more."""

    def __init__(self) -> None:
        self.told: defaultdict[str, dict[str, None]] = defaultdict(dict)  # a set, in its order
        self._is_more = asyncio.Event()

    def tell(self, kind: str, what: str) -> None:
        self.told[kind][what] = None
        self._is_more.set()

    async def until(self, kind: str, expected: Collection[str]) -> None:
        """Return when all of these were told."""
        while not all(what in self.told[kind] for what in expected):
            self._is_more.clear()
            await self._is_more.wait()

    async def until_number(self, kind: str, number: int) -> None:
        """Return when so many were told."""
        while len(self.told[kind]) < number:
            self._is_more.clear()
            await self._is_more.wait()


class Child(News):
    """A node in a process of its own."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self.name = name
        self.process = process
        self._reader = asyncio.create_task(self._read())

    def go_on(self) -> None:
        """Open and publish; the second time: end."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reader

    async def end(self) -> None:
        self.go_on()
        await self._reader
        assert await self.process.wait() == 0

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.endswith(b"\n"):  # else it was killed in the middle of it
                kind, _, what = line.decode().strip().partition(" ")
                self.tell(kind, what)


class Children:
    """Whatever happens, none is left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Child] = []

    async def start(self, name: str, first: int = 0, end: int = MESSAGES) -> Child:
        """A process that has imported everything, and waits."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.adapters.message_child", str(self.folder), name, str(first), str(end)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._all.append(Child(name, process))
        return self._all[-1]

    async def end(self) -> None:
        for child in self._all:
            await child.kill()


@pytest_asyncio.fixture
async def children(tmp_path: Path) -> AsyncGenerator[Children, None]:
    made = Children(tmp_path / "shared")
    yield made
    await made.end()


async def in_store(node: LocalMessaging) -> dict[str, float]:
    return {message.payload.decode(): message.at async for message in node.stored("chat", 0.0)}


async def test_nothing_that_was_taken_is_lost_when_a_process_is_killed(children: Children) -> None:
    """And everybody gets whatever came while they were open."""
    heard = News()

    async def receive(message: Received) -> None:
        heard.tell("got", message.payload.decode())

    witness = LocalMessaging(children.folder, SystemClock(), look_every=0.05)
    await witness.open(receive)
    await witness.subscribe("chat")
    others = [await children.start(name) for name in ("a", "b")]
    victim = await children.start("c")
    for child in (*others, victim):
        child.go_on()
    await victim.until_number("sent", KILLED_AFTER)
    await victim.kill()
    assert victim.process.returncode == -signal.SIGKILL
    again = await children.start("c", first=len(victim.told["sent"]))
    again.go_on()
    survivors = [*others, again]
    for child in survivors:
        await child.until_number("done", 1)

    stored = await in_store(witness)
    sent = {message for child in (*survivors, victim) for message in child.told["sent"]}
    assert sent == {f"{name} {number}" for name in "abc" for number in range(MESSAGES)}
    assert sent <= stored.keys()
    for child in survivors:
        (opened,) = child.told["open"]
        due = {message for message, at in stored.items() if at >= float(opened)}
        assert due >= child.told["sent"].keys()
        await child.until("got", due)
    await heard.until("got", stored)
    for child in survivors:
        await child.end()
    await witness.close()
    assert [path.name for path in children.folder.iterdir()] == ["messages.sqlite3"]


async def test_an_empty_folder_may_be_opened_by_many_at_once(children: Children) -> None:
    """One of them makes the file, whichever it is."""
    many = [await children.start(str(number), end=5) for number in range(6)]
    for child in many:
        child.go_on()
    for child in many:
        await child.until_number("done", 1)
    reader = LocalMessaging(children.folder, SystemClock())
    await reader.open(_ignore)
    assert (await in_store(reader)).keys() == {f"{n} {m}" for n in range(6) for m in range(5)}
    await reader.close()
    for child in many:
        await child.end()


async def test_a_process_that_was_killed_while_writing_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it writes the others are told; once it is gone they go on."""
    monkeypatch.setattr("workflow.adapters.messaging.message_file.PATIENCE", 0.05)
    node = LocalMessaging(tmp_path, SystemClock())
    await node.open(_ignore)
    await node.publish("chat", b"one")
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(tmp_path / "messages.sqlite3")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(MessagingError, match="locked") as caught:
        await node.publish("chat", b"two")
    assert "tried again" in caught.value.advice
    assert (await in_store(node)).keys() == {"one"}
    holder.kill()
    await holder.wait()
    await node.publish("chat", b"three")
    assert (await in_store(node)).keys() == {"one", "three"}
    await node.close()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO message (channel, at, payload) VALUES ('chat', 1.0, x'00')")
print("held", flush=True)
sys.stdin.read()
"""


async def _ignore(_: Received) -> None:
    return
