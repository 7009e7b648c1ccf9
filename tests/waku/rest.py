"""A network of nodes in this process, adapters on it, and somebody who chats there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Final

import httpx
import pytest
from loguru import logger

from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku import dialects
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.opening import nanoseconds
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.ports.messaging import Received
from workflow.testing import ManualClock
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC, Chat
from workflow.waku.message import WakuMessage
from workflow.waku.sealing import seal

COMMUNITY: Final = "0x02" + 64 * "a"
CHANNEL: Final = COMMUNITY + "8f4a7f30-0f3c-4f0e-9d6a-2f7e9b1c3d5e"

chat_of = cache(Chat.of)
"""As it is, but each key is derived once in all tests of a process."""


class Inbox:
    """A receiver; ``before`` may raise instead of taking a message."""

    def __init__(self, before: Callable[[Received], None] | None = None) -> None:
        self.messages: list[Received] = []
        self._before = before

    async def __call__(self, message: Received) -> None:
        if self._before is not None:
            self._before(message)
        self.messages.append(message)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]


class Waku:
    """Nodes are reached at their ``url``, whichever adapter asks; time stands still."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.network = WakuNetwork(self.clock)
        self.nodes: list[WakuNode] = []
        self.requests: list[httpx.Request] = []
        self.poll_every = 1.0
        self._keys = MemoryKeys()
        self._account = self._keys.create()

    def node(self, dialect: Dialect = Dialect.GO_WAKU, **options: object) -> WakuNode:
        node = WakuNode(self.network, dialect, **options)  # type: ignore[arg-type]
        self.nodes.append(node)
        return node

    def adapter(
        self, *nodes: WakuNode | str, confirm_after: tuple[float, ...] = (0.0,), **settings: object
    ) -> WakuMessaging:
        urls = tuple(node if isinstance(node, str) else node.url for node in nodes)
        messaging = WakuMessaging(
            WakuSettings(
                urls,
                poll_every=self.poll_every,
                confirm_after=confirm_after,
                **settings,  # type: ignore[arg-type]
            ),
            self.clock,
            MemoryKeys(),
            transport=lambda _: Watched(InProcess(*self.nodes), self.requests),
        )
        self.clock.watch(lambda: messaging.is_busy)
        return messaging

    def sealed(
        self, payload: bytes, channel: str = CHANNEL, at: float | None = None
    ) -> WakuMessage:
        sign = partial(self._keys.sign, self._account)
        sealed = seal(chat_of(channel), payload, sign, self._keys.random)
        return sealed.stamped(nanoseconds(self.clock.now() if at is None else at))

    def say(
        self,
        payload: bytes,
        channel: str = CHANNEL,
        *,
        at: float | None = None,
        topic: str = DEFAULT_PUBSUB_TOPIC,
    ) -> WakuMessage:
        """Somebody elsewhere writes; nodes that are there hear it."""
        message = self.sealed(payload, channel, at)
        self.network.publish(topic, message)
        return message

    def asked(self, method: str, part: str = "") -> list[httpx.Request]:
        return [
            request
            for request in self.requests
            if request.method == method and part in str(request.url)
        ]


class Watched(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, requests: list[httpx.Request]) -> None:
        self._inner = inner
        self._requests = requests

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._requests.append(request)
        return await self._inner.handle_async_request(request)


@contextmanager
def logged(level: str = "INFO") -> Iterator[list[str]]:
    """The lines that are logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level=level, format="{level} {message}")
    try:
        yield lines
    finally:
        logger.remove(sink)


async def recall(messaging: WakuMessaging, since: float, *channels: str) -> list[bytes]:
    """The payloads of all pages."""
    return [
        message.payload
        async for page in messaging.recalled(channels or (CHANNEL,), since)
        for message in page
    ]


Answer = Callable[[httpx.Request], dict[str, object]]


async def scripted(waku: Waku, answer: Answer | None) -> WakuMessaging:
    """A store that answers as no node of ours would, or none; its relay has nothing."""

    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/store"):
            if answer is None or "v1" in request.url.path:
                return httpx.Response(404)
            return httpx.Response(200, content=json.dumps(answer(request)).encode())
        return httpx.Response(200, content=b"null")

    messaging = WakuMessaging(
        WakuSettings(("http://scripted",)),
        waku.clock,
        MemoryKeys(),
        transport=lambda _: httpx.MockTransport(handle),
    )
    waku.clock.watch(lambda: messaging.is_busy)
    await messaging.open(Inbox())
    return messaging


def item(waku: Waku, payload: bytes, at: float) -> dict[str, object]:
    message = json.loads(dialects.relay_body(waku.sealed(payload, at=at)))
    return {"message": message, "pubsubTopic": "/waku/2/rs/16/32"}


BOTH: Final = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)


async def opened(waku: Waku, *nodes: WakuNode | str, inbox: Inbox | None = None) -> WakuMessaging:
    """On these nodes; with an inbox, what is said on ``CHANNEL`` comes into it."""
    messaging = waku.adapter(*nodes)
    await messaging.open(inbox or Inbox())
    if inbox is not None:
        await messaging.subscribe(CHANNEL)
    return messaging


async def patiently(waku: Waku, messaging: WakuMessaging, since: float) -> list[bytes]:
    """What is recalled while time goes on."""
    task = asyncio.ensure_future(recall(messaging, since))
    for _ in range(60):
        if task.done():
            break
        await waku.clock.advance(5)
    return await task
