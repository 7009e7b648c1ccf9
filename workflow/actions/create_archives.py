"""``create_archives``: all windows that are due become one generation.

The bytes depend on nothing but the stored messages and their order, so that doing it again after a
crash gives the same bytes in the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from states.community import Event, is_control_node
from workflow.actions.tools import Tools
from workflow.archive.codec import Measure, chunked, encode_archive
from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.windows import Window
from workflow.ports.carrier import Content
from workflow.ports.store import Generation, StoredMessage
from workflow.ports.work import Answer, Transaction, Work


@dataclass(frozen=True, slots=True)
class _Plan:
    may_create: bool
    windows: list[Window]
    topics: tuple[bytes, ...]
    number: int
    lineage: int
    data_length: int
    entries: list[IndexEntry]


@dataclass(frozen=True, slots=True)
class _Made:
    """An archive of this run, and the messages that it holds."""

    entry: IndexEntry
    raw: bytes
    sequences: tuple[int, ...]


async def create_archives(tools: Tools, work: Work) -> Answer[Event]:
    """Answers archives_written, nothing_to_write or control_lost."""
    plan = await work.read(lambda tx: _plan(tools, tx, work.id))
    if not plan.may_create:
        return Answer(Event.CONTROL_LOST)
    made: list[_Made] = []
    end_of_data = plan.data_length
    content = tools.folder.content(work.id, plan.lineage, plan.number, plan.data_length)
    for done, window in enumerate(plan.windows, 1):
        messages = await work.read(lambda tx, at=window: tools.store.unarchived(tx, work.id, at))  # type: ignore[misc]
        for one in _archives_of(window, plan.topics, messages, end_of_data):
            made.append(one)
            end_of_data = one.entry.offset + one.entry.size
        work.report(done, len(plan.windows), "windows")
    if not made:
        return Answer(Event.NOTHING_TO_WRITE, details=_span(plan.windows))
    index = encode_index([*plan.entries, *(one.entry for one in made)])
    await work.in_thread(lambda: _write(tools, content, made, index))
    generation = Generation(work.id, plan.number, plan.lineage, "", end_of_data, is_own=True)

    def writes(tx: Transaction) -> None:
        tools.store.add_generation(tx, generation, [one.entry for one in made])
        for one in made:
            name = tools.store.instance_of(work.id, plan.lineage, one.entry.id)
            tools.store.mark_archived(tx, one.sequences, name)

    return Answer(Event.ARCHIVES_WRITTEN, writes, details=_span(plan.windows))


def _plan(tools: Tools, tx: Transaction, community: str) -> _Plan:
    store = tools.store
    generation = store.generation(tx, community)
    lineage = generation.lineage if generation else store.newest_lineage(tx, community) + 1
    return _Plan(
        may_create=is_control_node(tools.facts(tx, community)),
        windows=store.due_windows(tx, community, tools.clock.now() - tools.grace),
        topics=store.topics(tx, community),
        number=store.next_generation(tx, community),
        lineage=lineage,
        data_length=generation.data_length if generation else 0,
        entries=store.archives(tx, community, lineage),
    )


def _archives_of(
    window: Window, topics: tuple[bytes, ...], messages: Sequence[StoredMessage], offset: int
) -> Iterator[_Made]:
    chunks = chunked(messages, lambda one: Measure(one.weight, len(one.encoded)))
    for chunk in chunks.kept:
        raw = encode_archive(window, topics, (one.encoded for one in chunk))
        entry = IndexEntry.at(offset, window=window, topics=topics, raw_size=len(raw))
        yield _Made(entry, raw, tuple(one.sequence for one in chunk))
        offset += entry.size


def _write(tools: Tools, content: Content, made: Sequence[_Made], index: bytes) -> None:
    def parts() -> Iterator[bytes]:
        for one in made:
            yield one.raw
            yield bytes(one.entry.padding)

    tools.folder.append(content, parts())
    tools.folder.write_index(content, index)


def _span(windows: Sequence[Window]) -> dict[str, int]:
    if not windows:
        return {"from": 0, "to": 0}
    return {"from": windows[0].start, "to": windows[-1].end}
