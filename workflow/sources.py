"""Where readable history comes from: a community's store, or archives wherever somebody left them.

Both give the same messages in the same order, and a ``Reader`` makes posts of them. What cannot be
shown is counted, never passed over in silence.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from workflow.actions.tools import Tools
from workflow.archive.index import IndexEntry
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.archive.ratchet import RatchetKey
from workflow.archive.windows import Window
from workflow.chat.post import MAX_ID_LENGTH, Channel, Post
from workflow.chat.readable import Unreadable, post_of
from workflow.coverage import confirmation
from workflow.errors import ArchiveError, ArchivesNotFoundError, ContentDamagedError
from workflow.files.found import find_archives
from workflow.ports.records import StoredMessage
from workflow.ports.work import Transaction
from workflow.stored import ALWAYS, Pages

Run = Callable[[Callable[[Transaction], Any]], Any]
"""Runs a query in a transaction and returns its result."""

MAX_CHANNELS: Final = 20_000
"""Channels that are told apart: any message may claim to stand in one of its own."""

TOGETHER: Final = 10_000
"""Messages of one second that are put in order, at most."""

TOGETHER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of messages of one second that are put in order, about."""

_DAY: Final = 86_400
_FOREVER: Final = 2**62
_ID_LENGTH: Final = 68  # of a community's id: 0x and 33 bytes in hexadecimal
_SHOWN: Final = 8  # characters of a name that nobody gave


class Source(Protocol):
    """History that can be read.

    ``community`` is its id, empty when the archives do not tell. ``channels`` are the ones that are
    known before reading. ``problems`` names, once read, the archives that could not be.
    """

    name: str
    community: str
    channels: tuple[Channel, ...]
    problems: list[str]

    def newest(self) -> int:
        """The second after which there are no messages."""

    def messages(self, window: Window = ALWAYS) -> Iterator[ArchivedMessage]:
        """The messages of a window (seconds), by time, topic, and the order of storing."""


class StoredHistory:
    """A community in a data directory; what the store has let go of comes from the archives.

    Reading raises ``ContentDamagedError`` or an ``ArchiveError`` when they do not hold it. With
    ``is_confirmed``, what archives do not hold although they should is left out.
    """

    def __init__(self, tools: Tools, run: Run, id: str, *, is_confirmed: bool = False) -> None:
        self._tools = tools
        self._run = run
        known = run(lambda tx: tools.store.community(tx, id))
        self.name: str = known.name
        self.community = id
        self.channels = tuple(
            Channel(one.chat_id, one.name, one.category, guild=id, guild_name=known.name)
            for one in run(lambda tx: tools.store.channels(tx, id))
            if one.chat_id
        )
        self.problems: list[str] = []
        self._counts: Callable[[StoredMessage], bool] = lambda _: True
        if is_confirmed:
            self._counts = run(lambda tx: confirmation(tools, tx, id))

    def newest(self) -> int:
        """The second of the newest message; -1 when there is none."""
        return bisect_left(range(_FOREVER), True, key=self._is_end) - 1  # noqa: FBT003 - sought.

    def messages(self, window: Window = ALWAYS) -> Iterator[ArchivedMessage]:
        """The messages of a window (seconds), by time, topic, and the order of storing."""
        for one in Pages(self._tools, self.community, window).all(self._run):
            if one.encoded is not None and self._counts(one):
                yield ArchivedMessage.decode(one.encoded)

    def _is_end(self, time: int) -> bool:
        rest = Window(time, _FOREVER)
        found = self._run(
            lambda tx: self._tools.store.messages(tx, self.community, rest, after=None, at_least=1)
        )
        return not found


