"""Two paths: whether they are the same to the byte, and if not, what differs.

Files are compared as they stand, and archives window by window, wherever they lie: two nodes that
archived the same messages in another order, or under another encryption, have them in common.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from workflow.archive.index import IndexEntry
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessage
from workflow.archive.ratchet import RatchetKey
from workflow.archive.torrent import MAX_INDEX_LENGTH, MAX_TORRENT_SIZE
from workflow.archive.windows import Window
from workflow.errors import ArchiveInvalidError, ContentDamagedError
from workflow.files.found import DATA, INDEX, TORRENT
from workflow.inspection.contents import described, read_unchecked
from workflow.inspection.findings import (
    ByteDifference,
    Comparison,
    SeenMessage,
    Watch,
    WindowDifference,
)
from workflow.inspection.opening import Opened, open_at
from workflow.inspection.positions import (
    SHORT_ID,
    archive_field_at,
    index_field_at,
    torrent_field_at,
)

ARCHIVE: Final = "archive"
"""What a file with one archive is called when it is compared."""

CHUNK: Final = 1024 * 1024
"""Bytes that are compared at once."""

SHOWN: Final = 3
"""Messages in one only that are shown of a window, from each side."""

MAX_COMPARED: Final = 2_000_000
"""Messages of one window, at most, that are compared one by one."""


def _nobody(_done: int, _total: int) -> None: ...


def compare(
    a: Path, b: Path, keys: Sequence[RatchetKey] = (), watch: Watch = _nobody
) -> Comparison:
    """Compare what ``inspect`` could look at: files byte by byte, archives message by message.

    Encrypted archives without their key among ``keys`` are compared as bytes only. Raises
    ``ArchivesNotFoundError`` when one of the paths is nothing that archives are made of.
    """
    one, other = _Side(open_at(a, tuple(keys))), _Side(open_at(b, tuple(keys)))
    windows_a, windows_b = one.by_window(), other.by_window()
    ids_a, ids_b = one.by_id(), other.by_id()
    common = sorted(windows_a.keys() & windows_b.keys())
    progress = _Progress(watch, one.size + other.size)
    differing_bytes = _compare_files(one, other, progress)
    differing_windows = []
    can_compare = one.opened.has_archives and other.opened.has_archives
    for window in common if can_compare else ():
        difference = _compare_window(window, one, other, windows_a[window], windows_b[window])
        if difference is not None:
            differing_windows.append(difference)
        progress.add(sum(entry.size for entry in windows_a[window] + windows_b[window]))
    return Comparison(
        a,
        b,
        tuple(one.files),
        tuple(other.files),
        tuple(entry for entry in one.opened.entries if entry.id not in ids_b),
        tuple(entry for entry in other.opened.entries if entry.id not in ids_a),
        len(ids_a & ids_b),
        tuple(sorted(windows_a.keys() - windows_b.keys())),
        tuple(sorted(windows_b.keys() - windows_a.keys())),
        len(common),
        tuple(differing_windows),
        differing_bytes,
        one.opened.form,
        other.opened.form,
        one.opened.problems,
        other.opened.problems,
    )


@dataclass(slots=True)
class _Progress:
    watch: Watch
    total: int
    done: int = 0

    def add(self, length: int) -> None:
        self.done += length
        self.watch(min(self.done, self.total), self.total)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two."""

    opened: Opened

    @property
    def files(self) -> dict[str, Path]:
        """The files that are there, by what they are."""
        opened = self.opened
        paths = {
            INDEX: None if opened.found is None else opened.found.index,
            DATA: None if opened.found is None else opened.found.data,
            TORRENT: opened.torrent_path,
            ARCHIVE: None if opened.archive is None else opened.path,
        }
        return {name: path for name, path in paths.items() if path is not None and path.is_file()}

    @property
    def size(self) -> int:
        return (self.opened.data_length or 0) + sum(entry.size for entry in self.opened.entries)

    def by_id(self) -> set[str]:
        return {entry.id for entry in self.opened.entries}

    def by_window(self) -> dict[Window, list[IndexEntry]]:
        found: dict[Window, list[IndexEntry]] = {}
        for entry in self.opened.entries:
            found.setdefault(entry.window, []).append(entry)
        return found

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, in slices of ``CHUNK``.

        Raises ``ContentDamagedError`` when it cannot be read.
        """
        path = self.files[name]
        try:
            left = self.opened.data_length if name == DATA else None
            with path.open("rb") as file:
                while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
                    yield chunk
                    left = None if left is None else left - len(chunk)
        except OSError as error:
            raise ContentDamagedError(
                f"it cannot be read: {error.strerror}", place=str(path)
            ) from error

    def field_at(self, name: str, offset: int) -> str:
        """What lies at a byte of a file."""
        opened = self.opened
        if offset >= self._length(name):
            return "the end"
        if name == TORRENT:
            return torrent_field_at(_beginning(self.files[name], MAX_TORRENT_SIZE), offset)
        if name == INDEX:
            return index_field_at(_beginning(self.files[name], MAX_INDEX_LENGTH), offset)
        for entry in opened.entries:
            if entry.offset <= offset < entry.offset + entry.size:
                return self.entry_field_at(entry, offset - entry.offset)
        if opened.archive is not None:
            return archive_field_at(opened.archive, offset)
        return "in no archive of the index"

    def raw(self, entry: IndexEntry) -> bytes:
        """The bytes of an archive; none when they are not there."""
        try:
            return self.opened.stored(entry)[: entry.raw_size]
        except ContentDamagedError:
            return b""

    def entry_field_at(self, entry: IndexEntry, relative: int) -> str:
        """What lies at a byte of an archive."""
        called = "" if self.opened.archive is not None else f"archive {entry.id[:SHORT_ID]} "
        if relative >= entry.raw_size:
            return f"{called}padding"
        raw = self.raw(entry)
        return called + (archive_field_at(raw, relative) if raw else "not readable")

    def _length(self, name: str) -> int:
        length = self.opened.data_length if name == DATA else None
        return self.files[name].stat().st_size if length is None else length


def _compare_files(a: _Side, b: _Side, progress: _Progress) -> tuple[ByteDifference, ...]:
    differences = []
    for name in a.files:
        if name not in b.files:
            continue
        seen = progress.add if name == DATA else lambda _: None
        offset = first_difference(a.chunks(name), b.chunks(name), seen)
        if offset is not None:
            differences.append(
                ByteDifference(
                    name, offset, offset, a.field_at(name, offset), b.field_at(name, offset)
                )
            )
    return tuple(differences)


def _compare_window(
    window: Window, a: _Side, b: _Side, of_a: list[IndexEntry], of_b: list[IndexEntry]
) -> WindowDifference | None:
    byte = _first_byte(a, b, of_a, of_b)
    if byte is None and len(of_a) == len(of_b):
        return None
    tally = _Tally()
    if not (tally.add(a, of_a, 1) and tally.add(b, of_b, -1)):
        return WindowDifference(window, None, None, (), (), byte)
    only_a, only_b = tally.counts, Counter({key: -count for key, count in tally.counts.items()})
    return WindowDifference(
        window,
        (+only_a).total(),
        (+only_b).total(),
        tuple(_first_of(a, of_a, +only_a)),
        tuple(_first_of(b, of_b, +only_b)),
        byte,
    )


@dataclass(slots=True)
class _Tally:
    """How often each message stands in one more than in the other."""

    counts: Counter[bytes] = field(default_factory=Counter)

    def add(self, side: _Side, entries: Iterable[IndexEntry], sign: int) -> bool:
        """Count the messages of some archives; False when they are too many or cannot be read."""
        left = MAX_COMPARED
        for entry in entries:
            contents = read_unchecked(side.opened, entry)
            if contents.unsealed.plain is None:
                return False
            for encoded in contents.encoded():
                self.counts[_digest(encoded)] += sign
                left -= 1
                if not left:
                    return False
        return True


def _digest(encoded: bytes) -> bytes:
    """What a message is known by, however its bytes are arranged."""
    with suppress(DecodeError):
        parsed = WakuMessage.FromString(encoded)
        parsed.DiscardUnknownFields()
        encoded = parsed.SerializeToString()
    return hashlib.sha256(encoded).digest()


def _first_of(
    side: _Side, entries: Iterable[IndexEntry], wanted: Counter[bytes]
) -> Iterator[SeenMessage]:
    left = min(SHOWN, wanted.total())
    for entry in entries:
        if not left:
            return
        for number, encoded in enumerate(read_unchecked(side.opened, entry).encoded()):
            digest = _digest(encoded)
            if wanted[digest] > 0:
                wanted[digest] -= 1
                left -= 1
                with suppress(ArchiveInvalidError):
                    yield described(number, ArchivedMessage.decode(encoded))
            if not left:
                return


def _first_byte(
    a: _Side, b: _Side, of_a: Iterable[IndexEntry], of_b: Iterable[IndexEntry]
) -> ByteDifference | None:
    """The first byte in which the archives of a window differ."""
    for entry_a, entry_b in zip(of_a, of_b, strict=False):
        raw_a, raw_b = a.raw(entry_a), b.raw(entry_b)
        relative = None if raw_a == raw_b else first_difference(_slices(raw_a), _slices(raw_b))
        if relative is not None:
            return ByteDifference(
                ARCHIVE if ARCHIVE in a.files else DATA,
                entry_a.offset + relative,
                entry_b.offset + relative,
                a.entry_field_at(entry_a, relative),
                b.entry_field_at(entry_b, relative),
            )
    return None


def first_difference(
    a: Iterator[bytes], b: Iterator[bytes], seen: Callable[[int], None] = lambda _: None
) -> int | None:
    """The number of the first byte that differs, or at which one ends before the other.

    Both come in slices of ``CHUNK`` bytes; only the last one may be shorter. ``seen`` hears of
    every slice how many bytes of both were compared.
    """
    position = 0
    for one, other in zip_longest(a, b, fillvalue=b""):
        if one != other:
            pairs = enumerate(zip(one, other, strict=False))
            differing = (number for number, (left, right) in pairs if left != right)
            return position + next(differing, min(len(one), len(other)))
        position += len(one)
        seen(len(one) + len(other))
    return None


def _slices(content: bytes) -> Iterator[bytes]:
    return (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))


def _beginning(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)
