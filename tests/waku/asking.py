"""The least that has to stand above the port: whoever follows chats also asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.messaging import Received, Receiver


class Asking:
    """Hands on what the network delivers, and what it remembers of the time since ``open``."""

    def __init__(self, messaging: WakuMessaging, clock: Clock) -> None:
        self._messaging = messaging
        self._clock = clock
        self._channels: set[str] = set()
        self._had: set[bytes] = set()
        self._asking: asyncio.Task[None] | None = None

    async def open(self, receive: Receiver) -> None:
        since = self._clock.now() - 1

        async def once(message: Received) -> None:
            assert message.envelope is not None
            if message.channel in self._channels and message.envelope.hash not in self._had:
                await receive(message)
                self._had.add(message.envelope.hash)

        await self._messaging.open(once)
        self._had = set()
        self._asking = asyncio.create_task(self._ask(since, once))

    async def subscribe(self, channel: str) -> None:
        self._channels.add(channel)
        await self._messaging.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)
        await self._messaging.unsubscribe(channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        await self._messaging.publish(channel, payload)

    def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        return self._messaging.stored(channel, since)

    async def close(self) -> None:
        self._channels = set()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await self._messaging.close()

    async def _ask(self, since: float, receive: Receiver) -> None:
        while True:
            await self._clock.sleep(self._messaging.ask_every)
            try:
                async for page in self._messaging.recalled(sorted(self._channels), since):
                    for message in page:
                        try:
                            await receive(message)
                        except OSError:
                            continue  # The receiver's; it is asked for again.
            except MessagingError:
                continue
