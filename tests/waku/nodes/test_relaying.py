"""How the nodes of the tests relay: an oddity each. nwaku's are from its source, untested."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import httpx
import pytest

from tests.waku.nodes.asking import (
    GO_JSON,
    GO_TEXT,
    NOW,
    OTHER_SHARD,
    SUBSCRIPTIONS,
    TOPIC,
    is_go,
    is_nwaku,
    message,
    messages_at,
    polled,
    said,
    told,
)
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from tests.waku.samples import SHARD
from workflow.waku.message import GO_WAKU_LIMIT, NWAKU_LIMIT, WakuMessage


async def test_a_poll_empties_the_queue(
    network: WakuNetwork, client: httpx.AsyncClient, dialect: Dialect
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    network.publish(SHARD, message(1))
    network.publish(OTHER_SHARD, message(2))
    assert await polled(client) == [b"1"]
    empty = (
        (200, GO_JSON, "null") if dialect is Dialect.GO_WAKU else (200, "application/json", "[]")
    )
    assert told(await client.get(messages_at())) == empty


async def test_who_publishes_hears_it_too_but_the_same_only_once(
    client: httpx.AsyncClient, dialect: Dialect
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    done = (200, GO_JSON, "true") if dialect is Dialect.GO_WAKU else (200, "text/plain", "OK")
    for _ in range(2):
        assert told(await client.post(messages_at(), json=said())) == done
    assert await polled(client) == [b"hello"]


async def test_a_message_reaches_all_that_are_up_and_on_its_topic(network: WakuNetwork) -> None:
    first, second, down, apart = (WakuNode(network, Dialect.NWAKU) for _ in range(4))
    elsewhere = WakuNode(network, Dialect.NWAKU, topics=[OTHER_SHARD])
    down.faults.is_down = apart.faults.is_apart = True
    async with httpx.AsyncClient(transport=InProcess(first), base_url=first.url) as client:
        await client.post(messages_at(), json=said())
    down.faults.is_down = apart.faults.is_apart = False
    network.publish(SHARD, message(1))
    nodes = (first, second, down, apart, elsewhere)
    assert [len(node.memory) for node in nodes] == [2, 2, 1, 1, 0]


# ------------------------------------------------------------------------------------ subscriptions


@pytest.mark.parametrize(
    ("dialect", "missing"),
    [
        (Dialect.GO_WAKU, (404, GO_TEXT, "no subscription found for pubsubTopic")),
        (Dialect.NWAKU, (404, "text/plain", "")),
    ],
)
async def test_after_a_restart_a_poll_is_404_until_somebody_subscribes(
    network: WakuNetwork, dialect: Dialect, missing: tuple[int, str, str]
) -> None:
    node = WakuNode(network, dialect, topics=[])
    async with httpx.AsyncClient(transport=InProcess(node), base_url=node.url) as client:
        for forget in (node.restart, node.restart, node.forget_subscriptions):
            forget()
            assert told(await client.get(messages_at())) == missing
            await client.post(SUBSCRIPTIONS, json=[SHARD])
            network.publish(SHARD, message(1))
            assert (await client.get(messages_at())).status_code == 200
        await client.request("DELETE", SUBSCRIPTIONS, json=[SHARD])
        assert told(await client.get(messages_at())) == missing


async def test_only_nwaku_polls_the_topics_it_is_configured_with(
    client: httpx.AsyncClient, dialect: Dialect
) -> None:
    status = (await client.get(messages_at())).status_code
    assert status == (404 if dialect is Dialect.GO_WAKU else 200)


async def test_a_restarted_node_knows_no_message_and_keeps_its_store_unless_that_is_lost(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    network.publish(SHARD, message(1))
    node.restart()
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    assert (await polled(client), len(node.memory)) == ([], 1)
    network.publish(SHARD, message(1))
    assert (await polled(client), len(node.memory)) == ([b"1"], 1)
    node.restart(loses_store=True)
    assert len(node.memory) == 0


async def test_a_topic_that_is_no_shard(client: httpx.AsyncClient, dialect: Dialect) -> None:
    answer = await client.post(SUBSCRIPTIONS, json=["foo"])
    assert answer.status_code == (200 if dialect is Dialect.GO_WAKU else 400)


async def test_unsubscribing_ends_the_store_of_nwaku_and_not_that_of_go_waku(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient, dialect: Dialect
) -> None:
    await client.request("DELETE", SUBSCRIPTIONS, json=[SHARD])
    network.publish(SHARD, message(1))
    assert len(node.memory) == (1 if dialect is Dialect.GO_WAKU else 0)
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    network.publish(SHARD, message(2))
    assert message(2).hash(SHARD) in node.memory


# ------------------------------------------------------------------------------ what waits too long


@is_nwaku
async def test_nwaku_holds_50_messages_of_all_topics_and_lets_the_oldest_go(
    network: WakuNetwork, client: httpx.AsyncClient
) -> None:
    for number in range(1, 51):
        network.publish(SHARD, message(number))
    network.publish(OTHER_SHARD, message(0))
    network.publish(OTHER_SHARD, message(99))
    assert await polled(client, OTHER_SHARD) == [b"99"]
    kept = await polled(client)
    assert sorted(kept, key=int) == [b"%d" % number for number in range(2, 51)]
    assert kept[0] == b"50"  # in no order: the last message took the place of the one that went


@is_go
async def test_go_waku_gives_1001_messages_a_poll(
    network: WakuNetwork, client: httpx.AsyncClient
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    for number in range(1500):
        network.publish(SHARD, message(number))
    assert [len(await polled(client)) for _ in range(3)] == [1001, 499, 0]


@is_go
async def test_a_subscription_nobody_polls_blocks_all_of_go_waku(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD, OTHER_SHARD])
    for number in range(3100):
        network.publish(OTHER_SHARD, message(number))
    network.publish(SHARD, message(4000))
    assert (await client.post(messages_at(), json=said())).status_code == 200
    assert (len(node.memory), node.lost) == (3050, 52)
    await polled(client, OTHER_SHARD)
    network.publish(SHARD, message(5000))
    assert await polled(client) == [b"5000"]
    assert len(node.memory) == 3051


# -------------------------------------------------------------------------------- what is published


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (Dialect.GO_WAKU, {"ephemeral": None}),
        (Dialect.NWAKU, {"version": 0, "timestamp": NOW, "ephemeral": False, "proof": ""}),
    ],
    ids=lambda value: value.value if isinstance(value, Dialect) else "",
)
async def test_what_a_message_does_not_say(
    client: httpx.AsyncClient, expected: dict[str, Any]
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    await client.post(messages_at(), json={"payload": "aGVsbG8=", "contentTopic": TOPIC})
    (heard,) = (await client.get(messages_at())).json()
    assert heard == {"payload": "aGVsbG8=", "contentTopic": TOPIC, **expected}


async def test_all_fields_of_a_message(client: httpx.AsyncClient, dialect: Dialect) -> None:
    """``timestamp`` is a number beyond those that floats tell apart."""
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    sent = said(timestamp=NOW + 1, version=1, meta="AQI=", ephemeral=True)
    await client.post(messages_at(), json={**sent, "unknown": 1})
    (heard,) = (await client.get(messages_at())).json()
    assert heard == (sent if dialect is Dialect.GO_WAKU else {**sent, "proof": ""})


async def test_what_is_ephemeral_is_heard_and_not_stored(
    network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
) -> None:
    await client.post(SUBSCRIPTIONS, json=[SHARD])
    network.publish(SHARD, message(1, ephemeral=True))
    assert (await polled(client), len(node.memory)) == ([b"1"], 0)


CANNOT: Final = "json: cannot unmarshal"
NIM_CANNOT: Final = "Invalid content body, could not decode: Unable to deserialize data"


@pytest.mark.parametrize(
    ("body", "go", "nim"),
    [
        (said(payload=""), "missing Payload field", NIM_CANNOT),
        (said(payload="@@@"), "illegal base64 data at input byte 0", "failed to decode base64"),
        (said(payload=7), f"{CANNOT} number into", NIM_CANNOT),
        (said(contentTopic=""), "missing ContentTopic field", NIM_CANNOT),
        (said(timestamp=f"{NOW}"), f"{CANNOT} string into Go struct field", NIM_CANNOT),
        (said(timestamp=1.5), f"{CANNOT} number into", NIM_CANNOT),
        (said(timestamp=1 << 63), f"{CANNOT} number", NIM_CANNOT),
        (said(version=-1), f"{CANNOT} number", NIM_CANNOT),
        (said(ephemeral=1), f"{CANNOT} number into", NIM_CANNOT),
        ([], f"{CANNOT} array into", NIM_CANNOT),
    ],
)
async def test_a_message_that_is_refused(
    client: httpx.AsyncClient, dialect: Dialect, body: object, go: str, nim: str
) -> None:
    answer = await client.post(messages_at(), json=body)
    assert answer.status_code == 400
    assert answer.text.startswith(go if dialect is Dialect.GO_WAKU else nim)


@pytest.mark.parametrize("length", [64, 65])
async def test_go_waku_takes_64_bytes_of_meta(network: WakuNetwork, length: int) -> None:
    node = WakuNode(network, Dialect.GO_WAKU)
    async with httpx.AsyncClient(transport=InProcess(node), base_url=node.url) as client:
        sent = said(meta=base64.b64encode(bytes(length)).decode())
        answer = await client.post(messages_at(), json=sent)
    assert answer.status_code == (200 if length == 64 else 400)


@pytest.mark.parametrize(
    ("dialect", "limit", "refusal"),
    [
        (Dialect.GO_WAKU, GO_WAKU_LIMIT, (500, GO_JSON, "")),
        (
            Dialect.NWAKU,
            NWAKU_LIMIT,
            (
                400,
                "text/plain",
                "Failed to publish: Message size exceeded maximum of 153600 bytes",
            ),
        ),
    ],
)
async def test_the_longest_message(
    client: httpx.AsyncClient, limit: int, refusal: tuple[int, str, str]
) -> None:
    around = len(WakuMessage(bytes(limit - 100), TOPIC, 0, NOW, None, ephemeral=False).encode())
    longest = limit - 100 + limit - around
    for length, is_taken in ((longest, True), (longest + 1, False)):
        payload = base64.b64encode(bytes(length)).decode()
        sent = said(payload=payload, version=0, ephemeral=False)
        answer = await client.post(messages_at(), json=sent)
        assert answer.status_code == 200 if is_taken else told(answer) == refusal


async def test_publishing_to_a_topic_that_the_node_is_not_on(
    client: httpx.AsyncClient, dialect: Dialect
) -> None:
    answer = await client.post(messages_at("/waku/2/rs/16/77"), json=said())
    sentence = "Failed to publish: Node not subscribed to topic: /waku/2/rs/16/77"
    nim, go = (400, "text/plain", sentence), (500, GO_JSON, "")
    assert told(answer) == (go if dialect is Dialect.GO_WAKU else nim)


async def test_a_node_without_peers(
    node: WakuNode, client: httpx.AsyncClient, dialect: Dialect
) -> None:
    other = WakuNode(node.network, dialect)
    node.faults.is_apart = True
    answer = await client.post(messages_at(), json=said())
    assert answer.status_code == (500 if dialect is Dialect.GO_WAKU else 200)
    assert len(other.memory) == 0


# --------------------------------------------------------------------------------- paths and bodies


async def test_topics_in_paths_are_percent_encoded(
    client: httpx.AsyncClient, dialect: Dialect
) -> None:
    answer = await client.get("/relay/v1/messages/waku/2/rs/16/32")
    nim = "/relay endpoints are not available while initializing."
    assert answer.status_code == 404
    assert answer.text == ("404 page not found\n" if dialect is Dialect.GO_WAKU else nim)


@pytest.mark.parametrize(
    ("method", "path", "go", "nim"),
    [
        ("GET", "/nope", 404, 400),
        ("PUT", SUBSCRIPTIONS, 405, 404),
        ("OPTIONS", SUBSCRIPTIONS, 405, 200),
        ("POST", "/lightpush/v3/message", 404, 404),
        ("GET", "/version", 404, 200),
        ("GET", "/info", 404, 200),
        ("GET", "/debug/v1/info", 200, 200),
        ("GET", "/store/v1/messages", 200, 404),
    ],
)
async def test_paths_and_methods(
    client: httpx.AsyncClient, dialect: Dialect, method: str, path: str, go: int, nim: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == (go if dialect is Dialect.GO_WAKU else nim)


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [("application/json", True), ("text/plain; charset=utf-8", True), ("text/html", False)],
)
@is_nwaku
async def test_nwaku_asks_what_a_body_is(
    client: httpx.AsyncClient, content_type: str, *, is_taken: bool
) -> None:
    headers, body = {"content-type": content_type}, json.dumps([SHARD]).encode()
    answer = await client.post(SUBSCRIPTIONS, content=body, headers=headers)
    assert answer.status_code == (200 if is_taken else 400)


@pytest.mark.parametrize("body", [b"", b"{", b'{"x": 1}', b"[1]"])
async def test_a_subscription_that_is_none(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post(SUBSCRIPTIONS, content=body, headers=headers)
    assert answer.status_code == 400


# ------------------------------------------------------------------------------------------- health


async def test_health(node: WakuNode, client: httpx.AsyncClient, dialect: Dialect) -> None:
    """nwaku answers 200 whatever it says of itself."""
    node.faults.is_unready = True
    answer = await client.get("/health")
    if dialect is Dialect.GO_WAKU:
        assert told(answer) == (501, GO_JSON, '"Non RLN healthcheck is not implemented"')
        return
    assert (answer.status_code, answer.json()["nodeHealth"]) == (200, "NOT_READY")
    node.faults.is_unready = False
    assert (await client.get("/health")).json() == {
        "nodeHealth": "READY",
        "protocolsHealth": [{"Relay": "READY"}, {"Store": "READY"}],
    }


async def test_version(client: httpx.AsyncClient, dialect: Dialect) -> None:
    answer = await client.get("/debug/v1/version")
    if dialect is Dialect.GO_WAKU:
        assert isinstance(answer.json(), str)
    else:
        assert told(answer) == (200, "text/plain", "v0.37.0-7d1c6a")
