from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.waku.nodes.faults import Lie
from tests.waku.nodes.node import Dialect
from tests.waku.rest import (
    BOTH,
    CHANNEL,
    COMMUNITY,
    Waku,
    opened,
    patiently,
    recall,
    scripted,
)
from workflow.adapters.messaging.waku import dialects, recalling
from workflow.adapters.messaging.waku import node as node_module
from workflow.errors import MessagingError
from workflow.ports.messaging import RETENTION, Received
from workflow.waku.chats import NON_PROTECTED_PUBSUB_TOPIC

DAY = 86_400.0

pytestmark = pytest.mark.usefixtures("small_pages")


@BOTH
async def test_all_pages_come_in_the_order_of_time(waku: Waku, dialect: Dialect) -> None:
    start, node = waku.clock.now(), waku.node(dialect)
    channels = [CHANNEL, COMMUNITY]
    expected = []
    for number in range(45):
        topic = NON_PROTECTED_PUBSUB_TOPIC if number % 7 == 0 else "/waku/2/rs/16/32"
        waku.say(b"%d" % number, channels[number % 2], at=start + number / 10, topic=topic)
        expected.append(b"%d" % number)
    await waku.clock.advance(5)
    messaging = await opened(waku, node)
    pages = [page async for page in messaging.recalled(channels, start)]
    assert len(pages) > 3
    for earlier, later in pairwise(pages):
        assert earlier[-1].at <= later[0].at
    assert [message.payload for page in pages for message in page] == expected
    assert {message.channel for page in pages for message in page} == set(channels)
    assert [message.payload async for message in messaging.stored(CHANNEL, start + 4.0)] == [
        payload for payload in expected[40:] if int(payload) % 2 == 0
    ]
    await messaging.close()


@BOTH
async def test_whoever_stops_anywhere_goes_on_from_there(waku: Waku, dialect: Dialect) -> None:
    start, nodes = waku.clock.now(), [waku.node(dialect), waku.node(dialect)]
    for number in range(60):
        nodes[number % 2].faults.is_apart = number % 3 == 0
        # Many of one moment, so that pages end in the middle of it.
        waku.say(b"%d" % number, at=start + number // 15)
    messaging = await opened(waku, *nodes)
    had: list[Received] = []
    since = start
    while True:
        async for page in messaging.recalled([CHANNEL], since):
            new = [message for message in page if message not in had]
            if new:
                break
        else:
            break
        had += new
        since = page[-1].at
    assert {message.payload for message in had} == {b"%d" % number for number in range(60)}
    await messaging.close()


async def test_more_topics_than_one_question_takes_keep_the_order(waku: Waku) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.NWAKU)
    channels = [f"{COMMUNITY}{number:04x}" for number in range(12)]
    for number in range(60):
        waku.say(b"%d" % number, channels[number * 7 % 12], at=start + number / 5)
    await waku.clock.advance(5)
    messaging = await opened(waku, node)
    assert await recall(messaging, start, *channels, channels[0]) == [
        b"%d" % number for number in range(60)
    ]
    asked = [request.url.params["contentTopics"] for request in waku.asked("GET", "/store")]
    assert max(topics.count(",") + 1 for topics in asked) == dialects.MAX_CONTENT_TOPICS
    await messaging.close()


@BOTH
async def test_nodes_complete_each_other(waku: Waku, dialect: Dialect) -> None:
    start = waku.clock.now()
    nodes = [waku.node(dialect), waku.node(Dialect.GO_WAKU), waku.node(Dialect.NWAKU)]
    for number in range(30):
        for index, node in enumerate(nodes):
            node.faults.is_apart = number % 3 != index and number % 5 != 0
        waku.say(b"%d" % number, at=start + number / 10)
    messaging = await opened(waku, *nodes)
    assert await recall(messaging, start) == [b"%d" % number for number in range(30)]
    await messaging.close()


@pytest.mark.parametrize("fault", ["is_down", "is_store_down", "delay", "lie"])
@BOTH
async def test_one_node_that_answers_is_enough(waku: Waku, dialect: Dialect, fault: str) -> None:
    waku.poll_every = 1.0
    start, good, bad = waku.clock.now(), waku.node(dialect), waku.node(dialect)
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 10)
    messaging = await opened(waku, bad, good)
    await waku.clock.advance(2)
    value = {"delay": 3600.0, "lie": Lie.NO_JSON}.get(fault, True)
    setattr(bad.faults, fault, value)
    asked_at = waku.clock.now()
    assert await patiently(waku, messaging, start) == [b"%d" % number for number in range(25)]
    # Who is known to be silent is not asked again and again.
    assert waku.clock.now() - asked_at < 4 * node_module.ANSWER_WITHIN
    bad.faults.delay = 0.0
    await waku.clock.advance(60)
    await messaging.close()


