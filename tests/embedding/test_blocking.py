from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workflow import Author, Node, Post, Recorded, open_node
from workflow.blocking import BlockingNode
from workflow.blocking import open_node as open_blocking
from workflow.errors import (
    ConfigurationError,
    DirectoryLockedError,
    JournalClosedError,
    UnknownCommunityError,
)

LIFE = {"start", "start_imports", "stop"}
"""What opening and closing do."""
VALUES = {"address", "kept_journal"}
"""What is no verb, but known."""
LAST_YEAR_MS = 1_700_000_000_000


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[BlockingNode]:
    with open_blocking(tmp_path) as opened:
        yield opened


def test_it_has_every_verb_of_the_node_and_two_of_its_own() -> None:
    assert public(BlockingNode) - {"close", "run"} == public(Node) - LIFE


@pytest.mark.parametrize("name", sorted(public(Node) - LIFE - VALUES))
def test_a_verb_is_called_as_the_nodes(name: str) -> None:
    ours, verb = getattr(BlockingNode, name), getattr(Node, name)
    assert ours.__wrapped__ is verb, "the wrong verb under this name"
    assert inspect.signature(ours) == inspect.signature(verb)
    assert ours.__doc__ == verb.__doc__
    assert not inspect.iscoroutinefunction(ours)


def test_it_is_opened_as_the_node() -> None:
    assert inspect.signature(open_blocking).parameters == inspect.signature(open_node).parameters


def test_a_community_is_kept_and_announced(node: BlockingNode) -> None:
    """All of it, and its story as it is told, without an event loop of the caller's."""
    node.enable()
    id = node.create_community("gardeners")
    posts = [
        Post(str(number), "general", Author("1", "alice"), LAST_YEAR_MS + number, "hello")
        for number in range(3)
    ]
    assert node.add_messages(id, posts) == 3
    node.archive_now(id)
    told = []
    for step in node.signals():
        told += [signal["type"] for signal in step.signals]
        if told[-1] == "community.historyArchivesSeeding":
            break
    assert told == [
        "community.historyArchivesProtocolEnabled",
        "community.creatingHistoryArchives",
        "community.historyArchivesCreated",
        "community.historyArchivesSeeding",
    ]
    assert node.status(id).is_live


def test_an_exception_arrives_as_itself(node: BlockingNode) -> None:
    with pytest.raises(UnknownCommunityError) as caught:
        node.find("nobody")
    assert caught.value.code == "community-unknown"


def test_what_fails_to_open_says_so_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with open_blocking(tmp_path), pytest.raises(DirectoryLockedError):
        open_blocking(tmp_path)
    assert threading.active_count() == before


def test_many_threads_at_once(node: BlockingNode) -> None:
    names = [f"community {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(node.create_community, names))
        found = list(threads.map(lambda name: node.find(name).id, names))
    assert found == ids
    assert {known.name for known in node.communities()} == set(names)


def test_whoever_waits_is_told_when_it_is_closed(node: BlockingNode) -> None:
    """A stream ends; a verb that was not done says that nothing happened."""
    told: list[Recorded] = []
    waiting = threading.Event()

    def follow() -> None:
        told.extend(node.signals())

    def wait_for_ever() -> None:
        async def never(_: Node) -> None:
            waiting.set()
            await asyncio.Event().wait()

        node.run(never)

    node.enable()
    with ThreadPoolExecutor(2) as threads:
        following, never = threads.submit(follow), threads.submit(wait_for_ever)
        waiting.wait()
        node.close()
        following.result(timeout=30)
        with pytest.raises(JournalClosedError):
            never.result(timeout=30)
    assert [step.event for step in told] == ["PROTOCOL_ENABLED"]


def test_a_closed_node_refuses_and_may_be_closed_again(node: BlockingNode) -> None:
    node.close()
    node.close()
    with pytest.raises(JournalClosedError):
        node.communities()
    assert list(node.signals()) == []


def test_closing_ends_the_thread_and_lets_go_of_the_directory(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(2):
        with open_blocking(tmp_path):
            assert threading.active_count() > before
        assert threading.active_count() == before
    assert not (tmp_path / "holder").exists()


def test_its_own_thread_cannot_wait_for_it(node: BlockingNode) -> None:
    """A listener that asks would wait for ever; it is told instead."""
    caught: list[BaseException] = []

    def listener(_: Recorded) -> None:
        try:
            node.communities()
        except ConfigurationError as error:
            caught.append(error)

    async def listen(there: Node) -> None:
        there.engine.on_step(listener)

    node.run(listen)
    node.enable()
    assert len(caught) == 1


def test_an_interruption_ends_the_waiting_and_not_the_node(node: BlockingNode) -> None:
    """Ctrl-C while the main thread waits; what it waited for is cancelled."""
    cancelled = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    async def never(_: Node) -> None:
        while sys._current_frames()[main].f_code.co_name != "wait":  # noqa: ASYNC110 - no event tells.
            await asyncio.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        node.run(never)
    assert cancelled.wait(30)
    assert node.communities() == []


FORGETTING = """
import threading
from workflow import blocking
node = blocking.open_node("node")
node.enable()
threading.Thread(target=lambda: print([step.event for step in node.signals()])).start()
"""


def test_a_forgotten_one_is_closed_at_the_interpreters_exit(tmp_path: Path) -> None:
    """Though another thread, which must be joined, still waits for it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGETTING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "['PROTOCOL_ENABLED']\n")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "node" / "lock").exists()
    assert not (tmp_path / "node" / "holder").exists()
