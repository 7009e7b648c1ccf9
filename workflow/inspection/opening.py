"""Which files belong to a path, and what they are: told by their content, not by their names.

Nothing that is broken ends the reading: it becomes a problem, and what is left can be looked at.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from states.errors import CommunityArchivesError
from workflow.archive.index import IndexEntry
from workflow.archive.pieces import MAX_RAW_SIZE, PIECE_LENGTH
from workflow.archive.ratchet import (
    KeyReference,
    RatchetKey,
    decrypt,
    is_encrypted,
)
from workflow.archive.torrent import Torrent
from workflow.archive.wire import LENGTH_DELIMITED
from workflow.errors import (
    ArchiveInvalidError,
    ArchivesNotFoundError,
    ContentDamagedError,
    IndexInvalidError,
    RatchetKeyMissingError,
    TorrentInvalidError,
)
from workflow.files.folder import is_hole, read_at
from workflow.files.found import (
    DATA,
    INDEX,
    TORRENT,
    TORRENTS,
    FoundArchives,
    find_archives,
    read_torrent,
)
from workflow.inspection.entries import end_of_archive, sound_entries, stated_entries
from workflow.inspection.findings import Form, Kind, Problem

_Content = Literal["torrent", "encrypted", "index", "archive", ""]

_COMMUNITY: Final = re.compile(r"0x0[23][0-9a-f]{64}")
_GROUP_LENGTH: Final = 33
_ENTRY: Final = 1 << 3 | LENGTH_DELIMITED  # the first byte of an index
_ARCHIVE: Final = frozenset({1 << 3, 2 << 3 | LENGTH_DELIMITED, 3 << 3 | LENGTH_DELIMITED})
_TORRENT: Final = ord("d")  # no field of protobuf begins so
_REMEDY: Final = "Name a folder of archives, an index, a .torrent, or a file with one archive."


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Bytes after the encryption was taken off.

    ``plain`` is None when the key is missing (the form is ``encrypted``) or does not fit
    (``unreadable``). ``key`` and ``group`` are what the bytes name.
    """

    plain: bytes | None
    form: Form
    key: str = ""
    group: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What lies at a path. What is not there, or cannot be read, is None.

    ``entries`` are those of the index that are sound, by offset. A file that holds one archive has
    one made-up entry, as if it lay at the beginning of ``data``; ``archive`` are its bytes.
    """

    path: Path
    kind: Kind
    found: FoundArchives | None = None
    index: bytes | None = None
    form: Form | None = None
    key: str = ""
    torrent_path: Path | None = None
    torrent: Torrent | None = None
    archive: bytes | None = None
    entries: tuple[IndexEntry, ...] = ()
    group: str = ""
    keys: tuple[RatchetKey, ...] = field(default=(), repr=False)
    problems: tuple[Problem, ...] = ()

    @property
    def community(self) -> str:
        """The id of the community that the files say they are of; else the torrent's name."""
        folders = self.found.index.absolute().parts[-3:-1] if self.found is not None else ()
        names = [self.torrent.info.name] if self.torrent is not None else []
        ids = [name for name in (*names, *reversed(folders), self.group) if is_community(name)]
        return ids[0] if ids else "".join(names)

    @property
    def name(self) -> str:
        """What a torrent over the files would be called."""
        return self.community or self.path.absolute().name

    @property
    def data_length(self) -> int | None:
        """Bytes of ``data``; those behind what the .torrent covers are not of this generation."""
        if self.found is None or not self.found.data.is_file():
            return None
        length = self.found.data.stat().st_size
        return length if self.torrent is None else min(length, self.torrent.info.data_length)

    @property
    def has_archives(self) -> bool:
        """Whether there are bytes of archives, and not only an index of them."""
        return self.archive is not None or self.data_length is not None

    def holes(self) -> tuple[IndexEntry, ...]:
        """The archives in whose place ``data`` has a hole: they are not here, and not damaged."""
        length = self.data_length
        if self.found is None or length is None:
            return ()
        data, here = (
            self.found.data,
            (one for one in self.entries if one.offset + one.size <= length),
        )
        with suppress(OSError, ContentDamagedError):
            return tuple(one for one in here if is_hole(data, one))
        return ()

    def stored(self, entry: IndexEntry) -> bytes:
        """The bytes of an archive as they lie there, its padding behind them if there is any.

        Raises ``ContentDamagedError`` when they are not there.
        """
        if self.archive is not None:
            return self.archive
        length = self.data_length
        if self.found is None or length is None:
            raise ContentDamagedError("there is no 'data'", place=entry.id)
        if entry.offset + entry.size > length:
            raise ContentDamagedError(
                f"the archive ends behind the {length} bytes of 'data'", place=entry.id
            )
        try:
            return read_at(self.found.data, entry.offset, entry.size)
        except OSError as error:
            raise ContentDamagedError(
                f"it cannot be read: {error.strerror}", place=str(self.found.data)
            ) from error