class LeftHistory:
    """Archives at a path, as ``find_archives`` knows them, with the keys to encrypted ones.

    Raises ``ArchivesNotFoundError``, ``IndexInvalidError``, ``ArchiveInvalidError``,
    ``TorrentInvalidError`` or ``RatchetKeyMissingError``. An archive that cannot be read is named
    in ``problems``, and the others are.
    """

    def __init__(self, path: Path, keys: Sequence[RatchetKey] = ()) -> None:
        self._keys = keys
        try:
            self._found = find_archives(path)
            self._entries = self._found.entries(keys)
        except OSError as error:
            raise ArchivesNotFoundError(
                f"they cannot be read: {error.strerror}", place=str(path)
            ) from error
        self.name = path.absolute().name
        self.community = ""
        self.channels: tuple[Channel, ...] = ()
        self.problems: list[str] = []

    def newest(self) -> int:
        """The last second of the archives; -1 when there are none."""
        return max((entry.end for entry in self._entries), default=0) - 1

    def messages(self, window: Window = ALWAYS) -> Iterator[ArchivedMessage]:
        """The messages of a window (seconds), by time, topic, and their order in archives.

        Archives are opened when their window begins: no more lie in memory than overlap.
        """
        waiting = sorted(
            (one for one in self._entries if one.start < window.end and window.start < one.end),
            key=lambda entry: (entry.start, entry.offset),
        )
        while waiting:
            together = [waiting.pop(0)]
            end = together[0].end
            while waiting and waiting[0].start < end:
                together.append(waiting.pop(0))
                end = max(end, together[-1].end)
            for one in heapq.merge(*map(self._messages_of, together), key=_place):
                if one.time in window:
                    yield ArchivedMessage.decode(one.encoded)

    def _messages_of(self, entry: IndexEntry) -> Iterator[EncodedMessage]:
        try:
            messages = self._found.messages(entry, self._keys)
        except (ArchiveError, ContentDamagedError) as error:
            problem = f"archive {entry.id}: {error}"
            if problem not in self.problems:
                self.problems.append(problem)
            return
        yield from sorted(messages, key=_place)


@dataclass(frozen=True, slots=True)
class Said:
    """A message and the post in it; None when it cannot be shown."""

    message: ArchivedMessage
    post: Post | None


class Reader:
    """Makes posts of a source's messages.

    ``channels`` are those that were met, by the id that posts name, ``unreadable`` counts by reason
    what cannot be shown. A channel that nobody named is called by the beginning of its UUID, and
    one that a message does not tell by its topic.
    """

    def __init__(self, source: Source) -> None:
        self._community = source.community
        self._guild = source.name
        self.channels = {channel.id: channel for channel in source.channels}
        self.unreadable: Counter[str] = Counter()

    def read(self, messages: Iterable[ArchivedMessage]) -> Iterator[Said]:
        """The messages with their posts, in the order given."""
        for message in messages:
            found = self._post(message)
            if isinstance(found, Post):
                yield Said(message, found)
            else:
                self.unreadable[found] += 1
                yield Said(message, None)

    def posts(self, messages: Iterable[ArchivedMessage]) -> Iterator[tuple[ArchivedMessage, Post]]:
        """What can be shown, in the order in which it was written.

        ``messages`` come by their seconds; within one, posts tell milliseconds.
        """
        together: list[tuple[ArchivedMessage, Post]] = []
        size = 0
        for said in self.read(messages):
            is_full = len(together) >= TOGETHER or size >= TOGETHER_BYTES
            if together and (is_full or together[0][0].timestamp != said.message.timestamp):
                yield from sorted(together, key=_moment)
                together, size = [], 0
            if said.post is not None:
                together.append((said.message, said.post))
                size += said.message.weight
        yield from sorted(together, key=_moment)

    def _post(self, message: ArchivedMessage) -> Post | str:
        post = post_of(message)
        if isinstance(post, Unreadable):
            return post.reason
        if not post.channel:
            post = replace(post, channel=message.topic.hex())
        elif self._community and not post.channel.startswith(self._community):
            return "of another community"
        if not (0 < len(post.id) <= MAX_ID_LENGTH and len(post.channel) <= MAX_ID_LENGTH):
            return "malformed"
        if post.channel not in self.channels:
            if len(self.channels) >= MAX_CHANNELS:
                return "of too many channels"
            self.channels[post.channel] = self._unnamed(post.channel)
        return post

    def _unnamed(self, id: str) -> Channel:
        name = (id[_ID_LENGTH:] or id)[:_SHOWN]
        return Channel(id, name, guild=self._community, guild_name=self._guild)


def backwards(source: Source, window: Window = ALWAYS) -> Iterator[Window]:
    """Windows that fill ``window``, the newest first: short ones, then longer and longer ones.

    Whoever wants the newest messages reads no more than about three times of what it takes.
    """
    end, length = min(window.end, source.newest() + 1), _DAY
    first = max(window.start, 0)
    while end > first:
        start = max(first, end - length)
        yield Window(start, end)
        end, length = start, 2 * length


def _place(message: EncodedMessage) -> tuple[int, bytes]:
    return message.time, message.topic


def _moment(said: tuple[ArchivedMessage, Post]) -> tuple[int, bytes]:
    return said[1].time_ms, said[0].topic
