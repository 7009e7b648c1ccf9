"""``create_archives``: all windows that are due become one generation.

The bytes depend on nothing but the stored messages and their order, so that doing it again after a
crash gives the same bytes in the same place. They are streamed from the store into the file: how
many there are makes no difference to the memory that is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from states.community import Event, is_control_node
from workflow.actions.sealing import Seal, seal_of
from workflow.actions.tools import Tools
from workflow.archive.codec import Filling
from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.windows import Window
from workflow.errors import ArchiveInvalidError
from workflow.files.appending import Appending
from workflow.files.torrents import write_torrent
from workflow.ports.carrier import Content
from workflow.ports.records import Generation, Page, Place
from workflow.ports.work import Answer, Transaction, Work

PAGE: Final = 1024 * 1024
"""Bytes of messages that are read at once."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be made: of the messages that were stored ``through`` this sequence."""

    may_create: bool
    windows: list[Window]
    topics: tuple[bytes, ...]
    through: int
    before: Generation | None
    generation: Generation
    entries: list[IndexEntry]
    seal: Seal | None


@dataclass(frozen=True, slots=True)
class _Made:
    """An archive of this run, which holds the messages behind ``after``, up to ``last``."""

    entry: IndexEntry
    after: Place
    last: Place
    count: int


async def create_archives(tools: Tools, work: Work) -> Answer[Event]:
    """Answers archives_written, nothing_to_write or control_lost."""
    plan = await work.read(lambda tx: _plan(tools, tx, work.id))
    if not plan.may_create:
        return Answer(Event.CONTROL_LOST)
    content = tools.folder.content(
        work.id, plan.generation.lineage, plan.generation.number, plan.generation.data_length
    )
    making = _Making(plan, Appending(content, plan.seal))
    try:
        await work.in_thread(lambda: tools.folder.make(content))
        for done, window in enumerate(plan.windows, 1):
            await _archive(tools, work, making, window)
            work.report(done, len(plan.windows), "windows")
        if not making.made:
            return Answer(Event.NOTHING_TO_WRITE, details=_span(plan.windows))
        generation = await work.in_thread(lambda: _finish(tools, content, making))
    finally:
        making.appending.close()

    def writes(tx: Transaction) -> None:
        tools.store.forget_unfinished(tx, work.id)
        tools.store.add_generation(tx, generation, [one.entry for one in making.made])
        for one in making.made:
            _mark(tools, tx, generation, one, plan.through)
        if plan.seal is not None:
            tools.store.set_seq_no(tx, work.id, plan.seal.key, plan.seal.seq_no)

    return Answer(Event.ARCHIVES_WRITTEN, writes, details=_span(plan.windows))


def _plan(tools: Tools, tx: Transaction, id: str) -> _Plan:
    store = tools.store
    before = store.generation(tx, id)
    lineage = before.lineage if before else store.newest_lineage(tx, id) + 1
    return _Plan(
        may_create=is_control_node(tools.facts(tx, id)),
        windows=store.due_windows(tx, id, tools.clock.now() - tools.grace),
        topics=store.topics(tx, id),
        through=store.newest_sequence(tx),
        before=before,
        generation=Generation(
            id,
            store.next_generation(tx, id),
            lineage,
            "",
            before.data_length if before else 0,
            is_own=True,
        ),
        entries=store.archives_of(tx, before) if before else [],
        seal=seal_of(tools, tx, id),
    )


async def _archive(tools: Tools, work: Work, making: _Making, window: Window) -> None:
    """All messages of a window, page by page, into as many archives as it takes."""

    def next_page(tx: Transaction) -> Page:
        return tools.store.unarchived(
            tx,
            work.id,
            window,
            after=making.last,
            through=making.plan.through,
            at_least=PAGE,
            filling=making.filling,
        )

    making.after = making.last = Place(window.start, b"", 0)
    while True:
        page = await work.read(next_page)
        if page.framed:
            await work.in_thread(partial(making.add, window, page))
        elif making.filling.count:
            await work.in_thread(making.end)
        else:
            return


class _Making:
    """Appends archives; the one that was begun is filled so far, with messages up to ``last``."""

    def __init__(self, plan: _Plan, appending: Appending) -> None:
        self.plan = plan
        self.appending = appending
        self.made: list[_Made] = []
        self.filling = Filling()
        self.after = self.last = Place(0, b"", 0)

    def add(self, window: Window, page: Page) -> None:
        """Messages that the archive takes, or with which the next one begins."""
        if self.filling.count == 0:
            self.appending.begin(window, self.plan.topics)
        self.appending.add(page.framed)
        self.filling, self.last = page.filling, page.last

    def end(self) -> None:
        """The archive takes no more, or its window is over."""
        entry = self.appending.end()
        self.made.append(_Made(entry, self.after, self.last, self.filling.count))
        self.filling, self.after = Filling(), self.last


def _finish(tools: Tools, content: Content, making: _Making) -> Generation:
    """Everything else that the generation consists of, in the order that no crash can hurt."""
    plan = making.plan
    new_pieces = making.appending.finish()
    index = encode_index([*plan.entries, *(one.entry for one in making.made)])
    if plan.seal is not None:
        index = plan.seal(index)
    tools.folder.write_index(content, index)
    before = plan.before
    info_hash = write_torrent(
        content,
        making.appending.length,
        index,
        new_pieces,
        before=None if before is None else tools.folder.content_of(before),
        info_hash=before.info_hash if before is not None else "",
    )
    return replace(plan.generation, data_length=making.appending.length, info_hash=info_hash)


def _mark(tools: Tools, tx: Transaction, generation: Generation, made: _Made, through: int) -> None:
    name = tools.store.instance_of(generation.community, generation.lineage, made.entry.id)
    marked = tools.store.mark_archived(
        tx, generation.community, made.after, made.last, through=through, archive=name
    )
    if marked != made.count:
        raise ArchiveInvalidError(
            f"{made.count} messages were written, of which {marked} are still unarchived",
            place=made.entry.id,
            remedy="Nothing: it is made again.",
        )


def _span(windows: Sequence[Window]) -> dict[str, int]:
    if not windows:
        return {"from": 0, "to": 0}
    return {"from": windows[0].start, "to": windows[-1].end}
