"""What comes in: live from the network, or asked for after an absence.

Links, and what descriptions say of them, are verified here; what is said in chats goes on to
``listening``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

from loguru import logger

from states import COMMUNITY
from states.community import Event
from workflow.actions.receive_link import ReceiveDescription, ReceiveLink
from workflow.actions.tools import Tools, channel_of, community_of
from workflow.archive.announcement import open_announcement, open_description
from workflow.engine.engine import Engine
from workflow.engine.rows import Request
from workflow.errors import (
    AnnouncementInvalidError,
    JournalClosedError,
    JournalWriteError,
    LinkRefusedError,
    UnknownCommunityError,
    UnknownInstanceError,
)
from workflow.identity import ID_LENGTH
from workflow.listening import Listening
from workflow.ports.messaging import RETENTION, Envelope, Received
from workflow.ports.work import Transaction, Writes
from workflow.waku.recent_hashes import RecentHashes
from workflow.waku.segments import Reassembly

ASK_AGAIN: Final = 60.0
"""Seconds until a network that could not answer is asked again."""
ASKERS: Final = 16
"""How many communities' missed links are asked for at once."""
REMEMBERED: Final = 65_536
"""How many of the links and descriptions that were taken are known when they come again."""
TOLD_AGAIN: Final = re.compile("10*")
"""Which counts of refusals are logged: 1, 10, 100 and so on."""


class Links:
    """Follows the channels on which communities announce, and their chats if there are any.

    ``patience`` is how long (seconds) archives wait for what was missed while a node runs.
    """

    def __init__(self, engine: Engine, tools: Tools, run: int, patience: float) -> None:
        self._engine = engine
        self._tools = tools
        self._listening = Listening(engine, tools, run, patience, self.receive, self._asked_again)
        self._reassembly = Reassembly()
        self._taken = RecentHashes(REMEMBERED)
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
        self._in_background(self._listening.keep_up())

    async def close(self) -> None:
        """Let go of both networks."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._tools.messaging.close()
        await self._listening.close()
        await self._tools.carrier.close()

    async def follow(self, community: str) -> None:
        """Take links of this community from now on, and ask for those that were missed."""
        await self._tools.messaging.subscribe(channel_of(community))
        self._unasked.put_nowait(community)

    async def unfollow(self, community: str) -> None:
        """Take no more links of this community."""
        self._taken.clear()  # Who follows it again is to hear all again.
        await self._listening.unfollow(community)
        await self._tools.messaging.unsubscribe(channel_of(community))

    async def receive(self, message: Received) -> None:
        """Take a message of whatever kind: by its channel it is known what it should be.

        A link that was taken is not taken again; networks repeat, and are asked for what they know.
        """
        community, envelope = community_of(message.channel), message.envelope
        if envelope is None:
            await self._receive_link(community, message.payload)
        elif len(community) > ID_LENGTH:
            await self._listening.take(message)
        elif envelope.hash not in self._taken:
            if (whole := self._whole(message, envelope)) is not None:
                if message.channel == community:
                    await self._receive_description(community, whole)
                else:
                    await self._receive_link(community, whole)
            self._taken.add(envelope.hash)

    def _whole(self, message: Received, envelope: Envelope) -> bytes | None:
        """The message, if it is one; of several parts, with the last of them."""
        now = self._tools.clock.now()
        whole = self._reassembly.take(envelope.sender, message.payload, now)
        return whole if isinstance(whole, bytes) else None

    async def _receive_link(self, community: str, message: bytes) -> None:
        """A verified, new link becomes an event; every other message is counted by reason."""
        # Of a community that nobody follows not even the refusals are counted.
        with suppress(AnnouncementInvalidError, LinkRefusedError, UnknownInstanceError):
            async with self.counted(community):
                opened = open_announcement(message)
            await self.take(community, ReceiveLink(self._tools, community, opened), "network")

    async def _receive_description(self, community: str, message: bytes) -> None:
        """What a description says of the newest link is kept; much else comes on its channel."""
        with suppress(AnnouncementInvalidError, LinkRefusedError, UnknownCommunityError):
            opened = open_description(message)
            async with self.counted(community):
                await self._engine.run(ReceiveDescription(self._tools, community, opened))

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
            except UnknownInstanceError:
                continue  # It was removed meanwhile.
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on.
                logger.bind(community=community).warning("missed messages: {}", error)
                self._asked_again(community)

    async def _ask(self, community: str) -> None:
        await self._listening.expect(community)
        since = self._tools.clock.now() - RETENTION
        async with aclosing(self._tools.messaging.stored(channel_of(community), since)) as stored:
            async for message in stored:
                await self.receive(message)
        # Only now: an owner who comes back learns first of links of its own.
        await self._listening.catch_up(community)

    def _asked_again(self, community: str) -> None:
        self._in_background(self._ask_again(community))

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
