from __future__ import annotations

import asyncio
import json

import pytest

from tests.waku.nodes.faults import Lie
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.rest import CHANNEL, COMMUNITY, Inbox, Waku, chat_of, logged, recall
from workflow.adapters.messaging.waku import following
from workflow.adapters.messaging.waku import node as node_module
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.errors import MessagingError
from workflow.ports.messaging import ChatMessaging, Received
from workflow.waku.chats import NON_PROTECTED_PUBSUB_TOPIC, Chat
from workflow.waku.message import WakuMessage
from workflow.waku.refusal import Refusal

BOTH = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)


@pytest.fixture
def waku(monkeypatch: pytest.MonkeyPatch) -> Waku:
    monkeypatch.setattr(Chat, "of", chat_of)
    return Waku()


async def opened(waku: Waku, inbox: Inbox, *nodes: WakuNode | str) -> WakuMessaging:
    messaging = waku.adapter(*nodes)
    await messaging.open(inbox)
    await messaging.subscribe(CHANNEL)
    return messaging


@BOTH
async def test_a_message_comes_in_its_envelope(waku: Waku, dialect: Dialect) -> None:
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, inbox, node)
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
    messaging = await opened(waku, inbox, waku.node(dialect))
    waku.say(b"on the other", topic=NON_PROTECTED_PUBSUB_TOPIC)
    await waku.clock.advance(1)
    assert inbox.payloads == [b"on the other"]
    await messaging.close()


@BOTH
async def test_who_it_is_and_how_it_is_told(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect)
    messaging = waku.adapter(node.url.replace("//", "//me:secret@"))
    assert not messaging.standing
    with logged() as lines:
        await messaging.open(Inbox())
        await waku.clock.advance(1)
        (standing,) = messaging.standing
        assert (standing.address, standing.answers) == (node.url, True)
        assert standing.dialect.value == dialect.value
        assert standing.version.startswith("v0.")
        assert standing.health == ("READY" if dialect is Dialect.NWAKU else "")
        node.faults.is_unready = True
        await waku.clock.advance(following.HEALTH_EVERY + 1)
        assert messaging.standing[0].health == ("NOT_READY" if dialect is Dialect.NWAKU else "")
    assert sum("answers" in line for line in lines) == 1
    assert "secret" not in "".join(lines) + repr(messaging)
    assert all(
        request.headers["Authorization"] == "Basic bWU6c2VjcmV0" for request in waku.requests
    )
    assert not any("secret" in str(request.url) for request in waku.requests)
    await messaging.close()


@BOTH
async def test_a_node_that_forgets_subscriptions_is_told_again(
    waku: Waku, dialect: Dialect
) -> None:
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, inbox, node)
    node.forget_subscriptions()
    await waku.clock.advance(1)
    waku.say(b"after that")
    await waku.clock.advance(1)
    assert inbox.payloads == [b"after that"]
    await messaging.close()


@BOTH
async def test_a_node_that_was_away_is_followed_again_and_logged_once(
    waku: Waku, dialect: Dialect
) -> None:
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, inbox, node)
    with logged("WARNING") as warnings:
        node.faults.is_down = True
        await waku.clock.advance(600)
        (standing,) = messaging.standing
        assert standing.answers is False
        assert standing.since < waku.clock.now() - 500
        assert "ConnectError" in standing.trouble
        waku.say(b"never heard")
        node.faults.is_down = False
        node.restart()
        await waku.clock.advance(following.LONGEST_PAUSE)
    assert len(warnings) == 1
    assert "See that the node runs" in warnings[0]
    assert messaging.standing[0].answers is True
    waku.say(b"heard again")
    await waku.clock.advance(1)
    assert inbox.payloads == [b"heard again"]
    await messaging.close()


