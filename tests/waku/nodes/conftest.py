"""A network with one node of each dialect in turn, and a client of it, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.waku.nodes.asking import AT
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from workflow.adapters.clock.manual import ManualClock


@pytest.fixture(params=list(Dialect), ids=lambda dialect: dialect.value)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return Dialect(request.param)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


@pytest.fixture
def network(clock: ManualClock) -> WakuNetwork:
    return WakuNetwork(clock)


@pytest.fixture
def node(network: WakuNetwork, dialect: Dialect) -> WakuNode:
    return WakuNode(network, dialect)


@pytest.fixture
async def client(node: WakuNode) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=InProcess(node), base_url=node.url) as opened:
        yield opened
