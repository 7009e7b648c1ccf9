"""Links as they come in: live from the network, or asked for after an absence."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

from loguru import logger

from states import COMMUNITY
from states.community import Event
from workflow.actions.receive_link import ReceiveLink
from workflow.actions.tools import Tools, channel_of, community_of
from workflow.archive.announcement import open_announcement
from workflow.engine.engine import Engine
from workflow.engine.rows import Request
from workflow.errors import (
    AnnouncementInvalidError,
    JournalClosedError,
    JournalWriteError,
    LinkRefusedError,
    UnknownInstanceError,
)
from workflow.ports.messaging import RETENTION, Received
from workflow.ports.work import Transaction, Writes

ASK_AGAIN: Final = 60.0
"""Seconds until a network that could not answer is asked again."""
ASKERS: Final = 16
"""How many communities' missed links are asked for at once."""
TOLD_AGAIN: Final = re.compile("10*")
"""Which counts of refusals are logged: 1, 10, 100 and so on."""


class Links:
    """Follows the channels on which communities announce."""

    def __init__(self, engine: Engine, tools: Tools, run: int) -> None:
        self._engine = engine
        self._tools = tools
        self._run = run
        self._tasks: set[asyncio.Task[None]] = set()
        self._unasked: asyncio.Queue[str] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Connect to both networks."""
        self._loop = asyncio.get_running_loop()
        await self._tools.carrier.open(self._health_changed)
        await self._tools.messaging.open(self.receive)
        for _ in range(ASKERS):
            self._in_background(self._ask_on())

    async def close(self) -> None:
        """Let go of both networks."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._tools.messaging.close()
        await self._tools.carrier.close()

    async def follow(self, community: str) -> None:
        """Take links of this community from now on, and ask for those that were missed."""
        await self._tools.messaging.subscribe(channel_of(community))
        self._unasked.put_nowait(community)

    async def unfollow(self, community: str) -> None:
        """Take no more links of this community."""
        await self._tools.messaging.unsubscribe(channel_of(community))

    async def receive(self, message: Received) -> None:
        """A verified, new link becomes an event; every other message is counted by reason."""
        community = community_of(message.channel)
        # Of a community that nobody follows not even the refusals are counted.
        with suppress(AnnouncementInvalidError, LinkRefusedError, UnknownInstanceError):
            async with self.counted(community):
                opened = open_announcement(message.payload)
            await self.take(community, ReceiveLink(self._tools, community, opened), "network")

    async def take(self, community: str, writes: Writes, actor: str) -> None:
        """Make a link an event, if these writes verify it; else it is counted.

        Raises ``LinkRefusedError`` then, and ``UnknownInstanceError``.
        """
        async with self.counted(community):
            await self._engine.send(
                COMMUNITY.name, community, Request(Event.LINK_RECEIVED, actor, writes)
            )

    @asynccontextmanager
    async def counted(self, community: str) -> AsyncIterator[None]:
        """Whatever is refused within is counted by its reason."""
        try:
            yield
        except AnnouncementInvalidError as error:
            await self._count(community, error.code)
            raise
        except LinkRefusedError as error:
            if error.is_counted:
                await self._count(community, error.reason)
            raise

    async def _ask_on(self) -> None:
        """One of those who ask, a community at a time, for links that were missed."""
        while True:
            community = await self._unasked.get()
            try:
                await self._ask(community)
            except JournalClosedError:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on.
                logger.bind(community=community).warning("missed links: {}", error)
                self._in_background(self._ask_again(community))

    async def _ask(self, community: str) -> None:
        since = self._tools.clock.now() - RETENTION
        async with aclosing(self._tools.messaging.stored(channel_of(community), since)) as stored:
            async for message in stored:
                await self.receive(message)
        await self._engine.look(
            COMMUNITY.name,
            community,
            lambda tx: self._tools.store.set_caught_up(tx, community, self._run),
        )

    async def _ask_again(self, community: str) -> None:
        await self._tools.clock.sleep(ASK_AGAIN)
        self._unasked.put_nowait(community)

    async def _count(self, community: str, reason: str) -> None:
        def count(tx: Transaction) -> int:
            self._tools.store.count_refusal(tx, community, reason)
            return self._tools.store.refusals(tx, community).get(reason, 0)

        often = await self._engine.run(count)
        if TOLD_AGAIN.fullmatch(str(often)):  # A flood of forgeries is no flood in the log.
            logger.bind(community=community).info("links refused, {} so far: {}", often, reason)

    def _health_changed(self, locator: str) -> None:
        """Called from any thread: whoever rests on this locator looks again."""
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop has ended, and with it all interest.
                self._loop.call_soon_threadsafe(lambda: self._in_background(self._look_at(locator)))

    async def _look_at(self, locator: str) -> None:
        while True:
            try:
                for community in await self._engine.run(
                    lambda tx: self._tools.store.communities_of(tx, locator)
                ):
                    await self._engine.look(COMMUNITY.name, community)
            except JournalWriteError as error:  # The disk that failed may be the journal's, too.
                logger.warning("{}; tried again in {} s", error, ASK_AGAIN)
                await self._tools.clock.sleep(ASK_AGAIN)
            else:
                return

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        async def until_closed() -> None:
            with suppress(JournalClosedError):
                await work

        task = asyncio.get_running_loop().create_task(until_closed())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