async def test_opening_needs_no_node(waku: Waku) -> None:
    inbox, node = Inbox(), waku.node()
    node.faults.is_down = True
    messaging = await opened(waku, inbox, node, "http://nobody-is-here")
    assert [standing.answers for standing in messaging.standing] == [False, False]
    with pytest.raises(MessagingError, match="nobody-is-here"):
        await messaging.publish(CHANNEL, b"nobody listens")
    node.faults.is_down = False
    await waku.clock.advance(following.LONGEST_PAUSE)
    waku.say(b"here at last")
    await waku.clock.advance(1)
    assert inbox.payloads == [b"here at last"]
    await messaging.close()


async def test_opening_does_not_wait_for_a_node_that_hangs(waku: Waku) -> None:
    node = waku.node()
    node.faults.delay = 3600.0
    messaging = waku.adapter(node)
    opening = asyncio.create_task(messaging.open(Inbox()))
    await waku.clock.advance(following.OPEN_WITHIN - 1)
    assert not opening.done()
    await waku.clock.advance(1)
    assert opening.done()
    await waku.clock.advance(2 * node_module.ANSWER_WITHIN)
    assert "no answer within" in messaging.standing[0].trouble
    closing = asyncio.create_task(messaging.close())
    await waku.clock.advance(node_module.LEAVE_WITHIN)
    assert closing.done()
    await opening


async def test_whoever_stops_opening_has_not_opened(waku: Waku) -> None:
    node = waku.node()
    node.faults.delay = 3600.0
    messaging = waku.adapter(node)
    opening = asyncio.create_task(messaging.open(Inbox()))
    await waku.clock.advance(1)
    opening.cancel()
    await asyncio.wait([opening])
    assert messaging.standing == ()


async def test_what_is_open_is_not_opened_again(waku: Waku) -> None:
    messaging = await opened(waku, Inbox(), waku.node())
    with pytest.raises(MessagingError, match="already"):
        await messaging.open(Inbox())
    await messaging.close()


async def test_a_node_that_hangs_holds_up_no_other(waku: Waku) -> None:
    inbox, slow, quick = Inbox(), waku.node(), waku.node(Dialect.NWAKU)
    messaging = await opened(waku, inbox, slow, quick)
    slow.faults.delay = 3600.0
    await waku.clock.advance(2)
    waku.say(b"by way of the other")
    await waku.clock.advance(2)
    assert inbox.payloads == [b"by way of the other"]
    slow.faults.delay = 0.0
    await waku.clock.advance(2 * node_module.ANSWER_WITHIN)
    await messaging.close()


async def test_nodes_bring_the_same_message_once(waku: Waku) -> None:
    inbox = Inbox()
    nodes = [waku.node(Dialect.GO_WAKU), waku.node(Dialect.NWAKU), waku.node(Dialect.GO_WAKU)]
    for node in nodes:
        node.faults.repeats = 2
    messaging = await opened(waku, inbox, *nodes)
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
    one, other = await opened(waku, mine, node), await opened(waku, theirs, node)
    for number in range(10):
        waku.say(b"%d" % number)
        await waku.clock.advance(1)
    assert not set(mine.payloads) & set(theirs.payloads)
    assert len(mine.messages) < 10
    assert await recall(one, since) == [b"%d" % number for number in range(10)]
    await one.close()
    await other.close()


async def test_half_and_cut_answers_lose_only_what_was_in_them(waku: Waku) -> None:
    inbox, node = Inbox(), waku.node()
    since = waku.clock.now()
    messaging = await opened(waku, inbox, node)
    await waku.clock.advance(0.5)
    for fault in ("short", "cut", "failing"):
        waku.say(fault.encode())
        setattr(node.faults, fault, 1)
        await waku.clock.advance(2)
    waku.say(b"and whole")
    await waku.clock.advance(2)
    assert b"and whole" in inbox.payloads
    assert b"short" not in inbox.payloads
    assert b"cut" not in inbox.payloads
    expected = [b"short", b"cut", b"failing", b"and whole"]
    assert await recall(messaging, since) == expected
    assert messaging.standing[0].answers is True
    await messaging.close()


