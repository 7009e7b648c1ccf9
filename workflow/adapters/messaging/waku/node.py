"""One Waku node, asked over HTTP: whether it answers, what it brings, what it keeps.

A node of any dialect is asked in the same way. Commands are judged by their status alone: what
stands beside it is written for people, and is empty in some versions. Whatever goes wrong is a
``MessagingError`` that names the node, without user and password.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar

import httpx
from loguru import logger

from workflow.adapters.messaging.waku import dialects
from workflow.adapters.messaging.waku.dialects import (
    Cursor,
    Page,
    Question,
    StoreApi,
    UnreadableError,
)
from workflow.adapters.messaging.waku.settings import node_address
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.waku.message import WakuMessage

T = TypeVar("T")
MakeTransport = Callable[[str], httpx.AsyncBaseTransport]
"""Makes what carries requests to the node of this address; tests put their own in."""

ANSWER_WITHIN: Final = 15.0
"""Seconds that an answer may take; nodes give up after 5 when they have to ask others."""
LEAVE_WITHIN: Final = 3.0
"""Seconds that leaving may take, for a node that does not answer."""
MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes that are read of an answer."""
QUESTIONS_AT_ONCE: Final = 4
"""Pages that a node is asked for at the same time; more only make it refuse."""

_VERSION_PATHS: Final = ("/version", "/debug/v1/version")
_SUBSCRIPTIONS: Final = "/relay/v1/subscriptions"
_MESSAGES: Final = "/relay/v1/messages"
_SEE_THAT_IT_RUNS: Final = "See that the node runs and its REST interface has this address."


class Dialect(StrEnum):
    """Who speaks, as far as its version tells."""

    GO_WAKU = "go-waku"
    NWAKU = "nwaku"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """How it is with a node.

    ``answers`` is None until it was asked first; ``since`` is when it began to be so (seconds, UTC
    epoch). ``health`` is the node's own word. ``trouble`` tells why it does not answer.
    """

    address: str
    answers: bool | None
    since: float
    dialect: Dialect = Dialect.UNKNOWN
    version: str = ""
    health: str = ""
    trouble: str = ""


class _Answer(NamedTuple):
    """``body`` is None when it was longer than ``MAX_ANSWER``."""

    status: int
    body: bytes | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - as in HTTP.

    @property
    def is_final(self) -> bool:
        """Whether the same question would be refused again."""
        again = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
        return 400 <= self.status < 500 and self.status not in again  # noqa: PLR2004 - the same.

    def __str__(self) -> str:
        said = dialects.text(self.body or b"")
        return f"{self.status}: {said}" if said else str(self.status)


class _Refusal(NamedTuple):
    """Why there is no page, and whether it is for good."""

    trouble: MessagingError
    is_final: bool


