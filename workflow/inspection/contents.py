"""The messages of one archive, as far as they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from states.errors import CommunityArchivesError
from workflow.archive.codec import MAX_MESSAGES, decode_archive
from workflow.archive.index import IndexEntry
from workflow.archive.message import ArchivedMessage
from workflow.archive.wire import WireError, fields
from workflow.chat.readable import Unreadable, post_of
from workflow.errors import ArchiveInvalidError, ContentDamagedError
from workflow.inspection.findings import Problem, SeenArchive, SeenMessage
from workflow.inspection.opening import Opened, Unsealed, unseal

_MESSAGES = 3


@dataclass(frozen=True, slots=True)
class Contents:
    """An archive that was read: its bytes if they can be read, and all that is wrong with it."""

    entry: IndexEntry
    unsealed: Unsealed
    problems: tuple[Problem, ...]

    def seen(self, damaged: int) -> SeenArchive:
        """The archive without its messages; so many of its pieces are damaged."""
        return SeenArchive(
            self.entry,
            self.unsealed.form,
            None if self.unsealed.plain is None else self._count(),
            self.unsealed.key,
            damaged,
            self.problems,
        )

    def messages(self) -> Iterator[SeenMessage]:
        """The messages that can be read, numbered as they stand."""
        for number, encoded in enumerate(self.encoded()):
            try:
                yield described(number, ArchivedMessage.decode(encoded))
            except ArchiveInvalidError:
                continue  # which is among the problems: the archive is not one then

    def _count(self) -> int:
        return sum(1 for _ in self.encoded())

    def encoded(self) -> Iterator[bytes]:
        """The bytes of each message, as they stand there."""
        plain = self.unsealed.plain or b""
        try:
            for number, start, end in fields(plain, at_most=1 + MAX_MESSAGES):
                if number == _MESSAGES:
                    yield plain[start:end]
        except WireError:
            return  # among the problems too


def read_contents(opened: Opened, entry: IndexEntry) -> Contents:
    """Read one archive and check all of it."""
    contents = read_unchecked(opened, entry)
    if contents.unsealed.plain is None:
        return contents
    try:
        decode_archive(contents.unsealed.plain, entry)
    except CommunityArchivesError as error:
        place = entry.id if opened.archive is None else str(opened.path)
        problem = Problem(error.code, error.message, place)
        return Contents(entry, contents.unsealed, (*contents.problems, problem))
    return contents


def read_unchecked(opened: Opened, entry: IndexEntry) -> Contents:
    """Read one archive; only its padding and its encryption are checked."""
    problems: list[Problem] = []
    place = entry.id if opened.archive is None else str(opened.path)
    try:
        stored = opened.stored(entry)
    except ContentDamagedError as error:
        return Contents(entry, Unsealed(None, "unreadable"), (Problem.of(error, place),))
    if stored.count(0, entry.raw_size) != len(stored[entry.raw_size :]):
        problems.append(Problem(ArchiveInvalidError.code, "the padding is not zeros", place))
    unsealed = unseal(stored[: entry.raw_size], opened.keys, place)
    problems += unsealed.problems
    return Contents(entry, unsealed, tuple(problems))


def described(number: int, message: ArchivedMessage) -> SeenMessage:
    """A message in one line."""
    post = post_of(message)
    return SeenMessage(
        number,
        message.timestamp,
        message.topic,
        message.sig,
        len(message.payload),
        post.reason if isinstance(post, Unreadable) else post.kind,
        message.third_party_id,
    )