@pytest.mark.parametrize("lie", [Lie.WRONG_TYPES, Lie.NO_JSON, Lie.HUGE, Lie.OTHER_TOPIC])
@BOTH
async def test_a_rogue_node_delivers_nothing_and_the_next_is_followed(
    waku: Waku, dialect: Dialect, lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "MAX_ANSWER", 100_000)
    inbox, rogue, honest = Inbox(), waku.node(dialect), waku.node(dialect)
    rogue.faults.huge = 1_000_000
    messaging = await opened(waku, inbox, rogue, honest)
    rogue.faults.lie = lie
    for number in range(3):
        waku.say(b"%d" % number)
        await waku.clock.advance(5)
    assert sorted(inbox.payloads) == [b"0", b"1", b"2"]
    await messaging.close()


async def test_a_server_that_is_no_node_is_none(waku: Waku) -> None:
    node = waku.node()
    messaging = waku.adapter(node.url + "/some/other/place")
    await messaging.open(Inbox())
    (standing,) = messaging.standing
    assert standing.answers is False
    assert "404" in standing.trouble
    await messaging.close()


async def test_what_cannot_be_opened_is_counted_once_and_never_logged(waku: Waku) -> None:
    inbox, nodes = Inbox(), [waku.node(), waku.node()]
    with logged("DEBUG") as lines:
        messaging = await opened(waku, inbox, *nodes)
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
    messaging = await opened(waku, inbox, waku.node())
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
    inbox, node = Inbox(), waku.node(dialect)
    messaging = await opened(waku, inbox, node)
    for number in range(60):
        waku.say(b"%d" % number)
    polls = len(waku.asked("GET", "/relay"))
    await waku.clock.advance(1)
    # A second of time is one round; a full one is followed by another at once.
    assert len(waku.asked("GET", "/relay")) - polls >= 3
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


@BOTH
async def test_go_waku_is_left_and_nwaku_goes_on_storing(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect)
    messaging = await opened(waku, Inbox(), node)
    await waku.clock.advance(1)
    await messaging.close()
    left = waku.asked("DELETE")
    if dialect is Dialect.GO_WAKU:
        # An unread queue would block the node for everybody.
        assert [json.loads(request.content) for request in left] == [
            ["/waku/2/rs/16/32", "/waku/2/rs/16/64"]
        ]
    else:
        assert left == []
    for number in range(4000):
        message = WakuMessage(b"%d" % number, "/a/1/b/c", 1, int(waku.clock.now() * 1e9))
        waku.network.publish("/waku/2/rs/16/32", message)
    assert len(node.memory) == 4000
    # The node does not answer the goodbye: that changes nothing.
    await messaging.open(Inbox())
    node.faults.is_down = True
    await messaging.close()


@BOTH
async def test_a_node_that_became_another_is_known_as_that(waku: Waku, dialect: Dialect) -> None:
    inbox, node = Inbox(), waku.node(dialect)
    other = Dialect.NWAKU if dialect is Dialect.GO_WAKU else Dialect.GO_WAKU
    messaging = await opened(waku, inbox, node)
    since = waku.clock.now()
    waku.say(b"before")
    await waku.clock.advance(2)
    assert await recall(messaging, since) == [b"before"]
    node.faults.is_down = True
    await waku.clock.advance(10)
    node.dialect = other
    node.restart()
    node.faults.is_down = False
    await waku.clock.advance(30)
    assert messaging.standing[0].dialect.value == other.value
    waku.say(b"after")
    await waku.clock.advance(2)
    assert inbox.payloads == [b"before", b"after"]
    assert await recall(messaging, since) == [b"before", b"after"]
    await messaging.close()


async def test_chats_that_share_a_topic_are_told_apart(waku: Waku) -> None:
    # Two names whose Keccak-256 begin with the same four bytes are not at hand, so one chat's key
    # is used under the other's topic: it is what a reader sees of such a pair.
    inbox = Inbox()
    messaging = await opened(waku, inbox, waku.node())
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
