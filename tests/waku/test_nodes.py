"""The go-waku of the tests answers as a real one did, entry by entry of its recorded answers.

The recordings are read where they are kept, beside the repository.
"""

from __future__ import annotations

import base64
import json
import lzma
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from tests.waku.samples import SHARD
from workflow.adapters.clock.manual import ManualClock
from workflow.waku.message import WakuMessage

RECORDED: Final = Path(__file__).parents[3] / "shared" / "waku"
AT: Final = 1795328187.0
"""When the answers were recorded (seconds, UTC epoch)."""

LEFT_OUT: Final = {
    "admin": "nobody here administrates a node",
    "auto": "the shards of Status are static, and go-waku's automatic ones are of cluster 1",
    "filter": "nodes are asked for whole shards",
    "lightpush": "the node relays by itself; what came in so is published by a stranger instead",
}
"""The first word of tags that are not replayed, and why."""
RECORDED_CHARACTERS: Final = 1500
"""Longer answers were cut off when they were recorded."""


def recorded(name: str) -> list[dict[str, Any]]:
    if not (file := RECORDED / name).exists():
        pytest.skip(f"the recorded answers of go-waku are not there: {file}")
    content = file.read_bytes()
    entries: list[dict[str, Any]] = json.loads(
        lzma.decompress(content) if file.suffix == ".xz" else content
    )
    return entries


def shape(told: Any) -> Any:
    """Keys and kinds, without what differs from node to node."""
    if isinstance(told, dict):
        return {key: shape(value) for key, value in told.items()}
    return {shape(one) for one in told} if isinstance(told, list) else type(told)


def is_same(entry: dict[str, Any], answer: httpx.Response) -> bool:
    if (entry["status"], entry["content_type"]) != (
        answer.status_code,
        answer.headers.get("content-type"),
    ):
        return False
    if entry["tag"] == "info":
        return bool(shape(json.loads(entry["response"])) == shape(answer.json()))
    return bool(entry["response"] == answer.text[:RECORDED_CHARACTERS])


def message_of(told: dict[str, Any]) -> WakuMessage:
    payload = base64.b64decode(told["payload"])
    return WakuMessage(payload, told["contentTopic"], timestamp=told.get("timestamp"))


async def test_go_waku_answers_as_it_was_recorded() -> None:
    entries = recorded("gowaku-rest-transcript.json.xz")
    network = WakuNetwork(ManualClock(AT))
    nodes = {name: WakuNode(network, Dialect.GO_WAKU) for name in "AB"}
    real = json.loads(entries[0]["response"])["listenAddresses"][0].replace("/", "%2F")
    there = nodes["A"].address.replace("/", "%2F")
    replayed, wrong = 0, []
    async with httpx.AsyncClient(transport=InProcess(*nodes.values())) as client:
        for entry in entries:
            asked = entry["request"]
            if entry["tag"].partition(".")[0] in LEFT_OUT:
                if entry["tag"].startswith("lightpush") and entry["response"] == "true":
                    network.publish(asked["pubsubTopic"], message_of(asked["message"]))
                continue
            url = nodes[entry["node"]].url + entry["path"].replace(real, there)
            content = None if asked is None else json.dumps(asked).encode()
            answer = await client.request(entry["method"], url, content=content)
            replayed += 1
            if not is_same(entry, answer):
                wrong.append((entry["tag"], entry["response"], answer, answer.text))
    assert wrong == []
    assert replayed == 50


async def test_go_waku_pages_another_store_as_it_was_recorded() -> None:
    entries = recorded("gowaku-rest-store-v3-vs-python-server.json")
    network = WakuNetwork(ManualClock(AT))
    store, node = WakuNode(network, Dialect.NWAKU), WakuNode(network, Dialect.GO_WAKU)
    for number in range(7):
        time = 1795328000_000000000 + number * 1_000000000
        payload = f"archived {number}".encode()
        store.memory.keep(SHARD, WakuMessage(payload, "/waku/1/0x5c56d6b8/rfc26", 1, time))
    async with httpx.AsyncClient(transport=InProcess(node)) as client:
        for entry in entries:
            asked = dict(httpx.URL(entry["url"]).params)
            if "peerAddr" in asked:
                asked["peerAddr"] = store.address
            answer = await client.get(f"{node.url}/store/v3/messages", params=asked)
            expected, told = json.loads(entry["response"]), answer.json()
            assert expected.pop("request_id", None) is None or told.pop("request_id")
            assert (answer.status_code, told) == (entry["status"], expected), entry["tag"]
