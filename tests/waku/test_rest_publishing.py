from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from tests.waku.nodes.faults import Lie
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.rest import CHANNEL, COMMUNITY, Inbox, Waku, chat_of, logged
from workflow.adapters.messaging.waku import node as node_module
from workflow.archive.envelope import open_envelope, seal
from workflow.archive.pb.application_metadata_message_pb2 import ApplicationMetadataMessage
from workflow.errors import MessageTooLongError, MessagingError
from workflow.waku.chats import Chat, links_chat_id
from workflow.waku.sealing import wrap

T = TypeVar("T")
BOTH = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
LOOKS = (1.0, 3.0, 6.0, 10.0)
LINK = ApplicationMetadataMessage.COMMUNITY_MESSAGE_ARCHIVE_MAGNETLINK


@pytest.fixture
def waku(monkeypatch: pytest.MonkeyPatch) -> Waku:
    monkeypatch.setattr(Chat, "of", chat_of)
    waku = Waku()
    waku.poll_every = 20.0  # What is delivered is not what this is about.
    return waku


async def done(waku: Waku, work: Coroutine[Any, Any, T], within: float) -> T:
    task = asyncio.ensure_future(work)
    await waku.clock.advance(within)
    assert task.done()
    return task.result()


def kept(node: WakuNode) -> list[bytes]:
    return [kept.hash for kept in node.memory.messages()]


@BOTH
async def test_what_is_sent_is_where_a_store_keeps_it(waku: Waku, dialect: Dialect) -> None:
    node, elsewhere = waku.node(dialect), waku.node(Dialect.NWAKU)
    messaging = waku.adapter(node, confirm_after=LOOKS)
    await messaging.open(Inbox())
    await done(waku, messaging.publish(CHANNEL, b"a line"), LOOKS[0])
    (message,) = [kept.message for kept in elsewhere.memory.messages()]
    assert len(waku.asked("POST", "/relay/v1/messages/%2Fwaku%2F2%2Frs%2F16%2F32")) == 1
    assert (message.version, message.meta, message.ephemeral) == (
        1,
        None,
        False,
    ) or message.meta == b""
    assert message.timestamp == int(waku.clock.now() - 1) * 10**9
    await messaging.close()


@BOTH
async def test_links_are_wrapped_and_all_else_goes_as_it_is(waku: Waku, dialect: Dialect) -> None:
    inbox, links = Inbox(), links_chat_id(COMMUNITY)
    messaging = waku.adapter(waku.node(dialect))
    await messaging.open(inbox)
    signer = waku._keys.create()
    signed = seal(b"payload", LINK, lambda digest: waku._keys.sign(signer, digest))
    for channel in (links, COMMUNITY, CHANNEL):
        await messaging.subscribe(channel)
        await messaging.publish(channel, signed)
    await waku.clock.advance(waku.poll_every)
    came = {message.channel: message.payload for message in inbox.messages}
    assert came[COMMUNITY] == came[CHANNEL] == signed
    assert came[links] != signed
    assert open_envelope(came[links], LINK, "link").message == signed
    installation = messaging._installation
    assert came[links] == wrap(signed, installation)
    await messaging.close()


async def test_each_run_has_an_account_of_its_own(waku: Waku) -> None:
    inbox, nodes = Inbox(), [waku.node(), waku.node()]
    adapters = [waku.adapter(node) for node in nodes]
    for adapter in adapters:
        await adapter.open(inbox if adapter is adapters[0] else Inbox())
        await adapter.subscribe(CHANNEL)
    for adapter in (*adapters, *adapters):
        await adapter.publish(CHANNEL, b"the same")
    await waku.clock.advance(waku.poll_every)
    senders = [message.envelope and message.envelope.sender for message in inbox.messages]
    assert len(senders) == 4
    assert len(set(senders)) == 2
    for adapter in adapters:
        await adapter.close()


@BOTH
async def test_what_a_node_swallows_goes_by_way_of_the_next(waku: Waku, dialect: Dialect) -> None:
    swallowing, honest = waku.node(dialect), waku.node(dialect)
    swallowing.faults.swallows = True
    messaging = waku.adapter(swallowing, honest, confirm_after=LOOKS)
    await messaging.open(Inbox())
    await done(waku, messaging.publish(CHANNEL, b"a line"), LOOKS[-1] + LOOKS[0])
    assert len(kept(honest)) == 1
    await messaging.close()


@BOTH
async def test_what_no_store_has_in_the_end_was_not_sent(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect)
    node.faults.swallows = True
    messaging = waku.adapter(node, confirm_after=LOOKS)
    await messaging.open(Inbox())
    with pytest.raises(MessagingError, match="sent 3 times") as raised:
        await done(waku, messaging.publish(CHANNEL, b"a line"), 3 * LOOKS[-1])
    assert node.url in str(raised.value)
    sent = [json.loads(request.content) for request in waku.asked("POST", "/messages")]
    assert len({message["payload"] for message in sent}) == 3
    assert [b["timestamp"] - a["timestamp"] for a, b in pairwise(sent)] == [10 * 10**9] * 2
    await messaging.close()


