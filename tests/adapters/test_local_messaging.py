from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from tests.adapters.local_nodes import DAY, START, Nodes, collected, descriptors, rows
from workflow.adapters.messaging.message_file import MAX_CHANNEL, MAX_PAYLOAD, MESSAGES
from workflow.errors import MessagingError
from workflow.ports.messaging import Received
from workflow.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest_asyncio.fixture
async def nodes(tmp_path: Path, clock: ManualClock) -> AsyncGenerator[Nodes, None]:
    made = Nodes(tmp_path / "shared", clock)
    yield made
    await made.close()


# -- publishing, delivering, asking ----------------------------------------------------------------


async def test_publishers_hear_themselves(nodes: Nodes, clock: ManualClock) -> None:
    node = await nodes.open("chat", "chat")
    await node.messaging.publish("chat", b"echo")
    await clock.advance(1)
    assert node.payloads == [b"echo"]
    assert str(nodes.folder) in repr(node.messaging)


async def test_the_folder_and_its_files_are_their_owners_alone(nodes: Nodes) -> None:
    node = await nodes.open()
    await node.messaging.publish("chat", b"a")
    assert nodes.folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in nodes.folder.iterdir()}
    assert modes == {MESSAGES + end: 0o600 for end in ("", "-wal", "-shm")}


async def test_what_does_not_fit_is_refused_before_it_is_written(nodes: Nodes) -> None:
    node = await nodes.open()
    await node.messaging.publish("c" * MAX_CHANNEL, bytes(MAX_PAYLOAD))
    with pytest.raises(MessagingError, match=f"{MAX_PAYLOAD + 1} bytes"):
        await node.messaging.publish("chat", bytes(MAX_PAYLOAD + 1))
    for channel in ("c" * (MAX_CHANNEL + 1), "\ud800"):
        with pytest.raises(MessagingError, match="channel's name"):
            await node.messaging.publish(channel, b"")
        with pytest.raises(MessagingError, match="channel's name"):
            await node.stored(channel=channel)
    assert await node.stored() == []
    assert await node.stored(channel="c" * MAX_CHANNEL) == [bytes(MAX_PAYLOAD)]


async def test_messages_are_forgotten_after_thirty_days(nodes: Nodes, clock: ManualClock) -> None:
    node = await nodes.open()
    await node.messaging.publish("chat", b"old")
    clock.jump(DAY)
    await node.messaging.publish("chat", b"new")
    clock.jump(29 * DAY)
    assert await node.stored() == [b"old", b"new"]
    assert await node.stored(since=START + 1) == [b"new"]
    clock.jump(1)
    assert await node.stored() == [b"new"]
    assert rows(nodes.folder) == [b"old", b"new"]
    await node.messaging.publish("chat", b"newest")
    assert rows(nodes.folder) == [b"new", b"newest"]


async def test_a_long_answer_is_complete_and_ends(nodes: Nodes) -> None:
    node = await nodes.open()
    for number in range(50):
        await node.messaging.publish("chat", b"%d" % number)
    answered = []
    async for message in node.messaging.stored("chat", 0.0):
        answered.append(message.payload)
        await node.messaging.publish("chat", b"meanwhile")
    assert sorted(answered) == sorted(b"%d" % number for number in range(50))


async def test_an_answer_that_is_interrupted_by_closing_says_so(nodes: Nodes) -> None:
    node = await nodes.open()
    for number in range(50):
        await node.messaging.publish("chat", b"%d" % number)
    answer = node.messaging.stored("chat", 0.0)
    await anext(answer)
    await node.messaging.close()
    with pytest.raises(MessagingError, match="disconnected"):
        await collected(answer)


async def test_what_a_receiver_does_not_take_comes_again_ever_more_rarely(
    nodes: Nodes, clock: ManualClock
) -> None:
    node = await nodes.make(look_every=30, redeliver_after=40).open("chat")
    node.fails = 6
    await node.messaging.publish("chat", b"a")
    await clock.advance(2_000)
    assert node.payloads == 7 * [b"a"]
    pauses = [later - earlier for (_, earlier), (_, later) in pairwise(node.got)]
    assert pauses == [40, 80, 160, 300, 300, 300]


