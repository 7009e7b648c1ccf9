from __future__ import annotations

import asyncio
import json

import pytest

from tests.waku.nodes.faults import Lie
from tests.waku.nodes.node import Dialect
from tests.waku.rest import BOTH, CHANNEL, Inbox, Waku, logged, opened, recall
from workflow.adapters.messaging.waku import following
from workflow.adapters.messaging.waku import node as node_module
from workflow.errors import MessagingError
from workflow.waku.message import WakuMessage


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
    messaging = await opened(waku, node, inbox=inbox)
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
    messaging = await opened(waku, node, inbox=inbox)
    with logged("WARNING") as warnings:
        node.faults.is_down = True
        before = len(waku.requests)
        await waku.clock.advance(600)
        # At once, after 1, 2, 4, 8, 16 s, and then every 30 s.
        assert 20 < len(waku.requests) - before < 30
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
    messaging = await opened(waku, node, "http://nobody-is-here", inbox=inbox)
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
    messaging = await opened(waku, waku.node(), inbox=Inbox())
    with pytest.raises(MessagingError, match="already"):
        await messaging.open(Inbox())
    await messaging.close()


async def test_a_node_that_hangs_holds_up_no_other(waku: Waku) -> None:
    inbox, slow, quick = Inbox(), waku.node(), waku.node(Dialect.NWAKU)
    messaging = await opened(waku, slow, quick, inbox=inbox)
    slow.faults.delay = 3600.0
    await waku.clock.advance(2)
    waku.say(b"by way of the other")
    await waku.clock.advance(2)
    assert inbox.payloads == [b"by way of the other"]
    slow.faults.delay = 0.0
    await waku.clock.advance(2 * node_module.ANSWER_WITHIN)
    await messaging.close()


async def test_half_and_cut_answers_lose_only_what_was_in_them(waku: Waku) -> None:
    inbox, node = Inbox(), waku.node()
    since = waku.clock.now()
    messaging = await opened(waku, node, inbox=inbox)
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
    messaging = await opened(waku, rogue, honest, inbox=inbox)
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


@BOTH
async def test_go_waku_is_left_and_nwaku_goes_on_storing(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect)
    messaging = await opened(waku, node, inbox=Inbox())
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
    messaging = await opened(waku, node, inbox=inbox)
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
