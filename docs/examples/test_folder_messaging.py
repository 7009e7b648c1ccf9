"""All that somebody who wrote a messaging adapter has to write to have it tested."""

import asyncio
from pathlib import Path

import pytest
from folder_messaging import FolderMessaging

from workflow import SystemClock
from workflow.testing import MessagingContract


class TestFolderMessaging(MessagingContract):
    step = 0.02

    @pytest.fixture(autouse=True)
    def network(self, tmp_path: Path) -> None:
        self.folder, self.clock = tmp_path, SystemClock()

    async def connect(self) -> FolderMessaging:
        return FolderMessaging(self.folder, self.clock, look_every=0.01)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return self.clock.now()
