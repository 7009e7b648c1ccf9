"""What stores remember: the answers of all nodes to all questions, merged in the order of time.

A question is about one pubsub topic and a few content topics, so that several are needed; and each
goes to every node, because nodes complete each other. All answers are read side by side, a page of
each in memory. What is yielded never reaches beyond what every answer that still comes has shown,
so whoever stops anywhere has everything until then.

A node that fails is left out, as long as another answers the same question to the end. What is in
no answer is not missed here: a node does not know what it never heard of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import islice
from typing import Final

from loguru import logger

from workflow.adapters.messaging.waku.dialects import MAX_CONTENT_TOPICS, Cursor, Page, Question
from workflow.adapters.messaging.waku.node import WakuNode
from workflow.adapters.messaging.waku.opening import Found
from workflow.errors import MessagingError
from workflow.ports.clock import Clock

ASK_AGAIN_AFTER: Final = (1.0, 2.0, 4.0)
"""Seconds of pauses before a page is asked for again; then the node has failed."""
IDLE_PAGES: Final = 50
"""Pages in a row with nothing new on them, at most: whoever sends more leads us in a circle."""


def questions(
    pubsub_topics: Iterable[str], content_topics: Iterable[str], start: int, end: int
) -> list[Question]:
    """The questions for all of it, from ``start`` until before ``end`` (nanoseconds)."""
    topics = iter(dict.fromkeys(content_topics))
    some = iter(lambda: tuple(islice(topics, MAX_CONTENT_TOPICS)), ())
    return [
        Question(pubsub_topic, asked, start, end)
        for asked in some
        for pubsub_topic in pubsub_topics
    ]


async def recall(
    nodes: Sequence[WakuNode], asked: Sequence[Question], clock: Clock
) -> AsyncGenerator[list[Found], None]:
    """All that these nodes remember, each message once, page by page, the oldest first.

    Raises ``MessagingError`` when no node answers one of the questions to the end, after the pages
    that are sure.
    """
    answers = {question: [_Answer(node, question, clock) for node in nodes] for question in asked}
    everything = [answer for several in answers.values() for answer in several]
    latest, known = -1, set[bytes]()  # the hashes at that time: the next page may repeat them
    while any(answer.goes_on or answer.page for answer in everything):
        async with asyncio.TaskGroup() as group:
            for answer in everything:
                if answer.goes_on and not answer.page:
                    group.create_task(answer.turn())
        for several in answers.values():
            if all(answer.trouble for answer in several):
                raise _incomplete(several)
        shown = [answer.page[-1].time for answer in everything if answer.goes_on]
        until = min(shown, default=None)
        page = []
        for found in sorted(
            (one for answer in everything for one in answer.take(until)), key=lambda one: one.time
        ):
            if found.time > latest:
                latest, known = found.time, set()
            if found.hash not in known:
                known.add(found.hash)
                page.append(found)
        if page:
            yield page


class _Answer:
    """One node's answer to one question, page by page.

    ``page`` has what was not taken yet, ``goes_on`` tells whether there is more to ask for, and
    ``trouble`` why there is not.
    """

    def __init__(self, node: WakuNode, question: Question, clock: Clock) -> None:
        self.page: list[Found] = []
        self.goes_on = True
        self.trouble: MessagingError | None = None
        self._node = node
        self._question = question
        self._clock = clock
        self._cursor: Cursor | None = None
        self._cursors: set[Cursor] = set()
        self._latest = question.start
        self._at_latest: set[bytes] = set()

    async def turn(self) -> None:
        """Turn to the next page that has something new on it, or to the end."""
        idle = 0
        try:
            while self.goes_on and not self.page:
                self._read(await self._ask())
                idle += 1
                if idle > IDLE_PAGES:
                    raise self._rogue("it has ever more pages with nothing on them")
        except MessagingError as error:
            logger.debug("a store failed: {}", error.explained())
            self.trouble, self.goes_on, self.page = error, False, []

    def take(self, until: int | None) -> list[Found]:
        """What is no later than this (nanoseconds), or all; it is here no longer."""
        taken = [one for one in self.page if until is None or one.time <= until]
        self.page = self.page[len(taken) :]
        return taken

    async def _ask(self) -> Page:
        for pause in ASK_AGAIN_AFTER:
            try:
                return await self._node.page(self._question, self._cursor)
            except MessagingError:
                if self._node.lacks_store or self._node.standing.answers is False:
                    raise
            await self._clock.sleep(pause)
        return await self._node.page(self._question, self._cursor)

    def _read(self, page: Page) -> None:
        topic = self._question.pubsub_topic
        found = [Found(topic, message, message.hash(topic)) for message in page.messages]
        found.sort(key=lambda one: one.time)
        if found and found[0].time < self._latest:
            raise self._rogue("it does not answer in the order of time")
        self.page = [one for one in found if one.hash not in self._at_latest]
        if found and found[-1].time > self._latest:
            self._latest, self._at_latest = found[-1].time, set()
        self._at_latest.update(one.hash for one in found if one.time == self._latest)
        self._cursor = page.cursor
        self.goes_on = page.cursor is not None
        if page.cursor is not None:
            if page.cursor in self._cursors:
                raise self._rogue("its pages go in a circle")
            self._cursors.add(page.cursor)

    def _rogue(self, reason: str) -> MessagingError:
        return MessagingError(
            f"what the store tells cannot be right: {reason}",
            place=self._node.address,
            remedy="Ask another node as well; this one is of no use for what was missed.",
        )


def _incomplete(answers: Iterable[_Answer]) -> MessagingError:
    troubles = dict.fromkeys(answer.trouble for answer in answers if answer.trouble)
    return MessagingError(
        "what was missed is not known completely: " + "; ".join(map(str, troubles)),
        remedy=next(iter(troubles)).advice,
    )
