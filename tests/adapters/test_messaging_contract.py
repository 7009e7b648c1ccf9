from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from workflow.adapters.clock.system import SystemClock
from workflow.adapters.messaging.local import LocalMessaging
from workflow.adapters.messaging.message_file import MAX_PAYLOAD
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


class TestLocalMessagingContract(MessagingContract):
    """On the machine's clock: nodes that share nothing but the folder and the time."""

    step = 0.02
    largest = MAX_PAYLOAD

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.shared = tmp_path / "messages"
        self.clock = SystemClock()

    async def connect(self) -> Messaging:
        return LocalMessaging(self.shared, self.clock, look_every=0.01, redeliver_after=0.05)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return self.clock.now()
