"""Chats that were kept elsewhere become messages of a community, ready to be archived.

A post becomes a message that the community signs, so only the control node can do it. It is known
by its own id for ever after: importing again, or files that overlap, stores nothing twice. Posts of
weeks that are archived already become supplements. Memory does not grow with the size of the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from workflow.archive.codec import Measure, fits_nowhere
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.archive.windows import Window, window_containing
from workflow.chat import post as chat
from workflow.chat.discord import export_files, read_export
from workflow.chat.jsonl import Line, read_lines
from workflow.chat.payload import archived
from workflow.chat.post import Post, Problem, chat_id_of, clean, unique_names
from workflow.errors import ExportInvalidError
from workflow.ports.keys import Keys
from workflow.ports.records import ArchiveState, Channel, Community
from workflow.waku.chats import topic_of

Item: TypeAlias = chat.Channel | Post | Line | Problem
"""What a source says, one thing after another: channels before their messages."""

BATCH: Final = 2000
"""Messages that are stored together, at most."""
BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bytes of messages that are stored together, about."""
SHOWN_PROBLEMS: Final = 100
"""Problems that a report names; of more it tells the number."""
_NO_SIGNATURE: Final = bytes(65)


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do: counts of messages.

    ``channels`` counts the new ones by channel name, ``weeks`` by window, ``cells`` by both.
    ``known`` were stored before, ``doubled`` came more than once in the source. ``late`` are those
    of the new ones whose week is archived already: they become supplements. ``size`` is in bytes,
    as archives hold them.
    """

    new: int = 0
    known: int = 0
    doubled: int = 0
    late: int = 0
    size: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    weeks: Counter[Window] = field(default_factory=Counter)
    cells: Counter[tuple[Window, str]] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, problem: Problem) -> None:
        """One more thing that could not be read."""
        self.problem_count += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)

    def as_data(self) -> dict[str, Any]:
        """The report as plain values: what is printed as JSON, and crosses processes."""
        return {
            "new": self.new,
            "known": self.known,
            "doubled": self.doubled,
            "late": self.late,
            "bytes": self.size,
            "channels": dict(self.channels),
            "weeks": [
                {"from": week.start, "to": week.end, "messages": count}
                for week, count in sorted(self.weeks.items())
            ],
            "cells": [
                {"channel": channel, "from": week.start, "to": week.end, "messages": count}
                for (week, channel), count in sorted(self.cells.items())
            ],
            "renamed": self.renamed,
            "problems": [
                {"file": one.file, "position": one.position, "what": one.what}
                for one in self.problems
            ],
            "problem_count": self.problem_count,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ImportReport:
        """The report of which these are the plain values."""
        return cls(
            data["new"],
            data["known"],
            data["doubled"],
            data["late"],
            data["bytes"],
            Counter(data["channels"]),
            Counter({Window(one["from"], one["to"]): one["messages"] for one in data["weeks"]}),
            Counter(
                {
                    (Window(one["from"], one["to"]), one["channel"]): one["messages"]
                    for one in data["cells"]
                }
            ),
            dict(data["renamed"]),
            data["problem_count"],
            [Problem(**one) for one in data["problems"]],
        )


def _none(_: set[str]) -> set[str]:
    return set()


@dataclass(frozen=True, slots=True)
class Before:
    """What there was before an import: the archived weeks, and which of some ids were known."""

    weeks: frozenset[Window] = frozenset()
    known: Callable[[set[str]], set[str]] = _none


def archived_weeks(archives: Iterable[ArchiveState]) -> frozenset[Window]:
    """The windows of these archives."""
    return frozenset(one.entry.window for one in archives)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages to be stored together, each once: by the id that it is known by."""

    items: tuple[tuple[str, Post | ArchivedMessage], ...]


def read_discord(paths: Iterable[Path]) -> Iterator[Item]:
    """Exports of DiscordChatExporter: files, folders, parts. Raises ``ExportInvalidError``."""
    for file in export_files(paths):
        yield from read_export(file)


def read_jsonl(path: Path, called: str = "") -> Iterator[Item]:
    """A file of lines, as ``workflow.chat.jsonl`` describes them; problems name it so.

    Raises ``ExportInvalidError``.
    """
    try:
        with path.open("rb") as stream:
            yield from read_lines(stream, called or str(path))
    except OSError as error:
        raise ExportInvalidError(
            f"the file cannot be read: {error.strerror}", place=str(path)
        ) from error


