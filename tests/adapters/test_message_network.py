from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import MessagingError
from workflow.ports.messaging import Received
from workflow.testing import (
    Acceptance,
    Faults,
    InProcessMessaging,
    ManualClock,
    MessageNetwork,
    Published,
    Question,
)

START = 1_700_000_000.0
DAY = 86400.0


class Node:
    """A connection that keeps what comes, and when."""

    def __init__(self, network: MessageNetwork, clock: ManualClock, name: str = "") -> None:
        self.messaging = InProcessMessaging(network, name)
        self.got: list[tuple[bytes, float]] = []
        self.fails = 0
        self._clock = clock

    async def open(self, *channels: str) -> Node:
        await self.messaging.open(self.receive)
        for channel in channels:
            await self.messaging.subscribe(channel)
        return self

    async def receive(self, message: Received) -> None:
        self.got.append((message.payload, self._clock.now() - START))
        if self.fails:
            self.fails -= 1
            raise OSError("the disk is full")

    async def stored(self, since: float = 0.0, channel: str = "chat") -> list[bytes]:
        return [message.payload async for message in self.messaging.stored(channel, since)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def network(clock: ManualClock) -> MessageNetwork:
    return MessageNetwork(clock)


async def test_publishers_hear_themselves(network: MessageNetwork, clock: ManualClock) -> None:
    node = await Node(network, clock).open("chat", "chat")
    await node.messaging.publish("chat", b"echo")
    await clock.settle()
    assert node.got == [(b"echo", 0.0)]


async def test_every_publish_is_on_record(network: MessageNetwork, clock: ManualClock) -> None:
    node = await Node(network, clock, "alice").open()
    network.faults = Faults(
        accept=lambda publish: Acceptance.REFUSED if publish.payload == b"two" else Acceptance.TAKEN
    )
    await node.messaging.publish("chat", b"one")
    await clock.advance(5)
    with pytest.raises(MessagingError):
        await node.messaging.publish("chat", b"two")
    network.inject("chat", b"three")
    assert network.published == [
        Published(0, "alice", "chat", b"one", START),
        Published(1, "alice", "chat", b"two", START + 5, Acceptance.REFUSED),
        Published(2, "stranger", "chat", b"three", START + 5),
    ]
    assert await node.stored() == [b"one", b"three"]


async def test_a_sender_may_be_left_in_doubt(network: MessageNetwork, clock: ManualClock) -> None:
    sender, reader = await Node(network, clock).open(), await Node(network, clock).open("chat")
    network.faults = Faults(accept=lambda _: Acceptance.UNANSWERED)
    with pytest.raises(MessagingError):
        await sender.messaging.publish("chat", b"arrived all the same")
    await clock.settle()
    assert [payload for payload, _ in reader.got] == [b"arrived all the same"]
    assert await reader.stored() == [b"arrived all the same"]


async def test_messages_are_lost_repeated_and_overtaken(
    network: MessageNetwork, clock: ManualClock
) -> None:
    plan: dict[bytes, Sequence[float]] = {b"lost": (), b"twice": (0, 3), b"late": (10,)}
    network.faults = Faults(
        deliver=lambda publish, name: plan.get(publish.payload, (0,)) if name == "bob" else (0,)
    )
    alice = await Node(network, clock, "alice").open("chat")
    bob = await Node(network, clock, "bob").open("chat")
    for payload in (b"lost", b"late", b"twice", b"plain"):
        await alice.messaging.publish("chat", payload)
    await clock.advance(60)
    assert [payload for payload, _ in alice.got] == [b"lost", b"late", b"twice", b"plain"]
    assert bob.got == [(b"twice", 0.0), (b"plain", 0.0), (b"twice", 3.0), (b"late", 10.0)]


async def test_what_a_receiver_does_not_take_comes_again(clock: ManualClock) -> None:
    network = MessageNetwork(clock, redeliver_after=7.0, redeliveries=2)
    node = await Node(network, clock).open("chat")
    node.fails = 2
    await node.messaging.publish("chat", b"a")
    await clock.advance(100)
    assert node.got == [(b"a", 0.0), (b"a", 7.0), (b"a", 14.0)]
    node.fails = 1000
    await node.messaging.publish("chat", b"b")
    await clock.advance(100)
    assert len(node.got) == 6
    assert await node.stored() == [b"a", b"b"]


async def test_the_network_forgets_after_thirty_days(
    network: MessageNetwork, clock: ManualClock
) -> None:
    node = await Node(network, clock).open()
    await node.messaging.publish("chat", b"old")
    await clock.advance(DAY)
    await node.messaging.publish("chat", b"new")
    await clock.advance(29 * DAY)
    assert await node.stored() == [b"old", b"new"]
    assert await node.stored(since=START + 1) == [b"new"]
    await clock.advance(1)
    assert await node.stored() == [b"new"]


async def test_a_question_may_fail_half_way(network: MessageNetwork, clock: ManualClock) -> None:
    node = await Node(network, clock, "alice").open()
    for payload in (b"one", b"two", b"three"):
        await node.messaging.publish("chat", payload)
    questions: list[Question] = []

    def answer(question: Question) -> int:
        questions.append(question)
        return 2

    network.faults = Faults(answer=answer)
    got: list[bytes] = []

    async def ask() -> None:
        async for message in node.messaging.stored("chat", START):
            got.append(message.payload)  # noqa: PERF401 - what came before the failure counts.

    with pytest.raises(MessagingError):
        await ask()
    assert got == [b"one", b"two"]
    (question,) = questions
    assert (question.reader, question.channel, question.found) == ("alice", "chat", 3)


async def test_a_message_may_be_missing_from_the_memory(
    network: MessageNetwork, clock: ManualClock
) -> None:
    node = await Node(network, clock).open("chat")
    network.faults = Faults(remember=lambda _: False)
    await node.messaging.publish("chat", b"spoken into the wind")
    await clock.settle()
    assert len(node.got) == 1
    assert await node.stored() == []


@pytest.mark.parametrize("leave", ["unsubscribe", "close", "crash"])
async def test_what_is_on_its_way_does_not_arrive_after_leaving(
    network: MessageNetwork, clock: ManualClock, leave: str
) -> None:
    network.faults = Faults(deliver=lambda _, __: (10,))
    node = await Node(network, clock).open("chat")
    await node.messaging.publish("chat", b"a")
    match leave:
        case "unsubscribe":
            await node.messaging.unsubscribe("chat")
        case "close":
            await node.messaging.close()
        case _:
            node.messaging.crash()
    await clock.advance(100)
    assert node.got == []


async def test_closing_interrupts_a_receiver_and_waits_for_its_end(
    network: MessageNetwork, clock: ManualClock
) -> None:
    messaging = InProcessMessaging(network, "alice")
    ended = False

    async def receive(_: Received) -> None:
        nonlocal ended
        try:
            await clock.sleep(1000)
        finally:
            await asyncio.sleep(0)
            ended = True

    await messaging.open(receive)
    with pytest.raises(MessagingError):
        await messaging.open(receive)
    await messaging.subscribe("chat")
    await messaging.publish("chat", b"a")
    await clock.advance(1)
    await messaging.close()
    assert ended
    assert repr(messaging) == "<InProcessMessaging alice>"


async def test_a_receiver_may_close_its_own_connection(
    network: MessageNetwork, clock: ManualClock
) -> None:
    messaging = InProcessMessaging(network)
    calls = 0

    async def receive(_: Received) -> None:
        nonlocal calls
        calls += 1
        await messaging.close()
        raise OSError("and fails besides")

    await messaging.open(receive)
    await messaging.subscribe("chat")
    await messaging.publish("chat", b"a")
    await clock.advance(100)
    assert calls == 1


async def test_who_comes_back_starts_without_subscriptions(
    network: MessageNetwork, clock: ManualClock
) -> None:
    node = await Node(network, clock).open("chat")
    await node.messaging.close()
    await node.open()
    await node.messaging.publish("chat", b"a")
    await clock.settle()
    assert node.got == []
    assert await node.stored() == [b"a"]


DELAYS = st.lists(st.integers(0, 30), max_size=3)


@given(st.lists(st.tuples(DELAYS, DELAYS, st.integers(0, 5)), max_size=15))
def test_what_arrives_is_what_the_plan_says(plan: list[tuple[list[int], list[int], int]]) -> None:
    """Per receiver: each delivery once, at its time; nothing else."""

    async def story() -> None:
        clock = ManualClock(START)
        network = MessageNetwork(
            clock, Faults(deliver=lambda publish, name: plan[publish.number][:2][int(name)])
        )
        nodes = [await Node(network, clock, name).open("chat") for name in ("0", "1")]
        sent = []
        for number, (*_, pause) in enumerate(plan):
            sent.append(clock.now() - START)
            await nodes[0].messaging.publish("chat", bytes([number]))
            await clock.advance(pause)
        await clock.advance(100)
        for receiver, node in enumerate(nodes):
            expected = Counter(
                (bytes([number]), sent[number] + delay)
                for number, fate in enumerate(plan)
                for delay in (fate[0], fate[1])[receiver]
            )
            assert Counter(node.got) == expected
            assert [at for _, at in node.got] == sorted(at for _, at in node.got)

    asyncio.run(story())
