from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.waku.asking import Asking
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess, served
from tests.waku.rest import chat_of
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.ports.messaging import Messaging
from workflow.testing import ManualClock, MessagingContract
from workflow.waku.chats import Chat

REAL_NODES = [url for name in ("WAKU_REST_URL", "WAKU_REST_URL_2") if (url := os.environ.get(name))]


class InProcessContract(MessagingContract):
    """Each adapter has a node of its own, since polling empties it; time stands still."""

    dialect: Dialect

    @pytest.fixture(autouse=True)
    def network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Chat, "of", chat_of)
        self.clock = ManualClock()
        network = WakuNetwork(self.clock)
        # All are there from the beginning: whoever comes late asks a node that does not.
        self.nodes = [WakuNode(network, self.dialect) for _ in range(6)]

    async def connect(self) -> Messaging:
        return self.adapter()

    def adapter(self) -> WakuMessaging:
        node = self.nodes.pop()
        settings = WakuSettings((node.url,), ask_every=5.0, confirm_after=(0.0,))
        messaging = WakuMessaging(
            settings, self.clock, MemoryKeys(), transport=lambda _: InProcess(node)
        )
        self.clock.watch(lambda: messaging.is_busy)
        return messaging

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def now(self) -> float:
        return self.clock.now()


class TestGoWakuContract(InProcessContract):
    dialect = Dialect.GO_WAKU


class TestNwakuContract(InProcessContract):
    """nwaku keeps 50 messages for us at most, so whoever wants all has to ask."""

    dialect = Dialect.NWAKU

    async def connect(self) -> Messaging:
        return Asking(self.adapter(), self.clock)


class TestContractOnPorts(MessagingContract):
    """The same over real sockets and the machine's clock."""

    step = 0.05
    patience = 2.0

    @pytest.fixture(autouse=True)
    async def network(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
        monkeypatch.setattr(Chat, "of", chat_of)
        self.clock = SystemClock()
        network = WakuNetwork(self.clock)
        nodes = [WakuNode(network, Dialect.GO_WAKU) for _ in range(6)]
        async with AsyncExitStack() as stack:
            self.urls = [await stack.enter_async_context(served(node)) for node in nodes]
            self.opened_here: list[WakuMessaging] = []
            yield
            for messaging in self.opened_here:
                await messaging.close()

    async def connect(self) -> Messaging:
        settings = WakuSettings((self.urls.pop(),), poll_every=0.25, confirm_after=(0.0,))
        self.opened_here.append(WakuMessaging(settings, self.clock, MemoryKeys()))
        return self.opened_here[-1]

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return self.clock.now()


@pytest.mark.skipif(
    not REAL_NODES,
    reason="WAKU_REST_URL (and WAKU_REST_URL_2) name no REST interface of a real Waku node",
)
class TestContractOnRealNodes(MessagingContract):
    """All adapters share these nodes and steal each other's polls, so that they have to ask."""

    step = 0.2
    patience = 60.0

    @pytest.fixture(autouse=True)
    async def channels(self) -> AsyncIterator[None]:
        self.clock = SystemClock()
        self.run = uuid4().hex
        self.opened_here: list[Asking] = []
        yield
        for messaging in self.opened_here:
            await messaging.close()

    def channel(self, name: str) -> str:
        return f"{name}-{self.run}"

    async def connect(self) -> Messaging:
        # In turn, so that what one sends comes to the next by way of the network.
        turn = len(self.opened_here) % len(REAL_NODES)
        settings = WakuSettings(
            (*REAL_NODES[turn:], *REAL_NODES[:turn]),
            poll_every=0.2,
            ask_every=1.0,
            confirm_after=(0.1, 0.5, 1.0, 3.0, 10.0),
        )
        self.opened_here.append(
            Asking(WakuMessaging(settings, self.clock, MemoryKeys()), self.clock)
        )
        return self.opened_here[-1]

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return self.clock.now()
