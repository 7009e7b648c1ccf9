"""The same nodes on a real port of this machine."""

from __future__ import annotations

import asyncio
import json
import signal

import httpx
import pytest

from tests.waku.nodes.asking import SUBSCRIPTIONS, is_nwaku, message, messages_at, polled, said
from tests.waku.nodes.faults import Lie
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import WakuNode
from tests.waku.nodes.serving import served
from tests.waku.samples import SHARD
from workflow.adapters.clock.manual import ManualClock


async def working(node: WakuNode) -> None:
    """Return when a request has done its work and waits for its delay."""
    while not node.answering:  # noqa: ASYNC110 - sockets tell a clock that stands still nothing.
        await asyncio.sleep(0.01)


async def test_a_node_on_a_port(network: WakuNetwork, node: WakuNode) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served(node) as url, httpx.AsyncClient(base_url=url) as client:
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
        await client.post(SUBSCRIPTIONS, json=[SHARD])
        await client.post(messages_at(), json=said())
        network.publish(SHARD, message(1))
        assert await polled(client) == [b"hello", b"1"]
        assert (await client.get("/nope")).status_code in {400, 404}
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")


@is_nwaku
async def test_faults_on_a_port(network: WakuNetwork, node: WakuNode) -> None:
    async with served(node) as url, httpx.AsyncClient(base_url=url) as client:
        node.faults.short = 1
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(messages_at())
        node.faults.cut = 1
        with pytest.raises(json.JSONDecodeError):
            (await client.get(messages_at())).json()
        node.faults.lie, node.faults.huge = Lie.HUGE, 1_000_000
        assert len((await client.get(messages_at())).content) == 1_000_000
        node.faults.lie = None
        node.faults.unanswered = 1
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post(messages_at(), json=said())
        assert await polled(client) == [b"hello"]
        node.faults.is_down = True
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.get(messages_at())
        node.faults.is_down = False
        assert await polled(client) == []


@is_nwaku
async def test_slow_answers_on_a_port_end_with_the_node(node: WakuNode, clock: ManualClock) -> None:
    """Going down breaks an answer off; so does the end of serving, without waiting for it."""
    node.faults.delay = 5.0
    async with httpx.AsyncClient() as client:
        async with served(node) as url:
            broken = asyncio.create_task(client.get(url + messages_at()))
            await working(node)
            node.faults.is_down = True
            await clock.advance(5)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await broken
            node.faults.is_down = False
            left = asyncio.create_task(client.get(url + messages_at()))
            await working(node)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await left