def is_community(name: str) -> bool:
    """Whether this has the form of a community's id."""
    return _COMMUNITY.fullmatch(name) is not None


def open_at(path: Path, keys: tuple[RatchetKey, ...] = ()) -> Opened:
    """What lies at ``path``. Raises ``ArchivesNotFoundError`` when that is nothing we know."""
    try:
        if path.is_dir() or (path.name == DATA and path.with_name(INDEX).is_file()):
            return _opened_folder(path if path.is_dir() else path.parent, keys)
        length = path.stat().st_size
        content = _beginning(path)
    except OSError as error:
        raise ArchivesNotFoundError(
            f"it cannot be read: {error.strerror}", place=str(path)
        ) from error
    kind = _kind_of(content)
    if kind == "torrent":
        return _opened_torrent(path, keys)
    if kind == "encrypted":
        unsealed = unseal(content, keys, str(path))
        # Bytes that nobody can read do not tell what they are.
        by_name: _Content = "index" if path.name.startswith(INDEX) else "archive"
        kind = by_name if unsealed.plain is None else _kind_of(unsealed.plain)
    if kind == "index":
        return _opened_files(path, "index", _beside_index(path), keys)
    if kind != "archive":
        raise ArchivesNotFoundError(
            f"these {length} bytes are nothing that archives are made of",
            place=str(path),
            remedy=_REMEDY,
        )
    return _opened_archive(path, content, keys)


def unseal(data: bytes, keys: tuple[RatchetKey, ...], place: str) -> Unsealed:
    """Take the encryption off, if there is one and the key to it, and say what is wrong."""
    if not is_encrypted(data):
        return Unsealed(data, "plain")
    named: list[KeyReference] = []

    def find(reference: KeyReference) -> RatchetKey | None:
        named.append(reference)
        return next((key for key in keys if key.answers(reference)), None)

    plain: bytes | None = None
    problems: tuple[Problem, ...] = ()
    try:
        plain = decrypt(data, find)
    except RatchetKeyMissingError:
        pass
    except ArchiveInvalidError as error:
        problems = (Problem.of(error, place),)
    form: Form = "unreadable" if problems else "encrypted" if plain is None else "decrypted"
    key, group = "", ""
    if named:
        key = named[0].key_id.hex() or f"deprecated id {named[0].deprecated_key_id}"
        group = "0x" + named[0].group_id.hex() if len(named[0].group_id) == _GROUP_LENGTH else ""
    return Unsealed(plain, form, key, group, problems)


