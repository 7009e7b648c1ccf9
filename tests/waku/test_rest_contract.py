from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.ports.messaging import Messaging
from workflow.testing import ManualClock, MessagingContract


class InProcessContract(MessagingContract):
    """Each adapter has a node of its own, since polling empties it; time stands still."""

    dialect: Dialect

    @pytest.fixture(autouse=True)
    def network(self) -> None:
        self.clock = ManualClock()
        self.shared = WakuNetwork(self.clock)

    async def connect(self) -> Messaging:
        node = WakuNode(self.shared, self.dialect)
        settings = WakuSettings((node.url,), confirm_after=(0.0,))
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
    dialect = Dialect.NWAKU
