"""What is said in a community's chats: taken as it comes, and asked for, as not all of it comes.

A network of chats may lose what it delivers, and so may its nodes when they end. One question
finds all that can be missed, whatever the reason: what do you remember of a chat since the moment
until which you told it? That moment is a row for each of those who remember, because each knows
what it heard itself: what only one of them knows comes when that one answers again. It moves with
every page of an answer, after the page's messages are committed, so a crash asks a page anew and
loses nothing. The question is put when a node starts, every minute while it runs, and again when it
failed; one who answers is enough to go on.

What all have forgotten before they were asked is a row as well: a gap, which ``verify`` names.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Final, NamedTuple, cast

from loguru import logger

from states import COMMUNITY
from workflow.actions.tools import Tools, channel_of
from workflow.archive.message import ArchivedMessage
from workflow.engine.engine import Engine
from workflow.errors import JournalClosedError, MessagingError, UnknownCommunityError
from workflow.identity import ID_LENGTH
from workflow.ports.messaging import AHEAD, RETENTION, ChatMessaging, Received, Receiver
from workflow.ports.records import Channel, Gap
from workflow.ports.work import Transaction
from workflow.storing import store_messages
from workflow.waku.chats import topic_of, universal_chat_id
from workflow.waku.recent_hashes import RecentHashes

OVERLAP: Final = 300.0
"""Seconds that are asked for again: nodes are told of messages late, and clocks differ."""
LONG_OVERLAP: Final = 86_400.0
"""The same at a start, after a failure and every so often: some stores are told a day late."""
LONG_EVERY: Final = 3_600.0
"""Seconds between two questions that go back so far."""
TURN: Final = 600.0
"""Seconds that one of those who remember may take; it goes on in the next round."""
REMEMBERED: Final = 4_096
"""How many refused messages are known when they come again."""
AT_ONCE: Final = 1000
"""Messages of one community that are stored in one transaction, at most."""
NOBODY: Final = ""
"""Stands in the place of a source for what came before a chat was followed."""
OTHER_TIME: Final = "message from another time"


class Heard(NamedTuple):
    """A chat of a community, by both ids."""

    community: str
    chat: str


class Listening:
    """Follows the chats of communities, if the network of messages has any.

    ``receive`` takes what the network remembers, of whatever chat; ``fell_behind`` is told of each
    community for which a question has failed, and has ``catch_up`` called again, in time.
    ``patience`` is how long (seconds) archives wait for it.
    """

    def __init__(
        self,
        engine: Engine,
        tools: Tools,
        run: int,
        patience: float,
        receive: Receiver,
        fell_behind: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._tools = tools
        self._run = run
        self._patience = patience
        self._receive = receive
        self._fell_behind = fell_behind
        messaging = tools.messaging
        self._messaging = messaging if isinstance(messaging, ChatMessaging) else None
        self._current: set[str] = set()
        self._waiting: list[tuple[Received, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None
        self._counted = RecentHashes(REMEMBERED)

    async def expect(self, community: str) -> None:
        """Follow its chats: what they say is due from now on, also as long as nobody tells it."""
        if self._messaging is not None:
            await self._due([community], self._messaging)

    async def catch_up(self, community: str) -> None:
        """Ask for what was missed of a community's chats until now.

        Raises ``MessagingError`` when the network could not answer.
        """
        await self._ask([community], LONG_OVERLAP)
        await self._engine.look(
            COMMUNITY.name,
            community,
            lambda tx: self._tools.store.set_caught_up(tx, community, self._run),
        )
        self._current.add(community)

    async def keep_up(self) -> None:
        """Ask again and again for what deliveries have left out, until the journal is closed."""
        asked_long_at = self._tools.clock.now()
        while self._messaging is not None:
            await self._tools.clock.sleep(self._messaging.ask_every)
            now, overlap = self._tools.clock.now(), OVERLAP
            if abs(now - asked_long_at) >= LONG_EVERY:
                asked_long_at, overlap = now, LONG_OVERLAP
            try:
                await self._ask_or_fall_behind(sorted(self._current), overlap)
            except JournalClosedError:
                return
            except Exception as error:  # noqa: BLE001 - the next round finds what this one has not.
                logger.warning("that chats are behind could not be noted: {}", error)

    async def _ask_or_fall_behind(self, current: Sequence[str], overlap: float) -> None:
        try:
            await self._ask(current, overlap)
        except JournalClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is asked again.
            logger.warning("what was said in the chats is not known: {}", error)
            await self._fall_behind(current)

    async def unfollow(self, community: str) -> None:
        """Take nothing more of a community's chats."""
        self._current.discard(community)
        if self._messaging is not None:
            for one in await self._engine.run(lambda tx: self._chats(tx, community)):
                await self._messaging.unsubscribe(one.chat)

    # -- asking -----------------------------------------------------------------------------------

    async def _due(
        self, communities: Sequence[str], messaging: ChatMessaging
    ) -> dict[tuple[float, str], list[Heard]]:
        """What to ask for, see ``_questions``; all of it is subscribed."""
        now = self._tools.clock.now()
        questions = await self._engine.run(lambda tx: self._questions(tx, communities, now))
        for chat in {one.chat for chats in questions.values() for one in chats}:
            await messaging.subscribe(chat)
        return questions

    async def _ask(self, communities: Sequence[str], overlap: float) -> None:
        """Ask for all that the chats of these communities have said since they were heard."""
        if self._messaging is None:
            return
        now = self._tools.clock.now()
        questions = await self._due(communities, self._messaging)
        failed: dict[str, MessagingError] = {}
        # What was heard last is asked for first: it is little.
        for (since, source), chats in sorted(questions.items(), reverse=True):
            if source not in failed:
                try:
                    await self._ask_for(chats, source, since, now, overlap)
                except MessagingError as error:
                    failed[source] = error
        if failed and len(failed) == len(self._messaging.sources):
            raise next(iter(failed.values()))

    async def _ask_for(
        self, chats: Sequence[Heard], source: str, since: float, now: float, overlap: float
    ) -> None:
        messaging = cast("ChatMessaging", self._messaging)
        ids = [one.chat for one in chats]
        async with aclosing(messaging.recalled(ids, since - overlap, source)) as pages:
            async for page in pages:
                await asyncio.gather(*map(self._receive, page))
                await self._set_heard(chats, source, max(since, min(page[-1].at, now)))
                if self._tools.clock.now() > now + TURN:
                    raise MessagingError("it has not told all in its turn", place=source)
        await self._set_heard(chats, source, now)

    def _questions(
        self, tx: Transaction, communities: Sequence[str], now: float
    ) -> dict[tuple[float, str], list[Heard]]:
        """By the moment since which to ask, and whom, the chats to ask for.

        What nobody remembers any more is a gap, beginning with the moment at which the chat was
        first followed: that is what ``NOBODY`` has told.
        """
        store, oldest = self._tools.store, now - RETENTION
        sources = cast("ChatMessaging", self._messaging).sources
        questions: defaultdict[tuple[float, str], list[Heard]] = defaultdict(list)
        for community in filter(partial(self._is_known, tx), communities):
            heard, chats = store.heard(tx, community), self._chats(tx, community)
            has_new = any(one.chat not in heard for one in chats)
            newest = store.newest_times(tx, community, oldest) if has_new else {}
            store.forget_gaps(tx, community, oldest)
            for one in chats:
                told = heard.get(one.chat, {})
                if not told:
                    first = newest.get(topic_of(one.chat), oldest)
                    told = {NOBODY: now, **dict.fromkeys(sources, first)}
                    for source, until in told.items():
                        store.set_heard(tx, [one], source, until)
                elif (until := max(told.values())) < oldest:
                    store.add_gap(tx, community, Gap(one.chat, until, oldest))
                for source in sources:
                    since = told.get(source, oldest)
                    # Told while the clock was wrong: nobody knows until when.
                    since = max(since, oldest) if since <= now else oldest
                    questions[since, source].append(one)
        return questions

    def _is_known(self, tx: Transaction, community: str) -> bool:
        """False when it was removed meanwhile."""
        with suppress(UnknownCommunityError):
            return bool(self._tools.store.community(tx, community))
        return False

    def _chats(self, tx: Transaction, community: str) -> list[Heard]:
        """The chats of a community: where its messages are, its links, and its description."""
        told = [one.chat_id for one in self._tools.store.channels(tx, community) if one.chat_id]
        ids = [*told, universal_chat_id(community), channel_of(community), community]
        return [Heard(community, chat) for chat in dict.fromkeys(ids)]

    async def _set_heard(self, chats: Sequence[Heard], source: str, until: float) -> None:
        await self._engine.run(lambda tx: self._tools.store.set_heard(tx, chats, source, until))

    async def _fall_behind(self, communities: Sequence[str]) -> None:
        """Let archives wait, for a while, until these are caught up again."""
        deadline = self._tools.clock.now() + self._patience
        await self._engine.run(
            lambda tx: self._tools.store.set_behind(tx, communities, self._run, deadline)
        )
        for community in communities:
            self._current.discard(community)
            self._fell_behind(community)

    # -- storing ----------------------------------------------------------------------------------

    async def take(self, message: Received) -> None:
        """Store a message of a chat; it is committed when this returns.

        Those that come meanwhile share the next transaction.
        """
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((message, stored))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_waiting())
        await stored

    async def close(self) -> None:
        """Store nothing more."""
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.wait([self._storing])

    async def _store_waiting(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            batches: defaultdict[str, list[tuple[Received, asyncio.Future[None]]]]
            batches = defaultdict(list)
            for message, stored in waiting:
                batches[message.channel[:ID_LENGTH]].append((message, stored))
            try:
                await asyncio.gather(*(self._store(id, batch) for id, batch in batches.items()))
            finally:  # Whoever is not told yet is not told any more.
                for _, stored in waiting:
                    stored.cancel()

    async def _store(
        self, community: str, batch: list[tuple[Received, asyncio.Future[None]]]
    ) -> None:
        for first in range(0, len(batch), AT_ONCE):
            some = batch[first : first + AT_ONCE]
            problem: Exception | None = None
            try:
                await self._engine.look(
                    COMMUNITY.name,
                    community,
                    lambda tx, some=some: self._write(tx, community, [one for one, _ in some]),  # type: ignore[misc]
                )
            except Exception as error:  # noqa: BLE001 - it is told to those who brought them.
                problem = error
            else:
                self._remember_refused([one for one, _ in some])
            for _, stored in some:
                if stored.done():
                    continue
                if problem is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(problem)

    def _write(self, tx: Transaction, community: str, messages: Iterable[Received]) -> None:
        """Store what is from a time that the network can remember; count the rest."""
        now, universal = self._tools.clock.now(), universal_chat_id(community)
        good, strangers, is_universal = list[ArchivedMessage](), 0, False
        for message in messages:
            envelope = message.envelope
            if envelope is None:
                continue
            if not self._is_of_now(message, now):
                strangers += envelope.hash not in self._counted
                continue
            is_universal |= message.channel == universal
            good.append(
                ArchivedMessage(
                    envelope.sender,
                    envelope.time,
                    topic_of(message.channel),
                    message.payload,
                    envelope.padding,
                    envelope.hash,
                )
            )
        if is_universal and topic_of(universal) not in self._tools.store.topics(tx, community):
            self._tools.store.add_channel(tx, community, Channel(topic_of(universal), universal))
        if strangers:
            self._tools.store.count_refusal(tx, community, OTHER_TIME, strangers)
        store_messages(self._tools, tx, community, good)

    def _is_of_now(self, message: Received, now: float) -> bool:
        """Whether it is from a time that the network can remember, by our clock."""
        return now - RETENTION - LONG_OVERLAP <= message.at <= now + AHEAD

    def _remember_refused(self, messages: Iterable[Received]) -> None:
        """Count each only once; it is looked at anew each time, as a clock may be put right."""
        now = self._tools.clock.now()
        for message in messages:
            if message.envelope is not None and not self._is_of_now(message, now):
                self._counted.add(message.envelope.hash)