async def in_time(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to; ``TimeoutError`` when the clock is faster."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, alarm), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.cancel()
        alarm.cancel()
        await asyncio.gather(task, alarm, return_exceptions=True)


class WakuNode:
    """The REST interface at ``node`` (an address as in the settings), for these pubsub topics."""

    def __init__(
        self,
        node: str,
        pubsub_topics: Sequence[str],
        clock: Clock,
        transport: MakeTransport | None = None,
    ) -> None:
        self.address, credentials = node_address(node)
        self._topics = tuple(pubsub_topics)
        self._clock = clock
        self._client = httpx.AsyncClient(
            transport=(transport or _transport)(self.address),
            auth=httpx.BasicAuth(*credentials) if credentials else None,
            # Nobody needs compression on a short way, and what is compressed has no known length.
            headers={"Accept-Encoding": "identity", "User-Agent": "community-archives"},
            timeout=None,  # noqa: S113 - the clock port measures time, see in_time.
            trust_env=False,  # No proxy and no password that the settings do not name.
        )
        self._is_closed = False
        self._standing = NodeStanding(self.address, None, clock.now())
        self._met = (Dialect.UNKNOWN, "", "")
        self._is_subscribed = False
        self._store: StoreApi | None = None
        self._lacks_store = False
        self._slots = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    def __repr__(self) -> str:
        return f"WakuNode({self.address!r})"

    @property
    def standing(self) -> NodeStanding:
        """How it is with the node, as far as was heard."""
        return self._standing

    @property
    def lacks_store(self) -> bool:
        """Whether it said for good, when last asked, that it has no store to ask."""
        return self._lacks_store

    # -------------------------------------------------------------------------------- its relay

    async def connect(self) -> None:
        """Learn who it is, and have it keep messages of the topics for us from now on."""
        dialect, version = await self._identify()
        self._store, self._lacks_store = None, False
        await self._subscribe()
        health = await self.health()
        self._met = dialect, version, health

    def answers(self) -> None:
        """Note that it does; it is logged when it did not before, or is another."""
        before, (dialect, version, health) = self._standing, self._met
        if before.answers and (dialect, version) == (before.dialect, before.version):
            return
        since = before.since if before.answers else self._clock.now()
        self._standing = NodeStanding(
            self.address, answers=True, since=since, dialect=dialect, version=version, health=health
        )
        logger.info("the Waku node {} answers: {} {} {}", self.address, dialect, version, health)

    def fell_silent(self, trouble: MessagingError) -> None:
        """Note that it does not answer; it is logged once, whatever else comes of it."""
        before = self._standing
        since = before.since if before.answers is False else self._clock.now()
        if before.answers is not False:
            logger.warning("a Waku node does not answer: {}", trouble.explained())
        self._standing = replace(before, answers=False, since=since, trouble=str(trouble))

    async def health(self) -> str:
        """What it says of itself; nothing when it does not say. A 200 may say NOT_READY."""
        answer = await self._send("GET", "/health")
        if not answer.is_success:  # go-waku answers 501 as long as it has no RLN.
            return ""
        try:
            told = dialects.parse(answer.body or b"")
        except UnreadableError:
            return dialects.text(answer.body or b"")  # Older versions speak plainly.
        health = told.get("nodeHealth") if isinstance(told, dict) else None
        return dialects.text(health.encode(errors="replace")) if isinstance(health, str) else ""

    async def note_health(self) -> None:
        """Ask for its health and keep the answer; a change is logged."""
        before, health = self._standing.health, await self.health()
        self._standing = replace(self._standing, health=health)
        if health != before:
            logger.info("the Waku node {} says of itself: {}", self.address, health or "nothing")

    async def poll(self, pubsub_topic: str) -> list[object] | None:
        """What has come on a topic since the last poll, as JSON; None when it has forgotten us.

        Whatever this returns, the node has it no longer.
        """
        answer = await self._send("GET", f"{_MESSAGES}/{dialects.quoted(pubsub_topic)}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise self._error(f"it refuses a poll ({answer})", _SEE_THAT_IT_RUNS)
        if answer.body is None:
            raise self._error(f"a poll brought more than {MAX_ANSWER} bytes")
        return self._read(dialects.polled, answer.body)

    async def publish(self, pubsub_topic: str, message: WakuMessage) -> None:
        """Hand it a message. It may say that it took it and lose it all the same."""
        path, body = f"{_MESSAGES}/{dialects.quoted(pubsub_topic)}", dialects.relay_body(message)
        answer = await self._send("POST", path, body)
        if not answer.is_success:
            # It refuses, with no word in some versions, when it has forgotten that we subscribed.
            await self._subscribe()
            answer = await self._send("POST", path, body)
        if not answer.is_success:
            raise self._error(
                f"it does not take a message ({answer})",
                "See that the node has peers, is on this topic's shard and takes so long messages.",
            )

    async def leave(self) -> None:
        """Keep it from collecting for us, and hang up.

        A queue that nobody reads blocks all of go-waku. nwaku's has an end, and it would take
        leaving for the wish to store nothing of the topics any more.
        """
        try:
            if self._is_subscribed and self._met[0] is not Dialect.NWAKU:
                await self._send("DELETE", _SUBSCRIPTIONS, self._topics_body(), LEAVE_WITHIN)
        except MessagingError as error:
            logger.debug("subscriptions were left behind: {}", error.explained())
        finally:
            self._is_closed = True
            await self._client.aclose()

    # -------------------------------------------------------------------------------- its store

    async def page(self, question: Question, cursor: Cursor | None = None) -> Page:
        """The first page of the answer, or the one at ``cursor``."""
        async with self._slots:
            if cursor is None:
                answer = await self._first_page(question)
            else:
                answer = await self._ask(cursor.api, question, cursor)
        if isinstance(answer, _Refusal):
            raise answer.trouble
        return answer

    async def _first_page(self, question: Question) -> Page | _Refusal:
        """From whichever store it has; which one that is, is remembered."""
        refusals = []
        for api in sorted(StoreApi, key=lambda api: api is not self._store):
            answer = await self._ask(api, question, None)
            if isinstance(answer, Page):
                self._store, self._lacks_store = api, False
                return answer
            refusals.append(answer)
        self._lacks_store = all(refusal.is_final for refusal in refusals)
        return min(refusals, key=lambda refusal: refusal.is_final)

    async def _ask(
        self, api: StoreApi, question: Question, cursor: Cursor | None
    ) -> Page | _Refusal:
        page_size = dialects.MAX_PAGE_SIZE
        answer = await self._send("GET", dialects.store_query(api, question, cursor, page_size))
        while answer.is_success and answer.body is None and page_size > 1:
            page_size //= 2  # Long messages, one after the other.
            answer = await self._send("GET", dialects.store_query(api, question, cursor, page_size))
        if not answer.is_success:
            trouble = self._error(
                f"it does not tell what was missed ({answer})",
                "See that the node has a store, or peers that have one.",
            )
            return _Refusal(trouble, answer.is_final)
        if answer.body is None:
            trouble = self._error(f"a stored message is longer than {MAX_ANSWER} bytes")
            return _Refusal(trouble, is_final=False)
        try:
            return self._read(lambda body: dialects.store_page(api, question, body), answer.body)
        except MessagingError as error:
            return _Refusal(error, is_final=False)

    # ----------------------------------------------------------------------------------- asking

    async def _identify(self) -> tuple[Dialect, str]:
        """By its version: plain text of nwaku, a JSON string of go-waku, each at its own path."""
        for path in _VERSION_PATHS:
            answer = await self._send("GET", path)
            if answer.is_success:
                return _who_says(answer.body or b"")
            if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise self._error(
                    f"it refuses us ({answer.status})",
                    "Give its user and password in the settings, in the node's address.",
                )
            if not answer.is_final and answer.status != HTTPStatus.NOT_IMPLEMENTED:
                raise self._error(f"it does not tell its version ({answer})", _SEE_THAT_IT_RUNS)
        return Dialect.UNKNOWN, ""

    async def _subscribe(self) -> None:
        answer = await self._send("POST", _SUBSCRIPTIONS, self._topics_body())
        if not answer.is_success:
            raise self._error(
                f"it does not let us subscribe ({answer})",
                "See that the node relays, and its cluster and shards are those of the settings.",
            )
        self._is_subscribed = True

    def _topics_body(self) -> bytes:
        return json.dumps(self._topics).encode()

    async def _send(
        self, method: str, path: str, body: bytes | None = None, within: float = ANSWER_WITHIN
    ) -> _Answer:
        if self._is_closed:
            raise self._error("the node was disconnected")
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = self._client.build_request(
            method, f"{self.address}{path}", content=body, headers=headers
        )
        try:
            return await in_time(self._clock, within, self._exchange(request))
        except TimeoutError:
            raise self._error(f"no answer within {within:g} s", _SEE_THAT_IT_RUNS) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._error(
                f"the connection fails ({type(error).__name__})", _SEE_THAT_IT_RUNS
            ) from error

    async def _exchange(self, request: httpx.Request) -> _Answer:
        response = await self._client.send(request, stream=True)
        try:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise self._error("its answer is compressed, which nobody has asked for")
            body = bytearray()
            async for some in response.aiter_bytes():
                body += some
                if len(body) > MAX_ANSWER:
                    return _Answer(response.status_code, None)
            return _Answer(response.status_code, bytes(body))
        finally:
            await response.aclose()

    def _read(self, read: Callable[[bytes], T], body: bytes) -> T:
        try:
            return read(body)
        except UnreadableError as error:
            raise self._error(
                f"its answer is of no use: {error}",
                "See that the address is that of a Waku node, and its version is of today.",
            ) from error

    def _error(self, message: str, remedy: str = "") -> MessagingError:
        return MessagingError(message, place=self.address, remedy=remedy)


def _who_says(body: bytes) -> tuple[Dialect, str]:
    try:
        told = dialects.parse(body)
    except UnreadableError:
        version = dialects.text(body)
        # Whatever else may answer here, a page for a browser is no version.
        return (Dialect.UNKNOWN, "") if "<" in version else (Dialect.NWAKU, version)
    if isinstance(told, str):
        return Dialect.GO_WAKU, dialects.text(told.encode(errors="replace"))
    return Dialect.UNKNOWN, ""


def _transport(address: str) -> httpx.AsyncBaseTransport:
    """Plain HTTP needs no certificates, whose loading takes a while; HTTPS those of the machine."""
    verify = ssl.create_default_context() if address.startswith("https:") else False
    return httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