async def test_nothing_comes_again_after_unsubscribing(nodes: Nodes, clock: ManualClock) -> None:
    node = await nodes.open("chat")
    node.fails = 1
    await node.messaging.publish("chat", b"a")
    await clock.advance(0.5)
    await node.messaging.unsubscribe("chat")
    await clock.advance(100)
    assert len(node.got) == 1


async def test_a_receiver_that_hangs_holds_up_its_own_channel_only(
    nodes: Nodes, clock: ManualClock
) -> None:
    node, got = nodes.make(), []

    async def receive(message: Received) -> None:
        if message.channel == "slow":
            await clock.sleep(10)
        got.append(message.payload)

    await node.messaging.open(receive)
    for channel in ("slow", "quick"):
        await node.messaging.subscribe(channel)
    for payload in (b"1", b"2"):
        await node.messaging.publish("slow", b"slow " + payload)
        await node.messaging.publish("quick", b"quick " + payload)
    await clock.advance(1)
    assert got == [b"quick 1", b"quick 2"]
    await node.messaging.unsubscribe("slow")  # The second one waits behind the first.
    await clock.advance(30)
    assert got == [b"quick 1", b"quick 2", b"slow 1"]


# -- opening and closing ---------------------------------------------------------------------------


async def test_nothing_is_left_after_closing(nodes: Nodes, clock: ManualClock) -> None:
    before = threading.active_count(), descriptors()
    node = await nodes.open("chat")
    node.fails = 1_000
    await node.messaging.publish("chat", b"a")
    await clock.advance(1)
    assert (threading.active_count(), descriptors()) != before
    await node.messaging.close()
    assert len(asyncio.all_tasks()) == 1
    assert (threading.active_count(), descriptors()) == before
    assert not node.messaging.is_busy


async def test_it_is_opened_once_at_a_time(nodes: Nodes) -> None:
    node = await nodes.open("chat")
    with pytest.raises(MessagingError, match="already"):
        await node.open()


async def test_closing_while_it_is_being_opened_ends_it(nodes: Nodes) -> None:
    node = nodes.make()
    opening = asyncio.create_task(node.open())
    await asyncio.sleep(0)
    await node.messaging.close()
    await opening
    assert len(asyncio.all_tasks()) == 1
    with pytest.raises(MessagingError, match="not connected"):
        await node.messaging.publish("chat", b"a")


async def test_closing_that_is_cancelled_closes_all_the_same(nodes: Nodes) -> None:
    node = await nodes.open()
    closing_it = asyncio.create_task(node.messaging.close())
    await asyncio.sleep(0)
    closing_it.cancel()
    await asyncio.wait([closing_it])
    await node.open("chat")
    await node.messaging.publish("chat", b"a")
    assert await node.stored() == [b"a"]


async def test_closing_interrupts_a_receiver_and_waits_for_its_end(
    nodes: Nodes, clock: ManualClock
) -> None:
    node, ended = nodes.make(), []

    async def receive(message: Received) -> None:
        try:
            await clock.sleep(1_000)
        finally:
            await asyncio.sleep(0)
            ended.append(message.payload)

    await node.messaging.open(receive)
    await node.messaging.subscribe("chat")
    await node.messaging.publish("chat", b"a")
    await clock.advance(1)
    assert ended == []
    await node.messaging.close()
    assert ended == [b"a"]


async def test_a_receiver_may_close_its_own_connection(nodes: Nodes, clock: ManualClock) -> None:
    node, calls = nodes.make(), []

    async def receive(message: Received) -> None:
        calls.append(message.payload)
        await node.messaging.close()
        raise OSError("and fails besides")

    await node.messaging.open(receive)
    await node.messaging.subscribe("chat")
    await node.messaging.publish("chat", b"a")
    await node.messaging.publish("chat", b"b")
    await clock.advance(0.5)
    assert len(asyncio.all_tasks()) == 1  # Nothing waits to deliver it again.
    await clock.advance(100)
    assert calls == [b"a"]
