from __future__ import annotations

import pytest

from workflow.ports.messaging import Messaging
from workflow.testing import InProcessMessaging, ManualClock, MessageNetwork, MessagingContract


class TestInProcessMessagingContract(MessagingContract):
    @pytest.fixture(autouse=True)
    def network(self) -> None:
        self.clock = ManualClock()
        self.shared = MessageNetwork(self.clock)

    async def connect(self) -> Messaging:
        return InProcessMessaging(self.shared)

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def now(self) -> float:
        return self.clock.now()
