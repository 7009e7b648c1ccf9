from __future__ import annotations

import asyncio

import pytest

from tests.waku.nodes.faults import Lie
from tests.waku.nodes.node import Dialect
from tests.waku.rest import (
    BOTH,
    CHANNEL,
    Waku,
    item,
    opened,
    patiently,
    recall,
    scripted,
)
from workflow.adapters.messaging.waku import node as node_module
from workflow.adapters.messaging.waku import recalling
from workflow.errors import MessagingError

DAY = 86_400.0

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.mark.parametrize(
    "lie", [Lie.SAME_CURSOR, Lie.REFUSED_INSIDE, Lie.WRONG_SHAPE, Lie.NO_JSON, Lie.HUGE]
)
@BOTH
async def test_a_rogue_store_is_an_error(
    waku: Waku, dialect: Dialect, lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "MAX_ANSWER", 1_000_000)
    start, node = waku.clock.now(), waku.node(dialect)
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 10)
    messaging = await opened(waku, node)
    node.faults.lie, node.faults.huge = lie, 1_000_001
    with pytest.raises(MessagingError) as raised:
        await patiently(waku, messaging, start)
    assert node.url in str(raised.value)
    node.faults.lie = None
    await messaging.close()


@pytest.mark.parametrize("lie", [Lie.OTHER_TOPIC, Lie.WRONG_TYPES])
async def test_what_does_not_belong_to_the_question_is_left_out(waku: Waku, lie: Lie) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.NWAKU)
    waku.say(b"one")
    messaging = await opened(waku, node)
    node.faults.lie = lie
    assert await recall(messaging, start) == []
    node.faults.lie = Lie.OTHER_HASH  # Computed here: what is said of it means nothing.
    assert await recall(messaging, start) == [b"one"]
    await messaging.close()


async def test_pages_in_no_order_are_an_error(waku: Waku) -> None:
    start = waku.clock.now()
    pages: dict[str | None, dict[str, object]] = {
        None: {"messages": [item(waku, b"1", start + 1)], "paginationCursor": "0x01"},
        "0x01": {"messages": [item(waku, b"0", start)]},
    }
    messaging = await scripted(waku, lambda request: pages[request.url.params.get("cursor")])
    with pytest.raises(MessagingError, match="order of time"):
        await recall(messaging, start)
    await messaging.close()


async def test_within_a_page_any_order_will_do_and_repeats_are_one(waku: Waku) -> None:
    start = waku.clock.now()
    later, early = item(waku, b"1", start + 1), item(waku, b"0", start)
    pages: dict[str | None, dict[str, object]] = {
        None: {"messages": [later, early, later], "paginationCursor": "0x01"},
        "0x01": {"messages": [later, item(waku, b"2", start + 1)]},
    }
    messaging = await scripted(waku, lambda request: pages[request.url.params.get("cursor")])
    assert await recall(messaging, start) == [b"0", b"1", b"2"]
    await messaging.close()


async def test_pages_that_go_in_a_circle_are_an_error(waku: Waku) -> None:
    messaging = await scripted(waku, lambda _: {"paginationCursor": "0x01"})
    with pytest.raises(MessagingError, match="in a circle"):
        await recall(messaging, waku.clock.now())
    await messaging.close()


@pytest.mark.parametrize("count", [0, 1])
async def test_pages_without_end_and_content_end(
    waku: Waku, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalling, "IDLE_PAGES", 20)
    told = item(waku, b"again", waku.clock.now())["message"]
    numbers, repeated = iter(range(200)), [{"message": told}] * count
    messaging = await scripted(
        waku,
        lambda _: {"messages": repeated, "paginationCursor": f"0x{next(numbers):064x}"},
    )
    with pytest.raises(MessagingError, match="nothing on them"):
        await recall(messaging, waku.clock.now())
    await messaging.close()


async def test_pages_that_are_too_long_are_asked_for_in_parts(
    waku: Waku, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, node = waku.clock.now(), waku.node(Dialect.NWAKU)
    for number in range(16):
        waku.say(b"%d" % number + bytes(20_000), at=start + number / 10)
    messaging = await opened(waku, node)
    monkeypatch.setattr(node_module, "MAX_ANSWER", 200_000)
    payloads = await recall(messaging, start)
    assert [payload.rstrip(b"\0") or b"0" for payload in payloads] == [
        (b"%d" % number).rstrip(b"\0") for number in range(16)
    ]
    monkeypatch.setattr(node_module, "MAX_ANSWER", 20_000)
    with pytest.raises(MessagingError, match="longer than"):
        await patiently(waku, messaging, start)
    monkeypatch.undo()
    await messaging.close()


async def test_closing_ends_a_question(waku: Waku) -> None:
    start, node = waku.clock.now(), waku.node()
    for number in range(25):
        waku.say(b"%d" % number, at=start + number / 10)
    messaging = await opened(waku, node)
    pages = messaging.recalled([CHANNEL], start)
    await anext(pages)
    await messaging.close()
    rest = asyncio.ensure_future(anext(pages))
    await waku.clock.advance(sum(recalling.ASK_AGAIN_AFTER))
    with pytest.raises(MessagingError, match="disconnected"):
        await rest
