"""What of a community's history is here, by channel and week, and what is not, and why.

Nobody could tell complete history from partial: this says it. Every byte that the database claims
is on the disk is read, and every message that an archive holds is looked for in the store.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from states.archive_import import State
from states.community import is_control_node
from workflow.actions.tools import Tools
from workflow.adopting import no_progress
from workflow.archive.codec import unpack_archive
from workflow.archive.message import EncodedMessage
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import RatchetKey, readable
from workflow.archive.torrent import Info
from workflow.archive.windows import Window, window_containing
from workflow.engine.history import steps_of
from workflow.errors import ArchiveError, ContentDamagedError, RatchetKeyMissingError
from workflow.files.folder import read_archive
from workflow.files.torrents import Damage, damages, torrent_of
from workflow.ports.carrier import Content
from workflow.ports.records import (
    ALL,
    ArchiveState,
    Channel,
    Choice,
    Community,
    Gap,
    Generation,
    StoredMessage,
    Tally,
)
from workflow.ports.work import Progress, Transaction
from workflow.waku.chats import topic_of, universal_chat_id

FORGOTTEN: Final = "the network had forgotten it when it was asked"
NOT_TOLD: Final = "the network has not told it yet"

Run = Callable[[Callable[[Transaction], Any]], Any]
"""Runs a query in a transaction and returns its result."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One channel in one week: how many messages are stored, and of those in an archive.

    ``let_go`` is how many of the archived ones only their archive still holds. ``why`` says what
    is missing; it is empty when nothing is.
    """

    window: Window
    channel: Channel
    stored: int
    archived: int
    let_go: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """The archives of one window: how many there are, are on this disk, and are imported.

    ``not_chosen`` are not here, and nobody wants them.
    """

    window: Window
    archives: int
    here: int
    imported: int
    not_chosen: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A stretch of time (seconds, UTC epoch) of a channel that the network has not told, and why.

    Whether anything was said then nobody knows.
    """

    channel: Channel
    since: float
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be: where, and what."""

    place: str
    text: str


@dataclass(slots=True)
class Coverage:
    """A community's history as it was found. ``bytes_read`` were read from the disk."""

    community: Community
    choice: Choice = ALL
    weeks: list[Week] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    unheard: list[Unheard] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bytes_read: int = 0

    @property
    def is_complete(self) -> bool:
        """Nothing that was chosen is missing, nothing unheard, and nothing is damaged.

        Messages of a week that is not over yet miss nothing.
        """
        whys = [week.why for week in self.weeks] + [cell.why for cell in self.cells]
        return not self.problems and not self.unheard and not any(whys)


def examine(tools: Tools, run: Run, community: str, progress: Progress = no_progress) -> Coverage:
    """Look at everything that is kept of a community; blocks, for as long as reading it takes."""
    known: _Known = run(lambda tx: _Known.read(tools, tx, community))
    coverage = Coverage(known.community, known.choice)
    coverage.weeks = list(known.weeks())
    coverage.cells = list(known.cells(tools))
    coverage.unheard = sorted(known.unheard(tools), key=lambda one: (one.since, one.until))
    if known.generation is not None:
        content = tools.folder.content_of(known.generation)
        coverage.problems += _check_bytes(known, content, coverage, progress)
        coverage.problems += _check_messages(tools, run, known, progress)
    return coverage


