from __future__ import annotations

from functools import cache

import pytest

from tests.waku.asking import Asking
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.ports.messaging import Messaging
from workflow.testing import ManualClock, MessagingContract
from workflow.waku.chats import Chat

chat_of = cache(Chat.of)


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
