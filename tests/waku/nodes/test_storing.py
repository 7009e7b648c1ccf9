"""What the nodes of the tests remember, and how they page. nwaku's are from source, untested."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

import httpx
import pytest

from tests.waku.nodes.asking import (
    NOW,
    OLDER_STORE,
    OTHER_SHARD,
    STORE,
    TOPIC,
    is_go,
    is_nwaku,
    message,
    told,
)
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from tests.waku.samples import SHARD
from workflow.adapters.clock.manual import ManualClock
from workflow.waku.message import WakuMessage

CRITERIA: Final = {"pubsubTopic": SHARD, "contentTopics": TOPIC}
DAY: Final = 86_400.0


def fill(node: WakuNode, numbers: Iterable[int], shard: str = SHARD) -> None:
    for number in numbers:
        node.memory.keep(shard, message(number))


async def page(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.get(STORE, params={**CRITERIA, "includeData": "true", **asked})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def numbers(said: dict[str, Any]) -> list[int]:
    """In a page of either protocol, in either dialect."""
    messages = [one.get("message", one) for one in said.get("messages") or ()]
    return [int(base64.b64decode(one["payload"])) for one in messages]


# -------------------------------------------------------------------------------- nwaku's own store


@is_nwaku
class TestNwaku:
    async def test_a_page(self, node: WakuNode, client: httpx.AsyncClient) -> None:
        fill(node, [1, 2])
        kept = f"0x{message(1).hash(SHARD).hex()}"
        assert await page(client, pageSize=1) == {
            "requestId": "",
            "statusCode": 200,
            "statusDesc": "OK",
            "messages": [
                {
                    "messageHash": kept,
                    "message": {
                        "payload": "MQ==",
                        "contentTopic": TOPIC,
                        "version": 0,
                        "timestamp": NOW + 1,
                        "ephemeral": False,
                    },
                    "pubsubTopic": SHARD,
                }
            ],
            "paginationCursor": kept,
        }

    async def test_only_hashes_unless_data_is_asked_for(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, [1])
        said = (await client.get(STORE, params=CRITERIA)).json()
        assert said["messages"] == [{"messageHash": f"0x{message(1).hash(SHARD).hex()}"}]
        assert "paginationCursor" not in said

    async def test_nothing_found_is_an_empty_list(self, client: httpx.AsyncClient) -> None:
        assert (await page(client))["messages"] == []

    async def test_a_page_holds_20_messages_and_100_at_most(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(150))
        sizes = [len(numbers(await page(client, pageSize=size))) for size in ("", 0, 100, 1000)]
        assert sizes == [20, 20, 100, 100]

    @pytest.mark.parametrize("ascending", ["true", "false"])
    async def test_pages_follow_each_other_and_ascend_within(
        self, node: WakuNode, client: httpx.AsyncClient, ascending: str
    ) -> None:
        fill(node, range(9))
        asked = {"pageSize": 4, "ascending": ascending, "startTime": NOW + 1}
        pages = [await page(client, **asked)]
        while cursor := pages[-1].get("paginationCursor"):
            pages.append(await page(client, **asked, cursor=cursor))
        forward, back = [[1, 2, 3, 4], [5, 6, 7, 8]], [[5, 6, 7, 8], [1, 2, 3, 4]]
        assert [numbers(one) for one in pages] == (forward if ascending == "true" else back)

    async def test_a_range_includes_its_start_and_not_its_end(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(5))
        assert numbers(await page(client, startTime=NOW + 1, endTime=NOW + 3)) == [1, 2]

    async def test_what_is_asked_for_and_nothing_else(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, [1])
        fill(node, [2], OTHER_SHARD)
        node.memory.keep(SHARD, WakuMessage(b"3", "/waku/1/0x00000000/rfc26", timestamp=NOW))
        assert numbers(await page(client)) == [1]
        assert numbers(await page(client, contentTopics=f"{TOPIC},/waku/1/0x00000000/rfc26")) == [
            3,
            1,
        ]
        hashes = ",".join(one.hash.hex() for one in node.memory.messages()[1:])
        asked = {"hashes": hashes, "includeData": "true"}
        assert numbers((await client.get(STORE, params=asked)).json()) == [1, 2]

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"startTime": "abc"}, "time parsing error: invalid integer: abc"),
            ({"pageSize": "x"}, "page size parsing error: invalid integer: x"),
            ({"includeData": "yes?"}, "include data parsing error"),
            ({"cursor": "q+/="}, "Exception converting hex string to bytes"),
            ({"hashes": "0xabcd"}, "waku message hash parsing error: invalid hash length: 2"),
        ],
    )
    async def test_arguments_that_are_refused(
        self, client: httpx.AsyncClient, asked: dict[str, str], words: str
    ) -> None:
        status, kind, text = told(await client.get(STORE, params={**CRITERIA, **asked}))
        assert (status, kind) == (400, "text/plain")
        assert text.startswith(words)

    async def test_a_cursor_whose_message_is_gone(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(3))
        cursor = (await page(client, pageSize=1))["paginationCursor"]
        node.restart(loses_store=True)
        answer = await client.get(STORE, params={**CRITERIA, "cursor": cursor})
        assert answer.status_code == 500
        assert answer.text.endswith("cursor not found")

    async def test_eleven_content_topics_fail_on_the_second_page(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(3))
        topics = ",".join([TOPIC, *(f"/waku/1/0x0000000{number}/rfc26" for number in range(10))])
        cursor = (await page(client, pageSize=1, contentTopics=topics))["paginationCursor"]
        asked = {"contentTopics": topics, "cursor": cursor}
        answer = await client.get(STORE, params={**CRITERIA, **asked})
        assert (answer.status_code, "too many content topics" in answer.text) == (500, True)


async def test_who_has_no_store_asks_another_or_nobody(network: WakuNetwork) -> None:
    store = WakuNode(network, Dialect.NWAKU)
    fill(store, [1])
    alone = WakuNode(network, Dialect.NWAKU, has_store=False)
    other = WakuNode(network, Dialect.NWAKU, has_store=False, store_peer=store)
    async with httpx.AsyncClient(transport=InProcess(alone, other)) as client:
        answer = await client.get(alone.url + STORE, params=CRITERIA)
        assert told(answer)[:2] == (412, "text/plain")
        asked = {**CRITERIA, "includeData": "true"}
        found = (await client.get(other.url + STORE, params=asked)).json()
        named = {**asked, "peerAddr": store.address}
        assert found == (await client.get(alone.url + STORE, params=named)).json()
        assert numbers(found) == [1]
        store.faults.is_down = True
        assert (await client.get(alone.url + STORE, params=named)).status_code == 500


# ------------------------------------------------------------------------------ go-waku's own store


@is_go
class TestGoWaku:
    """Whole pages are in the recording; here is what it does not hold. From source, untested."""

    async def test_pages_follow_each_other_by_a_cursor_laid_out_in_the_question(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(9))
        asked: dict[str, Any] = {**CRITERIA, "pageSize": 4, "ascending": "true"}
        pages = [(await client.get(OLDER_STORE, params=asked)).json()]
        while cursor := pages[-1].get("cursor"):
            digest = cursor["digest"].translate({ord("+"): "-", ord("/"): "_"})
            asked |= {**cursor, "digest": digest}
            pages.append((await client.get(OLDER_STORE, params=asked)).json())
        assert [numbers(one) for one in pages] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]

    async def test_the_digest_of_a_cursor_comes_in_url_safe_only(
        self, client: httpx.AsyncClient
    ) -> None:
        asked = {**CRITERIA, "digest": "qu0KjddqXMl6Pb/XWDeCUU0v5Ku57JeZJ2NkREjafHw="}
        answer = await client.get(OLDER_STORE, params=asked)
        assert answer.status_code == 400
        assert answer.json() == {
            "messages": None,
            "error_message": "illegal base64 data at input byte 14",
        }

    async def test_a_cursor_whose_message_is_gone(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(3))
        cursor = (await client.get(OLDER_STORE, params={**CRITERIA, "pageSize": 1})).json()[
            "cursor"
        ]
        node.restart(loses_store=True)
        digest = cursor["digest"].translate({ord("+"): "-", ord("/"): "_"})
        asked = {**CRITERIA, **cursor, "digest": digest}
        answer = await client.get(OLDER_STORE, params=asked)
        assert (answer.status_code, answer.json()["error_message"]) == (500, "invalid cursor")

    async def test_a_range_includes_both_its_ends(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        fill(node, range(5))
        asked: dict[str, Any] = {**CRITERIA, "startTime": NOW + 1, "endTime": NOW + 3}
        assert numbers((await client.get(OLDER_STORE, params=asked)).json()) == [1, 2, 3]

    async def test_a_message_without_timestamp_counts_as_sent_when_it_came(
        self, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        node.memory.keep(SHARD, WakuMessage(b"0", TOPIC))
        found = []
        for end in (NOW - 1, NOW):
            asked: dict[str, Any] = {**CRITERIA, "startTime": NOW, "endTime": end}
            found.append(numbers((await client.get(OLDER_STORE, params=asked)).json()))
        assert found == [[], [0]]

    async def test_a_message_keeps_no_meta(self, node: WakuNode, client: httpx.AsyncClient) -> None:
        node.memory.keep(SHARD, message(1, meta=b"\x01\x02"))
        (kept,) = (await client.get(OLDER_STORE, params=CRITERIA)).json()["messages"]
        assert "meta" not in kept

    async def test_version_3_needs_a_peer_that_has_it(
        self, network: WakuNetwork, node: WakuNode, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get(STORE, params=CRITERIA)
        nobody = {"messages": None, "error_message": "no suitable remote peers"}
        assert (answer.status_code, answer.json()) == (500, nobody)
        same = WakuNode(network, Dialect.GO_WAKU)
        answer = await client.get(STORE, params={**CRITERIA, "peerAddr": same.address})
        assert answer.json()["error_message"].startswith("protocols not supported")
        node.store_peer = WakuNode(network, Dialect.NWAKU)
        assert "messages" not in await page(client)
        fill(node.store_peer, [1])
        assert numbers(await page(client)) == [1]
        answer = await client.get(STORE, params={"hashes": "A" * 43 + "="})
        assert answer.json()["error_message"].startswith("a peer ID or multiaddress is required")
        fill(node.store_peer, [2, 3])
        cursor = (await page(client, pageSize=1))["pagination_cursor"]
        node.store_peer.restart(loses_store=True)
        safe = cursor.translate({ord("+"): "-", ord("/"): "_"})
        answer = await client.get(STORE, params={**CRITERIA, "cursor": safe})
        assert (answer.status_code, "cursor not found" in answer.text) == (500, True)


# ------------------------------------------------------------------------------------------- memory


async def test_a_node_remembers_30_days(
    network: WakuNetwork, node: WakuNode, clock: ManualClock
) -> None:
    network.publish(SHARD, message(1))
    await clock.advance(DAY)
    later = WakuMessage(b"2", TOPIC, timestamp=int(clock.now()) * 1_000_000_000)
    network.publish(SHARD, later)
    assert len(node.memory) == 2
    await clock.advance(29 * DAY)
    assert len(node.memory) == 2
    await clock.advance(1)
    assert [kept.message for kept in node.memory.messages()] == [later]
    await clock.advance(DAY)
    assert len(node.memory) == 0


async def test_what_has_no_timestamp_is_remembered_from_when_it_came(
    network: WakuNetwork, clock: ManualClock
) -> None:
    node = WakuNode(network, Dialect.GO_WAKU, retention=60.0)
    node.memory.keep(SHARD, message(0))
    await clock.advance(30)
    node.memory.keep(SHARD, WakuMessage(b"1", TOPIC))
    sizes = [len(node.memory)]
    for _ in range(3):
        await clock.advance(30.5)
        sizes.append(len(node.memory))
    assert sizes == [2, 1, 0, 0]


@pytest.mark.parametrize(("off", "is_stored"), [(-21, False), (-20, True), (20, True), (21, False)])
async def test_only_nwaku_stores_nothing_that_is_far_from_now(
    network: WakuNetwork, node: WakuNode, dialect: Dialect, off: int, *, is_stored: bool
) -> None:
    network.publish(SHARD, message(off * 1_000_000_000))
    assert len(node.memory) == (1 if is_stored or dialect is Dialect.GO_WAKU else 0)


async def test_nothing_is_stored_twice_or_without_a_store(network: WakuNetwork) -> None:
    node = WakuNode(network, Dialect.GO_WAKU)
    without = WakuNode(network, Dialect.GO_WAKU, has_store=False)
    for _ in range(2):
        network.publish(SHARD, message(1))
        node.restart()
    assert (len(node.memory), len(without.memory)) == (1, 0)
    async with httpx.AsyncClient(transport=InProcess(without)) as client:
        answer = await client.get(without.url + OLDER_STORE, params=CRITERIA)
    assert (answer.status_code, answer.json()["messages"]) == (500, None)