class Importer:
    """Turns what a source says into messages of one community.

    Its channels are those of the community and, by ``meet``, those of the source.
    """

    def __init__(
        self, community: Community, channels: Iterable[Channel], keys: Keys | None
    ) -> None:
        self._community = community
        self._keys = keys
        of_community = list(channels)
        self._known = {one.chat_id: one for one in of_community if one.chat_id}
        self._topics = {one.topic for one in of_community}
        self._anchor = community.anchor
        self.report = ImportReport()

    def meet(self, channels: Iterable[chat.Channel]) -> list[Channel]:
        """The source's channels that the community does not have yet, under names of their own.

        Channels are told apart by their ids; a name that is taken gets a number behind it.
        """
        by_chat = {chat_id_of(self._community.id, one.id): one for one in channels}
        new = {chat_id: one for chat_id, one in by_chat.items() if chat_id not in self._known}
        names = unique_names(new.values())
        taken = {one.name.casefold() for one in self._known.values()}
        met: list[Channel] = []
        for chat_id, one in new.items():
            name, number = names[one.id], 2
            while name.casefold() in taken:
                name, number = f"{names[one.id]}-{number}", number + 1
            if name != one.name:
                self.report.renamed[f"{one.name} ({one.id})"] = name
            taken.add(name.casefold())
            met.append(Channel(topic_of(chat_id), chat_id, name, one.category))
        self._known |= {one.chat_id: one for one in met}
        self._topics |= {one.topic for one in met}
        return met

    def batches(self, items: Iterable[Item]) -> Iterator[Batch | list[Channel]]:
        """What is to be stored: channels that no message named before, and messages."""
        waiting: dict[str, Post | ArchivedMessage] = {}
        size = 0
        for item in items:
            if isinstance(item, Problem):
                self.report.add_problem(item)
                continue
            if isinstance(item, chat.Channel):
                if met := self.meet([item]):
                    yield met
                continue
            taken = self._taken(item)
            if taken is None:
                continue
            if isinstance(taken, Post) and (met := self._meet_channel_of(taken)):
                yield met
            name = self._name(taken)
            self.report.doubled += name in waiting
            size += _size(taken)
            waiting[name] = _newer(waiting[name], taken) if name in waiting else taken
            if len(waiting) >= BATCH or size >= BATCH_BYTES:
                yield _sorted(waiting)
                waiting, size = {}, 0
        if waiting:
            yield _sorted(waiting)

    def messages(self, batch: Batch, known: set[str]) -> list[EncodedMessage]:
        """The messages of a batch that are not ``known`` by their ids, signed and encoded."""
        here = known | {name for name, _ in batch.items}
        made = []
        for name, item in batch.items:
            if name in known:
                self.report.known += 1
                continue
            try:
                message = item if isinstance(item, ArchivedMessage) else self._archived(item, here)
            except ExportInvalidError as error:
                self.report.add_problem(Problem(error.place, 0, str(error)))
                continue
            packed = message.packed()
            if fits_nowhere(Measure(packed.weight, len(packed.encoded))):
                self.report.add_problem(Problem(name, 0, "it is too large for any archive"))
            else:
                made.append(packed)
        return made

    def asked_for(self, batch: Batch) -> set[str]:
        """The ids whose being stored makes a difference: of the messages, and of the replied to."""
        replied = {
            self._community.id + item.reply_to
            for _, item in batch.items
            if isinstance(item, Post) and item.reply_to
        }
        return replied | {name for name, _ in batch.items}

    def count(
        self, messages: Iterable[EncodedMessage], known: int, archived: frozenset[Window]
    ) -> None:
        """These are new, and so many others were known."""
        self.report.known += known
        names = {one.topic: one.name for one in reversed(self._known.values())}
        batch = list(messages)
        if self._anchor is None and batch:  # The store will begin its grid there, too.
            self._anchor = min(message.time for message in batch)
        for message in batch:
            window = window_containing(message.time, self._anchor or 0, self._community.interval)
            name = names.get(message.topic, message.topic.hex())
            self.report.new += 1
            self.report.late += window in archived
            self.report.size += len(message.encoded)
            self.report.channels[name] += 1
            self.report.weeks[window] += 1
            self.report.cells[window, name] += 1

    def _taken(self, item: Post | Line) -> Post | ArchivedMessage | None:
        """The message itself if it is one of this community's, else the post that it says."""
        if isinstance(item, Post):
            return item
        if item.message is not None and item.message.topic in self._topics:
            return item.message
        if item.post is None:
            self.report.add_problem(
                Problem("a line", 0, "a message of another community that cannot be read")
            )
        return item.post

    def _meet_channel_of(self, post: Post) -> list[Channel]:
        if chat_id_of(self._community.id, post.channel) in self._known:
            return []
        return self.meet([chat.Channel(post.channel, name=post.channel)])

    def _name(self, item: Post | ArchivedMessage) -> str:
        if isinstance(item, Post):
            return self._community.id + clean(item.id)
        return item.third_party_id or item.packed().digest.hex()

    def _archived(self, post: Post, here: set[str]) -> ArchivedMessage:
        return archived(
            post,
            self._community.id,
            chat_id_of(self._community.id, post.channel),
            self._sign,
            reply_is_known=self._community.id + post.reply_to in here,
        )

    def _sign(self, digest: bytes) -> bytes:
        if self._keys is None:  # A dry run: as long as a signature.
            return _NO_SIGNATURE
        return self._keys.sign(self._community.control_key, digest)


def _sorted(waiting: dict[str, Post | ArchivedMessage]) -> Batch:
    # Archives tell seconds, and beyond them the order in which messages were stored.
    return Batch(tuple(sorted(waiting.items(), key=lambda named: _time_ms(named[1]))))


def _time_ms(item: Post | ArchivedMessage) -> int:
    return item.time_ms if isinstance(item, Post) else item.timestamp * 1000


def _newer(one: Post | ArchivedMessage, other: Post | ArchivedMessage) -> Post | ArchivedMessage:
    """Of the same message twice, the one that was edited last."""
    if isinstance(one, Post) and isinstance(other, Post):
        return other if (other.edited_ms or 0) > (one.edited_ms or 0) else one
    return one


def _size(item: Post | ArchivedMessage) -> int:
    if isinstance(item, ArchivedMessage):
        return len(item.payload)
    return len(item.text) + sum(len(one.payload or b"") for one in item.attachments)