def _beginning(path: Path) -> bytes:
    """As much of a file as an archive with its padding can have; of a pipe, nothing."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(MAX_RAW_SIZE + PIECE_LENGTH + 1)


def _kind_of(content: bytes) -> _Content:
    if not content:
        return ""
    if content[0] == _TORRENT:
        return "torrent"
    if is_encrypted(content):
        return "encrypted"
    if content[0] == _ENTRY:
        return "index"
    return "archive" if content[0] in _ARCHIVE else ""


def _opened_folder(folder: Path, keys: tuple[RatchetKey, ...]) -> Opened:
    try:
        found = find_archives(folder)
    except ArchivesNotFoundError:
        name = folder.absolute().name + TORRENT
        places = (folder.parent.parent / TORRENTS, folder.parent, folder)
        torrent = next((place / name for place in places if (place / name).is_file()), None)
        found = FoundArchives(folder / DATA, folder / INDEX, torrent)
        if not found.data.is_file() and not found.index.is_file():
            raise
    return _opened_files(folder, "folder", found, keys)


def _beside_index(path: Path) -> FoundArchives:
    found = FoundArchives(path.parent / DATA, path, None)
    with suppress(CommunityArchivesError):
        found = find_archives(path)
    number = path.suffix[1:]
    own = path.with_name(number + TORRENT)
    is_own = number.isdecimal() and own.is_file()
    return FoundArchives(found.data, path, own if is_own else found.torrent)


def _opened_torrent(path: Path, keys: tuple[RatchetKey, ...]) -> Opened:
    try:
        torrent = read_torrent(path)
    except TorrentInvalidError as error:
        return Opened(path, "torrent", torrent_path=path, problems=(Problem.of(error),))
    if path.suffix == TORRENT:
        with suppress(CommunityArchivesError):
            return _opened_files(path, "torrent", find_archives(path), keys)
    return Opened(path, "torrent", torrent_path=path, torrent=torrent)


def _opened_files(
    path: Path, kind: Kind, found: FoundArchives, keys: tuple[RatchetKey, ...]
) -> Opened:
    problems: list[Problem] = []
    torrent: Torrent | None = None
    if found.torrent is not None:
        try:
            torrent = read_torrent(found.torrent)
        except TorrentInvalidError as error:
            problems.append(Problem.of(error))
    index: bytes | None = None
    unsealed: Unsealed | None = None
    entries: list[IndexEntry] = []
    try:
        index = _read_index(found)
        unsealed = unseal(index, keys, str(found.index))
        problems += unsealed.problems
        if unsealed.plain is not None:
            entries = sound_entries(unsealed.plain, problems)
    except IndexInvalidError as error:
        problems.append(Problem.of(error))
    if kind == "folder" and not found.data.is_file():
        problems.append(Problem(ContentDamagedError.code, "the file is missing", str(found.data)))
    return Opened(
        path,
        kind,
        found,
        index,
        None if unsealed is None else unsealed.form,
        "" if unsealed is None else unsealed.key,
        found.torrent,
        torrent,
        entries=tuple(entries),
        group="" if unsealed is None else unsealed.group,
        keys=keys,
        problems=tuple(problems),
    )


def _read_index(found: FoundArchives) -> bytes:
    if not found.index.is_file():
        raise IndexInvalidError("the file is missing", place=str(found.index))
    try:
        return found.index_bytes()
    except OSError as error:
        raise IndexInvalidError(
            f"it cannot be read: {error.strerror}", place=str(found.index)
        ) from error


def _opened_archive(path: Path, content: bytes, keys: tuple[RatchetKey, ...]) -> Opened:
    archive = content[: end_of_archive(content)]
    unsealed = unseal(archive, keys, str(path))
    problems = list(unsealed.problems)
    entries: tuple[IndexEntry, ...] = ()
    if len(archive) > MAX_RAW_SIZE:
        problems.append(
            Problem(
                ArchiveInvalidError.code,
                f"an archive has no more than {MAX_RAW_SIZE} bytes",
                str(path),
            )
        )
    elif unsealed.plain is not None:
        entries = tuple(stated_entries(unsealed.plain, len(archive), str(path), problems))
    return Opened(
        path,
        "archive",
        key=unsealed.key,
        form=unsealed.form,
        archive=archive,
        entries=entries,
        group=unsealed.group,
        keys=keys,
        problems=tuple(problems),
    )