async def test_a_store_that_comes_to_itself_is_asked_again(waku: Waku) -> None:
    node = waku.node(Dialect.NWAKU)
    node.faults.is_store_down = True
    messaging = waku.adapter(node, confirm_after=LOOKS)
    await messaging.open(Inbox())
    publishing = asyncio.create_task(messaging.publish(CHANNEL, b"a line"))
    await waku.clock.advance(4)
    node.faults.is_store_down = False
    await waku.clock.advance(2)
    assert publishing.done()
    with logged("WARNING") as warnings:
        await publishing
    assert not warnings
    assert len(kept(node)) == 1
    await messaging.close()


@BOTH
async def test_without_a_store_being_taken_has_to_do(waku: Waku, dialect: Dialect) -> None:
    node = waku.node(dialect, has_store=False)
    messaging = waku.adapter(node, confirm_after=LOOKS)
    await messaging.open(Inbox())
    with logged("WARNING") as warnings:
        for _ in range(3):
            await done(waku, messaging.publish(CHANNEL, b"a line"), LOOKS[-1])
        assert len(warnings) == 1
        assert "no store can tell" in warnings[0]
        # Said again once it was otherwise in between.
        node.has_store = True
        await done(waku, messaging.publish(CHANNEL, b"a line"), LOOKS[-1])
        node.has_store = False
        await done(waku, messaging.publish(CHANNEL, b"a line"), LOOKS[-1])
        assert len(warnings) == 2
    assert len(waku.asked("POST", "/messages")) == 5
    await messaging.close()


async def test_nobody_looks_when_nobody_is_told_to(waku: Waku) -> None:
    node = waku.node()
    node.faults.swallows = True
    messaging = waku.adapter(node, confirm_after=())
    await messaging.open(Inbox())
    with logged("WARNING") as warnings:
        await messaging.publish(CHANNEL, b"a line")
    assert not warnings
    assert not waku.asked("GET", "/store")
    await messaging.close()


@pytest.mark.parametrize("fault", ["is_down", "is_apart", "delay"])
@BOTH
async def test_nodes_are_fall_backs_for_each_other(
    waku: Waku, dialect: Dialect, fault: str
) -> None:
    bad, good = waku.node(Dialect.GO_WAKU), waku.node(dialect)
    messaging = waku.adapter(bad, good, confirm_after=LOOKS)
    await messaging.open(Inbox())
    setattr(bad.faults, fault, 60.0 if fault == "delay" else True)
    await done(
        waku, messaging.publish(CHANNEL, b"a line"), 3 * node_module.ANSWER_WITHIN + LOOKS[-1]
    )
    assert len(kept(good)) == 1
    bad.faults.delay = 0.0
    await waku.clock.advance(60)
    await messaging.close()


@BOTH
async def test_a_node_that_was_restarted_takes_the_message_all_the_same(
    waku: Waku, dialect: Dialect
) -> None:
    node = waku.node(dialect, topics=())
    messaging = waku.adapter(node)
    await messaging.open(Inbox())
    node.restart()  # It relays none of our topics now, and refuses until we subscribe.
    await messaging.publish(CHANNEL, b"a line")
    assert len(kept(node)) == 1
    await messaging.close()


async def test_what_every_node_refuses_is_told_with_every_reason(waku: Waku) -> None:
    nodes = [waku.node(Dialect.GO_WAKU), waku.node(Dialect.NWAKU)]
    messaging = waku.adapter(*nodes, limit=1_000_000)
    await messaging.open(Inbox())
    with pytest.raises(MessagingError) as raised:
        await messaging.publish(CHANNEL, bytes(200_000))
    for node in nodes:
        assert node.url in str(raised.value)
    assert "Message size exceeded" in str(raised.value)
    await messaging.close()


async def test_what_is_too_long_is_not_sent(waku: Waku) -> None:
    messaging = waku.adapter(waku.node())
    await messaging.open(Inbox())
    for length in (149_900, 150_001, 20_000_000):
        with pytest.raises(MessageTooLongError):
            await messaging.publish(CHANNEL, bytes(length))
    assert not waku.asked("POST", "/messages")
    await messaging.close()


async def test_a_store_that_lies_confirms_nothing(waku: Waku) -> None:
    node = waku.node()
    node.faults.lie = Lie.OTHER_TOPIC
    messaging = waku.adapter(node)
    await messaging.open(Inbox())
    with pytest.raises(MessagingError, match="no store has it"):
        await messaging.publish(CHANNEL, b"a line")
    node.faults.lie = Lie.OTHER_HASH  # The hash is computed here.
    await messaging.publish(CHANNEL, b"a line")
    await messaging.close()


async def test_closing_ends_a_publish_that_waits(waku: Waku) -> None:
    node = waku.node()
    messaging = waku.adapter(node, confirm_after=LOOKS)
    await messaging.open(Inbox())
    node.faults.swallows = True
    publishing = asyncio.create_task(messaging.publish(CHANNEL, b"a line"))
    await waku.clock.advance(0.5)
    await messaging.close()
    await waku.clock.advance(40)
    with pytest.raises(MessagingError):
        await publishing
