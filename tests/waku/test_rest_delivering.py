from __future__ import annotations

import pytest

from tests.waku.nodes.node import Dialect
from tests.waku.rest import (
    BOTH,
    CHANNEL,
    COMMUNITY,
    Inbox,
    Waku,
    chat_of,
    logged,
    opened,
    recall,
)
from workflow.adapters.messaging.waku import following
from workflow.ports.messaging import ChatMessaging, Received
from workflow.waku.chats import NON_PROTECTED_PUBSUB_TOPIC
from workflow.waku.message import WakuMessage
from workflow.waku.refusal import Refusal


@BOTH
async def test_a_message_comes_in_its_envelope(waku: Waku, dialect: Dialect) -> None:
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, node, inbox=inbox)
    assert isinstance(messaging, ChatMessaging)
    sent = waku.say(b"hello", at=waku.clock.now() + 0.25)
    await waku.clock.advance(1)
    (message,) = inbox.messages
    assert (message.channel, message.payload) == (CHANNEL, b"hello")
    assert message.at == waku.clock.now() - 0.75
    assert message.envelope is not None
    assert message.envelope.hash == sent.hash("/waku/2/rs/16/32")
    assert message.envelope.time == int(message.at)
    assert len(message.envelope.sender) == 65
    assert message.envelope.padding
    await messaging.close()


@BOTH
async def test_all_topics_are_listened_to(waku: Waku, dialect: Dialect) -> None:
    inbox = Inbox()
    messaging = await opened(waku, waku.node(dialect), inbox=inbox)
    waku.say(b"on the other", topic=NON_PROTECTED_PUBSUB_TOPIC)
    await waku.clock.advance(1)
    assert inbox.payloads == [b"on the other"]
    await messaging.close()


async def test_nodes_bring_the_same_message_once(waku: Waku) -> None:
    inbox = Inbox()
    nodes = [waku.node(Dialect.GO_WAKU), waku.node(Dialect.NWAKU), waku.node(Dialect.GO_WAKU)]
    for node in nodes:
        node.faults.repeats = 2
    messaging = await opened(waku, *nodes, inbox=inbox)
    for number in range(20):
        waku.say(b"%d" % number)
        await waku.clock.advance(0.3)
    await waku.clock.advance(1)
    assert sorted(inbox.payloads) == sorted(b"%d" % number for number in range(20))
    await messaging.close()


@BOTH
async def test_a_second_poller_steals_and_stores_give_back(waku: Waku, dialect: Dialect) -> None:
    node, mine, theirs = waku.node(dialect), Inbox(), Inbox()
    since = waku.clock.now()
    one, other = await opened(waku, node, inbox=mine), await opened(waku, node, inbox=theirs)
    for number in range(10):
        waku.say(b"%d" % number)
        await waku.clock.advance(1)
    assert not set(mine.payloads) & set(theirs.payloads)
    assert len(mine.messages) < 10
    assert await recall(one, since) == [b"%d" % number for number in range(10)]
    await one.close()
    await other.close()


async def test_what_a_slower_node_brings_is_neither_delivered_nor_counted_again(
    waku: Waku,
) -> None:
    inbox, quick, slow = Inbox(), waku.node(), waku.node(Dialect.NWAKU)
    messaging = await opened(waku, quick, slow, inbox=inbox)
    await waku.clock.advance(0.5)
    slow.faults.delay = 3.0
    ours = waku.say(b"hello")
    noise = WakuMessage(b"x" * 100, ours.content_topic, 1, ours.timestamp)
    waku.network.publish("/waku/2/rs/16/32", noise)
    await waku.clock.advance(2)
    assert inbox.payloads == [b"hello"]
    assert len(waku.asked("GET", "node-1:8645/relay")) > 0
    await waku.clock.advance(10)
    assert inbox.payloads == [b"hello"]
    assert messaging.refused == {Refusal.OTHER_KEY: 1}
    await messaging.close()


