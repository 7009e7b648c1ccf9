"""What a test can do to a node, and what a client sees of it."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.waku.nodes.asking import (
    GO_JSON,
    NOW,
    OLDER_STORE,
    STORE,
    SUBSCRIPTIONS,
    TOPIC,
    is_nwaku,
    message,
    messages_at,
    polled,
    said,
    told,
)
from tests.waku.nodes.faults import STRANGE_TOPIC, Lie
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.samples import SHARD
from workflow.adapters.clock.manual import ManualClock
from workflow.waku.message import WakuMessage

PAGE = {"pubsubTopic": SHARD, "contentTopics": TOPIC, "includeData": "true"}


@pytest.fixture(autouse=True)
async def _subscribed(client: httpx.AsyncClient) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])


def store_of(dialect: Dialect) -> str:
    return OLDER_STORE if dialect is Dialect.GO_WAKU else STORE


# ------------------------------------------------------------------------- what becomes of messages


async def test_a_node_that_is_down_refuses_and_hears_nothing(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.is_down = True
    with pytest.raises(httpx.ConnectError):
        await client.get(messages_at())
    network.publish(SHARD, message(1))
    node.faults.is_down = False
    assert (await polled(client), len(node.memory)) == ([], 0)


async def test_nobody_is_where_no_node_is(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError):
        await client.get("http://node-9:8645/health")


async def test_every_third_message_is_dropped_and_stored(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.drop_every = 3
    for number in range(1, 8):
        network.publish(SHARD, message(number))
    assert await polled(client) == [b"1", b"2", b"4", b"5", b"7"]
    assert len(node.memory) == 7


async def test_messages_are_repeated(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.repeats = 2
    network.publish(SHARD, message(1))
    assert await polled(client) == [b"1"] * 3
    assert len(node.memory) == 1


async def test_publishes_are_swallowed(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    other = WakuNode(network, Dialect.GO_WAKU)
    node.faults.swallows = True
    assert (await client.post(messages_at(), json=said())).status_code == 200
    assert (await polled(client), len(node.memory), len(other.memory)) == ([], 0, 0)
    node.faults.swallows = False
    await client.post(messages_at(), json=said())
    assert (len(node.memory), len(other.memory)) == (1, 1)


# -------------------------------------------------------------------------------- answers that fail


async def test_an_answer_takes_its_time_and_has_done_its_work_before(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    network.publish(SHARD, message(1))
    node.faults.delay = 5.0
    answering = asyncio.create_task(polled(client))
    await clock.advance(4.9)
    assert not answering.done()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    node.faults.delay = 0.0
    assert await polled(client) == []


async def test_a_slow_node_answers_in_the_end_unless_it_goes_down(
    node: WakuNode, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    node.faults.delay = 5.0
    first = asyncio.create_task(polled(client))
    await clock.advance(5)
    assert await first == []
    second = asyncio.create_task(polled(client))
    await clock.settle()
    node.faults.is_down = True
    await clock.advance(5)
    with pytest.raises(httpx.ConnectError):
        await second


async def test_half_an_answer(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    network.publish(SHARD, message(1))
    node.faults.short = node.faults.cut = 1
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(messages_at())
    with pytest.raises(json.JSONDecodeError):
        (await client.get(messages_at())).json()
    assert await polled(client) == []


async def test_a_publish_is_relayed_and_not_answered(
    node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.unanswered = 1
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(messages_at(), json=said())
    assert await polled(client) == [b"hello"]


async def test_requests_fail_and_do_nothing(node: WakuNode, client: httpx.AsyncClient) -> None:
    node.faults.failing = 1
    answer = await client.post(messages_at(), json=said())
    kind = GO_JSON if node.dialect is Dialect.GO_WAKU else "text/plain"
    assert told(answer) == (500, kind, "")
    assert await polled(client) == []


async def test_store_queries_are_too_many(node: WakuNode, client: httpx.AsyncClient) -> None:
    node.faults.limited = 1
    assert (await client.get(messages_at())).status_code == 200
    path = store_of(node.dialect)
    statuses = [(await client.get(path, params=PAGE)).status_code for _ in range(2)]
    assert statuses == [429, 200]


async def test_go_waku_says_500_when_the_peer_it_asks_says_429(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.limited = 1
    answer = await client.get(STORE, params=PAGE)
    assert answer.status_code == (500 if node.dialect is Dialect.GO_WAKU else 429)
    assert ("429 - " in answer.text) == (node.dialect is Dialect.GO_WAKU)


async def test_the_store_is_down_and_the_relay_is_not(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.is_store_down = True
    network.publish(SHARD, message(1))
    assert (await client.get(store_of(node.dialect), params=PAGE)).status_code == 500
    assert await polled(client) == [b"1"]
    node.store_peer = WakuNode(network, Dialect.NWAKU)
    node.store_peer.faults.is_store_down = True
    assert (await client.get(STORE, params=PAGE)).status_code == 500


# --------------------------------------------------------------------------------- answers that lie


@pytest.mark.parametrize("lie", [Lie.WRONG_TYPES, Lie.WRONG_SHAPE])
async def test_answers_that_are_made_of_other_things(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient, lie: Lie
) -> None:
    network.publish(SHARD, message(1))
    truth = (await client.get(store_of(node.dialect), params=PAGE)).json()
    node.faults.lie = lie
    page = (await client.get(store_of(node.dialect), params=PAGE)).json()
    heard = (await client.get(messages_at())).json()
    if lie is Lie.WRONG_SHAPE:
        assert (type(page), type(heard)) == (list, dict)
        return
    assert (page.keys(), type(heard)) == (truth.keys(), list)
    assert heard[0]["payload"] == {"of": "MQ=="}
    assert heard[0]["timestamp"] == [NOW + 1]


async def test_answers_that_are_not_json_or_have_no_end(
    node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.lie = Lie.NO_JSON
    with pytest.raises(json.JSONDecodeError):
        (await client.get(messages_at())).json()
    node.faults.lie, node.faults.huge = Lie.HUGE, 100_000
    assert len((await client.get(messages_at())).content) == 100_000


async def test_pages_that_hold_what_nobody_asked_for(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    network.publish(SHARD, message(1))
    node.faults.lie = Lie.OTHER_TOPIC
    (found,) = (await client.get(store_of(node.dialect), params=PAGE)).json()["messages"]
    assert found.get("message", found)["contentTopic"] == STRANGE_TOPIC
    if node.dialect is Dialect.NWAKU:
        strange = WakuMessage(b"1", STRANGE_TOPIC, timestamp=NOW + 1)
        assert found["messageHash"] == f"0x{strange.hash(SHARD).hex()}"


@is_nwaku
async def test_pages_with_wrong_hashes(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    network.publish(SHARD, message(1))
    node.faults.lie = Lie.OTHER_HASH
    (found,) = (await client.get(STORE, params=PAGE)).json()["messages"]
    assert found["messageHash"] != f"0x{message(1).hash(SHARD).hex()}"


@is_nwaku
async def test_pages_that_never_end(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    node.faults.lie = Lie.SAME_CURSOR
    assert "paginationCursor" not in (await client.get(STORE, params=PAGE)).json()
    network.publish(SHARD, message(1))
    first = (await client.get(STORE, params=PAGE)).json()
    asked = {**PAGE, "cursor": first["paginationCursor"]}
    assert (await client.get(STORE, params=asked)).json() == first


async def test_pages_that_are_refused_under_the_status_200(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    network.publish(SHARD, message(1))
    node.faults.lie = Lie.REFUSED_INSIDE
    answer = await client.get(store_of(node.dialect), params=PAGE)
    page = answer.json()
    assert (answer.status_code, page["messages"]) == (200, [])
    if node.dialect is Dialect.NWAKU:
        assert page["statusCode"] == 503
    else:
        assert page["error_message"] == "503 - NO"
    assert await polled(client) == [b"1"]
