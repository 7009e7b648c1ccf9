"""What comes out when archives are inspected or compared.

Times are unix seconds, lengths and offsets bytes. Messages and pieces are counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from states.errors import CommunityArchivesError
from workflow.archive.index import IndexEntry
from workflow.archive.windows import Window

Kind = Literal["folder", "index", "torrent", "archive"]
Form = Literal["plain", "decrypted", "encrypted", "unreadable", "absent"]

Watch = Callable[[int, int], None]
"""Called with how many bytes were read, and how many there are to read in all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: the code of its error, what it is, and where."""

    code: str
    message: str
    place: str

    @classmethod
    def of(cls, error: CommunityArchivesError, place: str = "") -> Self:
        """What an error says; ``place`` is where it happened, if it does not say so itself."""
        return cls(error.code, error.message, error.place or place)

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}" + (f" ({self.place})" if self.place else "")


@dataclass(frozen=True, slots=True)
class SeenArchive:
    """One archive. ``messages`` is None when they cannot be counted.

    ``form`` is ``encrypted`` when its key is missing: that is nothing wrong, and ``key`` then says
    which one it is. ``unreadable`` are bytes that are not there, or that their key does not fit;
    of ``absent`` ones there is only an entry in an index: there is no ``data`` at all, or a hole in
    it, because whoever fetched it did not choose this archive.
    ``damaged`` of its pieces have another hash than the .torrent says.
    """

    entry: IndexEntry
    form: Form
    messages: int | None
    key: str
    damaged: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One message of an archive. ``kind`` says what it is, or why it cannot be shown."""

    number: int
    time: int
    topic: bytes
    sender: bytes
    payload_length: int
    kind: str
    third_party_id: str


@dataclass(frozen=True, slots=True)
class SeenTorrent:
    """A .torrent, or, if ``path`` is None, the one that would be made of the files.

    ``pieces`` is their number. ``damaged`` are the numbers of those that the files have not, but
    for the ``absent`` ones (so many) of archives that are not here at all; None when they were not
    compared, because there are no files or because they made the torrent.
    """

    path: Path | None
    name: str
    info_hash: str
    magnet: str
    trackers: tuple[tuple[str, ...], ...]
    created_by: str | None
    creation_date: int | None
    data_length: int
    index_length: int
    pieces: int
    damaged: tuple[int, ...] | None
    absent: int = 0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found at ``path``; lengths of files are None where there is none."""

    path: Path
    kind: Kind
    community: str
    torrent: SeenTorrent | None
    data_length: int | None
    index_length: int | None
    form: Form | None
    key: str
    archives: tuple[SeenArchive, ...]
    own_problems: tuple[Problem, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong: with the files, then with one archive after the other."""
        of_archives = (problem for archive in self.archives for problem in archive.problems)
        return (*self.own_problems, *of_archives)

    @property
    def messages(self) -> int | None:
        """How many there are in the archives that can be read; None when none can."""
        counts = [archive.messages for archive in self.archives if archive.messages is not None]
        return sum(counts) if counts else None

    @property
    def time(self) -> Window | None:
        """From the start of the first window to the end of the last."""
        if not self.archives:
            return None
        entries = [archive.entry for archive in self.archives]
        return Window(min(each.start for each in entries), max(each.end for each in entries))

    @property
    def size(self) -> int:
        """Bytes of all archives, padding included."""
        return sum(archive.entry.size for archive in self.archives)

    @property
    def padding(self) -> int:
        """Bytes of padding in them."""
        return sum(archive.entry.padding for archive in self.archives)


@dataclass(frozen=True, slots=True)
class ByteDifference:
    """The first byte in which two files differ, and the field it lies in, on both sides.

    The offsets are equal but where archives were compared that lie in different places.
    """

    file: str
    offset_a: int
    offset_b: int
    field_a: str
    field_b: str


@dataclass(frozen=True, slots=True)
class WindowDifference:
    """A window that both have, and whose archives are not the same bytes.

    ``count_a`` and ``count_b`` are the messages in one only, None when they cannot be compared;
    ``only_a`` and ``only_b`` the first few of them. ``byte`` is None when one has more archives of
    the window than the other, and no byte differs before those.
    """

    window: Window
    count_a: int | None
    count_b: int | None
    only_a: tuple[SeenMessage, ...]
    only_b: tuple[SeenMessage, ...]
    byte: ByteDifference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two differ. Archives that both have are counted, all others are listed.

    ``files_a`` and ``files_b`` name the files that each has (``index``, ``data``, ``.torrent``, or
    ``archive`` for one alone); ``bytes`` has the first difference of those that both have.
    ``form_a`` and ``form_b`` are those of the index, or of the archive alone.
    """

    a: Path
    b: Path
    files_a: tuple[str, ...]
    files_b: tuple[str, ...]
    only_a: tuple[IndexEntry, ...]
    only_b: tuple[IndexEntry, ...]
    both: int
    windows_only_a: tuple[Window, ...]
    windows_only_b: tuple[Window, ...]
    windows_both: int
    windows: tuple[WindowDifference, ...]
    bytes: tuple[ByteDifference, ...]
    form_a: Form | None
    form_b: Form | None
    problems_a: tuple[Problem, ...]
    problems_b: tuple[Problem, ...]

    @property
    def are_identical(self) -> bool:
        """Whether both have the same files, and no byte in them differs."""
        return bool(self.files_a) and self.files_a == self.files_b and not self.bytes