async def test_what_cannot_be_opened_is_counted_once_and_never_logged(waku: Waku) -> None:
    inbox, nodes = Inbox(), [waku.node(), waku.node()]
    with logged("DEBUG") as lines:
        messaging = await opened(waku, *nodes, inbox=inbox)
        await waku.clock.advance(0.5)
        before = len(lines)
        ours = waku.sealed(b"hello")
        others = [
            WakuMessage(b"x" * 100, ours.content_topic, 1, ours.timestamp),
            WakuMessage(b"x", ours.content_topic, 1, ours.timestamp),
            WakuMessage(b"x" * 101, ours.content_topic, 0, ours.timestamp),
            WakuMessage(b"x" * 102, "/waku/1/0x00000000/rfc26", 1, ours.timestamp),
        ]
        for message in [*others, ours]:
            waku.network.publish("/waku/2/rs/16/32", message)
        await waku.clock.advance(2)
        assert inbox.payloads == [b"hello"]
        assert messaging.refused == {
            Refusal.OTHER_KEY: 1,
            Refusal.CUT_OFF: 1,
            Refusal.OTHER_VERSION: 1,
        }
        assert len(lines) == before
    await messaging.close()


async def test_what_was_not_taken_is_logged_together_and_can_be_asked_for(waku: Waku) -> None:
    def full(message: Received) -> None:
        if message.payload != b"3":
            raise OSError("the disk is full")

    inbox, since = Inbox(full), waku.clock.now()
    messaging = await opened(waku, waku.node(), inbox=inbox)
    with logged("WARNING") as warnings:
        for number in range(9):
            waku.say(b"%d" % number)
        await waku.clock.advance(2)
    assert inbox.payloads == [b"3"]
    assert len(warnings) == 1
    assert "8 messages" in warnings[0]
    assert "the disk is full" in warnings[0]
    assert sorted(await recall(messaging, since)) == [b"%d" % n for n in range(9)]
    await messaging.close()


async def test_the_receiver_may_take_many_at_once(
    waku: Waku, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "DELIVERED_AT_ONCE", 16)
    under_way, most, taken = 0, 0, 0

    async def commit(message: Received) -> None:
        nonlocal under_way, most, taken
        under_way += 1
        most = max(most, under_way)
        await waku.clock.sleep(0.1)
        under_way -= 1
        taken += 1

    messaging = waku.adapter(waku.node())
    await messaging.open(commit)
    await messaging.subscribe(CHANNEL)
    for number in range(100):
        waku.say(b"%d" % number)
    await waku.clock.advance(3)
    assert (taken, most) == (100, 16)
    await messaging.close()


@BOTH
async def test_a_full_queue_is_read_without_pause(waku: Waku, dialect: Dialect) -> None:
    waku.poll_every = 100.0
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, node, inbox=inbox)
    await waku.clock.advance(50)
    for number in range(60):
        waku.say(b"%d" % number)
    polls = len(waku.asked("GET", "/relay"))
    await waku.clock.advance(100)
    assert len(waku.asked("GET", "/relay")) - polls == 2 * 2  # Two rounds, of two topics each.
    assert len(inbox.messages) == (50 if dialect is Dialect.NWAKU else 60)
    await messaging.close()


async def test_a_receiver_may_close_its_own_connection(waku: Waku) -> None:
    node = waku.node()
    messaging = waku.adapter(node)
    taken = []

    async def receive(message: Received) -> None:
        taken.append(message.payload)
        await messaging.close()
        taken.append(b"closed")

    await messaging.open(receive)
    await messaging.subscribe(CHANNEL)
    waku.say(b"the end")
    await waku.clock.advance(2)
    assert taken == [b"the end", b"closed"]
    assert messaging.standing == ()


async def test_deliveries_under_way_are_cancelled_by_closing(waku: Waku) -> None:
    events = []

    async def receive(message: Received) -> None:
        events.append("began")
        try:
            await waku.clock.sleep(3600)
        finally:
            events.append("ended")

    messaging = waku.adapter(waku.node())
    await messaging.open(receive)
    await messaging.subscribe(CHANNEL)
    waku.say(b"slow")
    await waku.clock.advance(1)
    await messaging.close()
    assert events == ["began", "ended"]


async def test_chats_that_share_a_topic_are_told_apart(waku: Waku) -> None:
    # Two names whose Keccak-256 begin with the same four bytes are not at hand, so one chat's key
    # is used under the other's topic: it is what a reader sees of such a pair.
    inbox = Inbox()
    messaging = await opened(waku, waku.node(), inbox=inbox)
    await messaging.subscribe(COMMUNITY)
    stranger = waku.sealed(b"for another chat", COMMUNITY)
    shared = WakuMessage(
        stranger.payload, chat_of(CHANNEL).content_topic, 1, stranger.timestamp, b""
    )
    waku.network.publish("/waku/2/rs/16/32", shared)
    waku.say(b"for this one")
    await waku.clock.advance(1)
    assert inbox.payloads == [b"for this one"]
    assert messaging.refused == {Refusal.OTHER_KEY: 1}
    await messaging.close()