def confirmation(tools: Tools, tx: Transaction, community: str) -> Callable[[StoredMessage], bool]:
    """Tells of a stored message whether it counts when archives replace what was received.

    The specification's replacement: in the range of archives, all of them imported, a member keeps
    only what one of them holds. On the control node, which decides what they hold, all counts.
    """
    if is_control_node(tools.facts(tx, community)):
        return lambda _: True
    archives = tools.store.archive_states(tx, community)
    edges = sorted({edge for one in archives for edge in (one.entry.start, one.entry.end)})
    covered = [False, *(_is_covered(archives, Window(edge, edge + 1)) for edge in edges)]
    return lambda one: one.archive is not None or not covered[bisect_right(edges, one.time)]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says."""

    community: Community
    choice: Choice
    generation: Generation | None
    archives: list[ArchiveState]
    tallies: list[Tally]
    channels: dict[bytes, Channel]
    heard: dict[str, dict[str, float]]
    gaps: list[Gap]
    keys: list[RatchetKey]
    reasons: dict[str, str]
    is_control_node: bool
    data: Path

    @classmethod
    def read(cls, tools: Tools, tx: Transaction, id: str) -> _Known:
        store = tools.store
        archives = store.archive_states(tx, id)
        return cls(
            store.community(tx, id),
            store.choice(tx, id),
            store.generation(tx, id),
            archives,
            store.tallies(tx, id),
            _by_topic(store.channels(tx, id)),
            store.heard(tx, id),
            store.gaps(tx, id),
            store.ratchet_keys(tx, id),
            {
                one.instance: _reason(tx, one.instance)
                for one in archives
                if one.state == State.QUARANTINED.name
            },
            is_control_node(tools.facts(tx, id)),
            tools.folder.content(id, store.newest_lineage(tx, id), 0, 0).data,
        )

    def weeks(self) -> Iterator[Week]:
        """The windows for which there are archives, oldest first."""
        chosen = self.choice.of([one.entry for one in self.archives])
        by_window: defaultdict[Window, list[ArchiveState]] = defaultdict(list)
        for one in self.archives:
            by_window[one.entry.window].append(one)
        for window, archives in sorted(by_window.items()):
            imported = sum(_is_imported(one) for one in archives)
            wanted = [one for one in archives if one.is_here or one.entry.id in chosen]
            whys = sorted({self._why(one) for one in wanted} - {""})
            yield Week(
                window,
                len(archives),
                sum(one.is_here for one in archives),
                imported,
                len(archives) - len(wanted),
                "; ".join(whys),
            )

    def cells(self, tools: Tools) -> Iterator[Cell]:
        """The channels and windows with messages, by window and channel."""
        now, grace = tools.clock.now(), tools.grace
        for tally in self.tallies:
            window = window_containing(
                tally.time, self.community.anchor or 0, self.community.interval
            )
            loose = tally.stored - tally.archived
            why = ""
            if loose and self.is_control_node and window.end + grace < now:
                why = f"{loose} not archived yet"
            elif loose and not self.is_control_node and _is_covered(self.archives, window):
                why = f"{loose} are in no archive of this week"
            channel = self.channels.get(tally.topic, Channel(tally.topic))
            yield Cell(window, channel, tally.stored, tally.archived, tally.let_go, why)

    def unheard(self, tools: Tools) -> Iterator[Unheard]:
        """What the network of chats has not told of weeks that are over."""
        chats = {one.chat_id: one for one in self.channels.values() if one.chat_id}
        universal = universal_chat_id(self.community.id)
        chats.setdefault(universal, Channel(topic_of(universal), universal))
        for gap in self.gaps:
            if gap.chat in chats:
                yield Unheard(chats[gap.chat], gap.since, gap.until, FORGOTTEN)
        over, interval = int(tools.clock.now() - tools.grace), self.community.interval
        begun = over - interval
        if self.community.anchor is not None:
            begun = window_containing(over, self.community.anchor, interval).start
        for chat, sources in self.heard.items():
            until = max(sources.values())
            if chat in chats and until < begun:
                yield Unheard(chats[chat], until, begun, NOT_TOLD)

    def _why(self, one: ArchiveState) -> str:
        if _is_imported(one):
            return ""
        if one.instance in self.reasons:
            return f"an archive is in quarantine: {self.reasons[one.instance]}"
        if one.is_locked:
            return "an archive waits for the community's key"
        return "an archive is not imported yet" if one.is_here else "an archive is not here yet"


def _check_bytes(
    known: _Known, content: Content, coverage: Coverage, progress: Progress
) -> Iterator[Problem]:
    """Every byte of the current generation that is here, against its info-hash."""
    generation = cast("Generation", known.generation)
    info = _info(content, generation.info_hash)
    if isinstance(info, Problem):
        yield info
        return
    numbers: Sequence[int] = info.data_pieces
    archives = [one for one in known.archives if one.entry.offset < content.data_length]
    if not all(one.is_here for one in archives):
        here = (info.pieces_of(one.entry) for one in archives if one.is_here)
        numbers = sorted({number for numbers in here for number in numbers})
    total = len(numbers) * PIECE_LENGTH + info.index_length
    for found in damages(content, info, numbers):
        if isinstance(found, Damage):
            pieces = f"bytes {found.offset} to {found.offset + found.length}"
            yield Problem(str(found.path), f"{pieces}: {found.problem}")
        else:
            coverage.bytes_read += found
            progress(coverage.bytes_read, total, "bytes")


def _info(content: Content, info_hash: str) -> Info | Problem:
    torrent = torrent_of(content, info_hash)
    if torrent is not None:
        return torrent.info
    return Problem(str(content.torrent), "it is missing or another's; seeding makes it again")


def _check_messages(tools: Tools, run: Run, known: _Known, progress: Progress) -> Iterator[Problem]:
    """Every message of every archive that is imported: is it in the store?"""
    total = len(known.archives)
    for done, one in enumerate(known.archives, 1):
        if _is_imported(one):
            yield from _compare(tools, run, known, one)
        progress(done, total, "archives")


def _compare(tools: Tools, run: Run, known: _Known, one: ArchiveState) -> Iterator[Problem]:
    try:
        raw = readable(read_archive(known.data, one.entry), known.keys)
        messages = unpack_archive(raw, one.entry)
    except RatchetKeyMissingError:
        return
    except (ArchiveError, ContentDamagedError) as error:
        yield Problem(one.entry.id, str(error))
        return
    id = known.community.id
    lacking: list[EncodedMessage] = run(lambda tx: tools.store.unknown_messages(tx, id, messages))
    if lacking:
        text = f"{len(lacking)} of its {len(messages)} messages are not stored"
        yield Problem(one.entry.id, text)
    if one.messages > len(messages):
        yield Problem(
            one.entry.id,
            f"{one.messages} stored messages are said to be in it, and it holds {len(messages)}",
        )


def _is_covered(archives: list[ArchiveState], window: Window) -> bool:
    """Whether archives cover a window and all of them are imported."""
    over = [
        one for one in archives if one.entry.start < window.end and window.start < one.entry.end
    ]
    return bool(over) and all(map(_is_imported, over))


def _is_imported(one: ArchiveState) -> bool:
    return one.is_here and one.state in ("", State.IMPORTED.name)


def _by_topic(channels: list[Channel]) -> dict[bytes, Channel]:
    """The first channel of each topic; what has a name before what is only known as a topic."""
    named_first = sorted(channels, key=lambda one: not one.name)
    return {one.topic: one for one in reversed(named_first)}


def _reason(tx: Transaction, instance: str) -> str:
    steps = [one for one in steps_of(tx, "archive", instance) if "problem" in one.details]
    return str(steps[-1].details["problem"]) if steps else "its reason is not known"
