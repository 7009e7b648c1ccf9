"""The same messages fetched by a bare client and taken in by a node of ours."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx
from coincurve import PrivateKey
from loguru import logger

from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import served
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.adapters.store.sqlite import SqliteStore
from workflow.assembly import open_node
from workflow.ports.records import Channel
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC, Chat, topic_of
from workflow.waku.sealing import seal

KEY: Final = bytes(range(1, 33))
ID: Final = "0x" + PrivateKey(KEY).public_key.format().hex()
CHAT: Final = ID + "7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab"
LENGTH: Final = 300
"""Bytes of a message before it is sealed."""
AT_ONCE: Final = 1000
"""Messages that wait in the relay whenever it is polled, as many as go-waku keeps."""


class Taken(NamedTuple):
    """Seconds on the wall, and of the processor."""

    wall: float
    cpu: float


async def run(directory: Path, messages: int, times: int) -> None:
    logger.remove()
    for what, dialect, bare in (
        ("store", Dialect.NWAKU, _bare_pages),
        ("relay", Dialect.GO_WAKU, _bare_polls),
    ):
        bares, ours = [], []
        for _ in range(times):
            async with _node(dialect, messages, in_store=what == "store") as (url, begin):
                begin()
                bares.append(await _measured(partial(bare, url, messages)))
            async with _node(dialect, messages, in_store=what == "store") as (url, begin):
                ours.append(await _ours(url, directory / "node", messages, begin))
        print(f"\n{messages:,} messages of {LENGTH} bytes, from the {what} ({dialect.value})")
        fetched, taken = _medians(bares), _medians(ours)
        for name, one in (("a bare client", fetched), ("a node of ours", taken)):
            print(
                f"  {name:<15} {messages / one.wall:>9,.0f} a second"
                f"  {one.wall:6.1f} s  {one.cpu:6.1f} s of the processor"
                f"  {one.cpu / fetched.cpu:5.2f}x"
            )


def _medians(several: list[Taken]) -> Taken:
    return Taken(median(one.wall for one in several), median(one.cpu for one in several))


async def _measured(work: Callable[[], Awaitable[object]]) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


# -- a bare client ---------------------------------------------------------------------------------


async def _bare_pages(url: str, messages: int) -> None:
    """Every page of the store, one after the other."""
    chat, cursor, count = Chat.of(CHAT), "", 0
    query = f"pubsubTopic={quote(DEFAULT_PUBSUB_TOPIC, safe='')}"
    query += f"&contentTopics={quote(chat.content_topic, safe='')}"
    query += "&pageSize=100&ascending=true&includeData=true"
    async with httpx.AsyncClient(timeout=60) as client:
        while True:
            page = f"{url}/store/v3/messages?{query}" + (f"&cursor={cursor}" if cursor else "")
            answer = json.loads((await client.get(page)).content)
            count += len(answer["messages"])
            if not (cursor := answer.get("paginationCursor", "")):
                break
    if count != messages:
        raise SystemExit(f"{count} messages came, not {messages}")


async def _bare_polls(url: str, messages: int) -> None:
    """Polls without a pause."""
    count = 0
    async with httpx.AsyncClient(timeout=60) as client:
        await client.post(f"{url}/relay/v1/subscriptions", json=[DEFAULT_PUBSUB_TOPIC])
        topic = quote(DEFAULT_PUBSUB_TOPIC, safe="")
        while count < messages:
            answer = await client.get(f"{url}/relay/v1/messages/{topic}")
            count += len(json.loads(answer.content) or ())


# -- ours ------------------------------------------------------------------------------------------


async def _ours(url: str, directory: Path, messages: int, begin: Callable[[], None]) -> Taken:
    """From the start of a node that knows the channel until all is committed."""
    shutil.rmtree(directory, ignore_errors=True)

    def made(nodes: str) -> Any:
        clock, settings = SystemClock(), WakuSettings((nodes,))
        return open_node(
            directory,
            clock=clock,
            carrier=MemoryCarrier(Swarm(clock)),
            messaging=WakuMessaging(settings, clock, MemoryKeys()),
            keys=keys,
        )

    keys = MemoryKeys()
    async with made("http://127.0.0.1:9") as node:
        await node.create_community("bench", private_key=KEY)
        await node.add_channel(ID, Channel(topic_of(CHAT), CHAT, "general"))

    async def heard() -> None:
        begin()
        newest = SqliteStore().newest_sequence
        while await node.engine.run(newest) < messages:  # noqa: ASYNC110 - rows have no event.
            await asyncio.sleep(0.02)

    async with made(url) as node:
        return await _measured(heard)


# -- the Waku node ---------------------------------------------------------------------------------


@asynccontextmanager
async def _node(
    dialect: Dialect, messages: int, *, in_store: bool
) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Its URL, and what has messages come to its relay."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs, dialect, messages, in_store))
    process.start()
    try:
        yield await asyncio.to_thread(ours.recv), lambda: ours.send("begin")
    finally:
        ours.send("end")
        await asyncio.to_thread(process.join)


def _serve(pipe: Connection, dialect: Dialect, messages: int, in_store: bool) -> None:
    asyncio.run(_serving(pipe, dialect, messages, in_store=in_store))


async def _serving(pipe: Connection, dialect: Dialect, messages: int, *, in_store: bool) -> None:
    clock = SystemClock()
    node = WakuNode(WakuNetwork(clock), dialect)
    chance, author, chat = random.Random(5), PrivateKey(bytes(31) + b"\x07"), Chat.of(CHAT)
    sign = partial(author.sign_recoverable, hasher=None)
    now, has_begun = int(clock.now()), asyncio.Event()
    waiting = []
    for number in range(messages):
        sealed = seal(chat, chance.randbytes(LENGTH), sign, chance.randbytes)
        waiting.append(sealed.stamped((now - 10 * 86_400) * 10**9 + number * 5 * 10**9))
    if in_store:
        for message in waiting:
            node.memory.keep(DEFAULT_PUBSUB_TOPIC, message)
    else:
        poll, coming = node.poll, iter(waiting)

        def topped_up(pubsub_topic: str) -> Any:
            if pubsub_topic == DEFAULT_PUBSUB_TOPIC and has_begun.is_set():
                for message in islice(coming, AT_ONCE):
                    node.deliver(pubsub_topic, message)
            return poll(pubsub_topic)

        node.poll = topped_up  # type: ignore[method-assign]
    async with served(node) as url:
        pipe.send(url)
        while await asyncio.to_thread(pipe.recv) == "begin":
            has_begun.set()
