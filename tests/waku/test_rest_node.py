from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Callable

import httpx
import pytest

from tests.waku.rest import CHANNEL, Inbox, Waku, chat_of, logged
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku import following
from workflow.adapters.messaging.waku import node as node_module
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.node import Dialect, WakuNode
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.errors import MessagingError
from workflow.ports.messaging import Received
from workflow.testing import ManualClock
from workflow.waku.chats import Chat
from workflow.waku.recent_hashes import RecentHashes

TOPICS = ("/waku/2/rs/16/32",)
Answers = Callable[[httpx.Request], httpx.Response]


def node(answers: dict[str, httpx.Response], url: str = "http://node") -> WakuNode:
    """A node that answers by path; 404 to all else."""

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path, httpx.Response(404))

    return WakuNode(url, TOPICS, ManualClock(), lambda _: httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("answers", "dialect", "version"),
    [
        ({"/version": httpx.Response(200, text="v0.37.0\n")}, Dialect.NWAKU, "v0.37.0"),
        ({"/debug/v1/version": httpx.Response(200, text="v0.30.0")}, Dialect.NWAKU, "v0.30.0"),
        ({"/debug/v1/version": httpx.Response(200, json="v0.9.0")}, Dialect.GO_WAKU, "v0.9.0"),
        ({"/version": httpx.Response(400), "/debug/v1/version": httpx.Response(501)}, "", ""),
        ({"/version": httpx.Response(200, text="<html>It works!</html>")}, "", ""),
        ({"/version": httpx.Response(200, json={"version": 1})}, "", ""),
    ],
)
async def test_who_a_node_is_follows_from_its_version(
    answers: dict[str, httpx.Response], dialect: Dialect | str, version: str
) -> None:
    one = node({"/relay/v1/subscriptions": httpx.Response(200), **answers})
    await one.connect()
    one.answers()
    assert one.standing.dialect == (dialect or Dialect.UNKNOWN)
    assert one.standing.version == version
    await one.leave()


@pytest.mark.parametrize(
    ("answers", "told", "remedy"),
    [
        ({"/version": httpx.Response(401)}, "refuses us (401)", "user and password"),
        ({"/version": httpx.Response(403)}, "refuses us (403)", "user and password"),
        ({"/version": httpx.Response(503, text="starting")}, "(503: starting)", "node runs"),
        ({"/version": httpx.Response(302)}, "(302)", "node runs"),
        (
            {"/relay/v1/subscriptions": httpx.Response(400, text="Invalid pubsub topic(s)")},
            "(400: Invalid pubsub topic(s))",
            "cluster and shards",
        ),
    ],
)
async def test_a_node_that_refuses_says_what_to_do(
    answers: dict[str, httpx.Response], told: str, remedy: str
) -> None:
    one = node(answers, "http://me:secret@node/path")
    answers |= {f"/path{path}": response for path, response in answers.items()}
    with pytest.raises(MessagingError) as raised:
        await one.connect()
    assert told in str(raised.value)
    assert "http://node/path" in str(raised.value)
    assert remedy in raised.value.advice
    assert "secret" not in raised.value.explained() + repr(one)
    await one.leave()


@pytest.mark.parametrize(
    ("health", "told"),
    [
        (httpx.Response(200, json={"nodeHealth": "READY"}), "READY"),
        (httpx.Response(200, json={"nodeHealth": 1}), ""),
        (httpx.Response(200, json=["READY"]), ""),
        (httpx.Response(200, text="Node is healthy"), "Node is healthy"),
        (httpx.Response(501, json="Non RLN healthcheck is not implemented"), ""),
        (httpx.Response(404), ""),
    ],
)
async def test_health_is_the_nodes_own_word(health: httpx.Response, told: str) -> None:
    one = node({"/health": health})
    assert await one.health() == told
    await one.leave()


async def test_a_poll_that_is_refused_or_too_long_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "/relay/v1/messages//waku/2/rs/16/32"  # as MockTransport decodes it
    with pytest.raises(MessagingError, match="refuses a poll"):
        await node({path: httpx.Response(500)}).poll(TOPICS[0])
    monkeypatch.setattr(node_module, "MAX_ANSWER", 100)
    with pytest.raises(MessagingError, match="more than 100 bytes"):
        await node({path: httpx.Response(200, text="[" + " " * 100 + "]")}).poll(TOPICS[0])


async def test_a_failure_of_our_own_is_none_of_the_loop() -> None:
    clock, fails = ManualClock(), True

    def answer(request: httpx.Request) -> httpx.Response:
        if fails:
            raise RuntimeError("a mistake")
        return httpx.Response(200, text="[]")

    messaging = WakuMessaging(
        WakuSettings(("http://node",)),
        clock,
        MemoryKeys(),
        transport=lambda _: httpx.MockTransport(answer),
    )
    with logged("WARNING") as warnings:
        opening = asyncio.ensure_future(messaging.open(Inbox()))
        await clock.advance(following.OPEN_WITHIN)
        await opening
        assert "a mistake" in messaging.standing[0].trouble
        fails = False
        await clock.advance(following.LONGEST_PAUSE)
        assert messaging.standing[0].answers
    assert len(warnings) == 1
    await messaging.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_over_the_wire_a_closed_port_is_a_node_that_is_silent(
    scheme: str, unused_port: int
) -> None:
    one = WakuNode(f"{scheme}://127.0.0.1:{unused_port}", TOPICS, SystemClock())
    with pytest.raises(MessagingError, match="ConnectError"):
        await one.connect()
    await one.leave()
    with pytest.raises(MessagingError, match="disconnected"):
        await one.connect()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_the_oldest_hashes_are_forgotten() -> None:
    recent = RecentHashes(capacity=3)
    for number in b"abcab":
        recent.add(bytes([number]))
    assert [bytes([number]) in recent for number in b"abc"] == [True] * 3
    recent.add(b"d")
    assert [bytes([number]) in recent for number in b"abcd"] == [False, True, True, True]


async def test_what_is_unsubscribed_meanwhile_is_not_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Chat, "of", chat_of)
    monkeypatch.setattr(following, "DELIVERED_AT_ONCE", 1)
    waku, taken = Waku(), []

    async def receive(message: Received) -> None:
        taken.append(message.payload)
        await messaging.unsubscribe(CHANNEL)

    messaging = waku.adapter(waku.node())
    await messaging.open(receive)
    await messaging.subscribe(CHANNEL)
    waku.say(b"one")
    waku.say(b"two")
    await waku.clock.advance(1)
    assert taken == [b"one"]
    await messaging.close()


async def test_an_answer_that_is_compressed_is_refused_unread() -> None:
    bomb = gzip.compress(gzip.compress(bytes(1_000_000)))
    answer = httpx.Response(200, content=bomb, headers={"Content-Encoding": "gzip, gzip"})
    one = node({"/version": answer})
    with pytest.raises(MessagingError, match="compressed"):
        await one.connect()
    await one.leave()