@BOTH
async def test_pages_until_a_failure_hold(waku: Waku, dialect: Dialect) -> None:
    start, node = waku.clock.now(), waku.node(dialect)
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 10)
    messaging = await opened(waku, node)
    pages = messaging.recalled([CHANNEL], start)
    first = await anext(pages)
    assert [message.payload for message in first] == [b"%d" % number for number in range(10)]
    node.faults.is_store_down = True
    last = asyncio.ensure_future(anext(pages))
    await waku.clock.advance(sum(recalling.ASK_AGAIN_AFTER))
    with pytest.raises(MessagingError, match="not known completely") as raised:
        await last
    assert node.url in str(raised.value)
    await messaging.close()


@pytest.mark.parametrize("fault", ["limited", "failing", "short", "cut"])
@BOTH
async def test_what_passes_is_asked_again(waku: Waku, dialect: Dialect, fault: str) -> None:
    start, node = waku.clock.now(), waku.node(dialect)
    messaging = await opened(waku, node)
    await waku.clock.advance(0.5)
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 100)
    setattr(node.faults, fault, 3)
    assert await patiently(waku, messaging, start) == [b"%d" % number for number in range(25)]
    await messaging.close()


async def test_a_node_that_passes_on_store_questions_is_asked_as_it_likes(waku: Waku) -> None:
    """go-waku has the older store itself, and the newer one when it knows a node that has it."""
    start, nwaku = waku.clock.now(), waku.node(Dialect.NWAKU)
    node = waku.node(Dialect.GO_WAKU, has_store=False, store_peer=nwaku)
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 100)
    messaging = await opened(waku, node)
    assert await recall(messaging, start) == [b"%d" % number for number in range(25)]
    assert not waku.asked("GET", "/store/v1")
    await messaging.close()


async def test_which_store_a_node_has_is_remembered(waku: Waku) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.GO_WAKU)
    waku.say(b"one")
    messaging = await opened(waku, node)
    for _ in range(3):
        assert await recall(messaging, start) == [b"one"]
    # One question for each pubsub topic, and both at once the first time.
    assert len(waku.asked("GET", "/store/v3")) == 2
    assert len(waku.asked("GET", "/store/v1")) == 6
    await messaging.close()


async def test_which_store_a_node_has_is_found_out_anew_when_it_was_away(waku: Waku) -> None:
    start, nwaku = waku.clock.now(), waku.node(Dialect.NWAKU)
    node = waku.node(Dialect.GO_WAKU, store_peer=nwaku)
    waku.say(b"one")
    nwaku.faults.is_down = True
    messaging = await opened(waku, node)
    assert await recall(messaging, start) == [b"one"]
    node.faults.is_down = True
    await waku.clock.advance(100)
    nwaku.faults.is_down = node.faults.is_down = False
    await waku.clock.advance(60)
    waku.requests.clear()
    assert await recall(messaging, start) == [b"one"]
    assert len(waku.asked("GET", "/store/v3")) == 2
    assert not waku.asked("GET", "/store/v1")
    await messaging.close()


async def test_a_store_that_is_missing_for_good_is_not_asked_for_again(waku: Waku) -> None:
    messaging = await scripted(waku, None)
    began = waku.clock.now()
    with pytest.raises(MessagingError, match="404"):
        await recall(messaging, began)
    assert waku.clock.now() == began
    await messaging.close()


@BOTH
async def test_a_node_without_store_says_so(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect, has_store=False)
    messaging = await opened(waku, node)
    with pytest.raises(MessagingError, match="not known completely") as raised:
        await patiently(waku, messaging, waku.clock.now())
    assert "has a store" in raised.value.advice
    await messaging.close()


async def test_an_empty_memory_and_no_channels_are_answers(waku: Waku) -> None:
    messaging = await opened(waku, waku.node())
    assert await recall(messaging, 0.0) == []
    assert [page async for page in messaging.recalled([], 0.0)] == []
    await messaging.close()


async def test_nobody_is_asked_for_more_than_the_network_remembers(waku: Waku) -> None:
    messaging = await opened(waku, waku.node())
    await recall(messaging, 0.0)
    starts = {int(r.url.params["startTime"]) for r in waku.asked("GET", "/store")}
    assert starts == {int(waku.clock.now() - RETENTION) * 10**9 - 1_000}
    await messaging.close()


async def test_what_is_a_little_earlier_is_left_out(waku: Waku) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.GO_WAKU)
    for earlier in (500, 0):
        timestamp = int(start) * 10**9 - earlier
        message = replace(waku.sealed(b"%d" % earlier), timestamp=timestamp)
        waku.network.publish("/waku/2/rs/16/32", message)
    messaging = await opened(waku, node)
    assert await recall(messaging, start) == [b"0"]
    await messaging.close()


async def test_what_has_no_time_or_one_far_ahead_is_left_out(waku: Waku) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.GO_WAKU)
    for number in range(15):
        untimed = replace(waku.sealed(b"%d" % number), timestamp=None)
        waku.network.publish("/waku/2/rs/16/32", untimed)
    waku.say(b"of tomorrow", at=start + DAY)
    waku.say(b"of now")
    messaging = await opened(waku, node)
    assert await recall(messaging, start) == [b"of now"]
    await messaging.close()
