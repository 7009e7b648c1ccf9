"""A backup of a data directory, whoever runs on it: one moment of the journal, and its files.

First the journal is copied, in one transaction of its own; then the files that this copy speaks of.
``data`` is only ever appended to, so its committed bytes are the same a while later. Nothing is
shared with the data directory by hard links: the runner goes on writing behind the committed
length, and what damages a file would damage its copy. The manifest comes last.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from workflow.adapters.keys.files import NAME
from workflow.adapters.store.sqlite import SqliteStore
from workflow.adopting import no_progress
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.torrent import HASH_LENGTH, Info, piece_hashes
from workflow.backup.copying import copy_runs, copy_whole, sync_folders
from workflow.backup.manifest import (
    MANIFEST,
    UNFINISHED,
    BackedUp,
    Kept,
    Manifest,
    read_manifest,
    read_runs,
    unreadable,
    write_manifest,
)
from workflow.backup.runs import Run, merged, without
from workflow.defaults import KEYS, SETTINGS
from workflow.engine.reading import kept
from workflow.errors import (
    ContentDamagedError,
    DataDirectoryError,
    DirectoryLockedError,
    DirectoryNotEmptyError,
)
from workflow.files.folder import PRIVATE, ArchiveFolder
from workflow.files.torrents import torrent_of
from workflow.ports.records import Generation
from workflow.ports.work import Progress, Transaction
from workflow.viewing import ARCHIVES, JOURNAL, read_journal


@dataclass(slots=True)
class Saved:
    """A backup that was made: ``new`` is how many bytes had to be copied for it."""

    manifest: Manifest
    new: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that is in the backup now, and what its pieces are to be, if that is known."""

    path: str
    size: int
    runs: tuple[Run, ...]
    info: Info | None = None


def back_up(
    data_dir: Path,
    target: Path,
    *,
    now: float,
    with_keys: bool,
    progress: Progress = no_progress,
) -> Saved:
    """Make ``target`` a backup of ``data_dir``; of an earlier backup there only what is new.

    ``now`` is in seconds (UTC epoch). Private keys are in it ``with_keys``, and when the earlier
    backup has them. Everything is read again at the end, and ``data`` compared with its info-hash;
    what is damaged in the data directory itself is among the manifest's ``problems``.

    Raises ``DirectoryNotEmptyError`` when something else lies there, ``DirectoryLockedError`` when
    another backup is being made there, ``DataDirectoryError`` when it cannot be written or read
    again, and what reading the journal raises. An earlier backup is then as whole as it was.
    """
    source, place = data_dir.resolve(), target.resolve()
    if source == place or source in place.parents or place in source.parents:
        raise DataDirectoryError(
            "a backup lies neither in the data directory nor around it", place=str(target)
        )
    try:
        _prepare(target)
        with _held(target):
            # Not before: another one may just have been at its end.
            earlier = read_manifest(target) if (target / MANIFEST).exists() else None
            return _Saving(data_dir, target, earlier, progress).save(now, with_keys=with_keys)
    except ContentDamagedError as error:  # Of the data directory it would be a problem in the list.
        raise DataDirectoryError(
            f"what lies in the backup is in the way: {error.message}",
            place=error.place,
            remedy="Back up into a new folder, on another disk if this one fails.",
        ) from error
    except OSError as error:
        raise DataDirectoryError(
            f"the backup cannot be written: {error.strerror}",
            place=str(error.filename or target),
            remedy="Make room, or make the folder writable; an earlier backup there is untouched.",
        ) from error


class _Saving:
    """One making of a backup."""

    def __init__(
        self, data_dir: Path, target: Path, earlier: Manifest | None, progress: Progress
    ) -> None:
        self._data_dir = data_dir
        self._target = target
        self._had = {one.path: one.runs for one in earlier.files} if earlier else {}
        self._number = earlier.number + 1 if earlier else 1
        self._has_keys = bool(earlier and earlier.has_keys)
        self._progress = progress
        self._store = SqliteStore()
        self._folder = ArchiveFolder(target / ARCHIVES)
        self._problems: list[str] = []
        self._copied = self._checked = self._total = 0

    def save(self, now: float, *, with_keys: bool) -> Saved:
        """Copy, check, and say what belongs to it."""
        journal = self._target / f"journal-{self._number}.sqlite3"
        communities, parts = self._copy(journal)
        if self._problems:  # Files may have been retired since the journal was copied: once more.
            self._problems.clear()
            communities, parts = self._copy(journal)
        self._copied += journal.stat().st_size
        self._has_keys = self._has_keys or with_keys
        keys = self._copy_keys() if self._has_keys else {}
        parts += keys.values()
        settings = self._copy_settings()
        every = [self._part(journal), *settings, *parts]
        self._total = sum(end - start for part in every for start, end in part.runs)
        first, *files = map(self._checked_part, every)
        manifest = Manifest(
            now,
            self._number,
            first,
            files.pop(0) if settings else None,
            tuple(files),
            tuple(replace(one, has_key=one.key in keys) for one in communities),
            self._has_keys,
            tuple(self._problems),
        )
        sync_folders(self._target, [one.path for one in files])
        write_manifest(self._target, manifest)
        self._remove_all_but(manifest)
        return Saved(manifest, self._copied)

    # -- copying ----------------------------------------------------------------------------------

    def _copy(self, journal: Path) -> tuple[list[BackedUp], list[_Part]]:
        """The journal as it is at this moment, and the files that it speaks of then."""
        with read_journal(self._data_dir / JOURNAL) as running:
            running.copy_to(journal)
        with read_journal(journal) as copy:
            communities = copy.run(self._communities)
            lineages = [copy.run(self._lineages(one.id)) for one in communities]
        return communities, [part for parts in lineages for part in parts]

    def _communities(self, tx: Transaction) -> list[BackedUp]:
        device, found = kept(tx, "device"), []
        for one in self._store.communities(tx):
            generation = self._store.generation(tx, one.id)
            here = self._store.archives_here(tx, generation) if generation else []
            found.append(
                BackedUp(
                    one.id,
                    one.name,
                    one.control_key.hex(),
                    len(here),
                    generation.number if generation else 0,
                    generation.info_hash if generation else "",
                    is_controlled=one.control_device == device
                    and one.claimed_epoch == one.control_epoch,
                    has_key=False,
                )
            )
        return found

    def _lineages(self, id: str) -> Callable[[Transaction], list[_Part]]:
        """Copies everything that the community has, in every lineage."""

        def copy(tx: Transaction) -> list[_Part]:
            generations = self._store.generations(tx, id)
            current = self._store.generation(tx, id)
            parts: list[_Part] = []
            for lineage in sorted({one.lineage for one in generations}):
                of_lineage = [one for one in generations if one.lineage == lineage]
                is_current = current is not None and current.lineage == lineage
                described = [
                    part
                    for one in of_lineage
                    for part in self._copy_description(one, is_needed=one == current)
                ]
                whole = current if is_current and current is not None else of_lineage[-1]
                runs = self._runs(tx, whole, of_lineage[-1])
                parts += described + self._copy_data(whole, runs)
            return parts

        return copy

    def _runs(self, tx: Transaction, whole: Generation, newest: Generation) -> list[Run]:
        """What of a lineage's ``data`` is on this disk."""
        here = self._store.archives_here(tx, whole)
        runs = [
            (one.offset, one.offset + one.size) for one in self._store.archives_here(tx, newest)
        ]
        if here and len(here) == len(self._store.archives_of(tx, whole)):
            runs.append((0, whole.data_length))  # With what may lie between archives.
        return merged(runs)

    def _copy_description(self, generation: Generation, *, is_needed: bool) -> list[_Part]:
        content = self._folder.content_of(generation)
        parts = []
        for target in (content.index, content.torrent):
            source = self._source(target)
            if not is_needed and not os.path.lexists(source):
                continue  # Retired.
            try:
                target.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                self._copied += copy_whole(source, target)
                parts.append(self._part(target))
            except ContentDamagedError as error:
                self._problems.append(error.explained())
        return parts

    def _copy_data(self, generation: Generation, runs: list[Run]) -> list[_Part]:
        content = self._folder.content_of(generation)
        source = self._source(content.data)
        if not runs:
            return []
        try:
            length = source.stat().st_size
        except FileNotFoundError:
            length = 0
        except OSError as error:
            self._problems.append(unreadable(source, error).explained())
            return []
        there = [(start, min(end, length)) for start, end in runs if start < length]
        if there != runs:
            self._problems.append(f"{source}: it is shorter than what was committed")
        if not there:
            return []
        path = self._name(content.data)
        torrent = torrent_of(content, generation.info_hash)
        info = torrent.info if torrent else None
        before = self._had.get(path, ()) if content.data.is_file() else ()
        # What has no hash to be compared with is copied each time.
        known = info.data_length if info else 0
        had = [(start, min(end, known)) for start, end in before if start < known]
        content.data.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        size, new = there[-1][1], without(there, had)
        try:
            missing = copy_runs(source, content.data, size, new, self._tell_copied)
        except ContentDamagedError as error:
            if error.place != str(source):
                raise
            self._problems.append(error.explained())
            missing, there = {}, without(there, new)
        if missing:
            why = next(iter(missing.values())).explained()
            self._problems.append(f"{why} {len(missing)} pieces are left out.")
            there = without(there, merged(missing))
        return [_Part(path, size, tuple(there), info)] if there else []

    def _copy_settings(self) -> list[_Part]:
        """The settings file of the data directory under a new name: the earlier one stays whole."""
        source, target = self._data_dir / SETTINGS, self._target / f"settings-{self._number}.toml"
        if not os.path.lexists(source):
            return []
        try:
            self._copied += copy_whole(source, target)
        except ContentDamagedError as error:
            self._problems.append(error.explained())
            return []
        return [self._part(target)]

    def _copy_keys(self) -> dict[str, _Part]:
        """All private keys, by the public one; each its owner's alone, as it is."""
        folder, parts = self._target / KEYS, {}
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        for source in sorted((self._data_dir / KEYS).glob("*")):
            if found := NAME.fullmatch(source.name):
                try:
                    self._copied += copy_whole(source, folder / source.name)
                except ContentDamagedError as error:
                    self._problems.append(error.explained())
                    if not (folder / source.name).is_file():  # Of an earlier backup.
                        continue
                parts[found[1]] = self._part(folder / source.name)
        return parts

    # -- checking ---------------------------------------------------------------------------------

    def _checked_part(self, part: _Part) -> Kept:
        """The file as it can be read again, by its pieces if they are known."""
        path = self._target / part.path
        digest, wrong = self._hashed(path, part)
        if wrong:
            with suppress(ContentDamagedError):  # Then they stay wrong, which is told.
                copy_runs(self._source(path), path, part.size, merged(wrong), self._tell_copied)
            digest, wrong = self._hashed(path, part)
        if wrong:
            self._problems.append(
                f"{self._source(path)}: pieces that are not those of its info-hash: {len(wrong)}"
            )
        return Kept(part.path, part.size, part.runs, digest)

    def _hashed(self, path: Path, part: _Part) -> tuple[str, list[Run]]:
        """The hash of what is there, and the pieces of it that are wrong."""
        digest, wrong = sha256(), []
        offsets = (at for start, end in part.runs for at in range(start, end, PIECE_LENGTH))
        for at, piece in zip(offsets, read_runs(path, part.runs, PIECE_LENGTH), strict=True):
            digest.update(piece)
            if part.info is not None and at < part.info.data_length:
                first = at // PIECE_LENGTH * HASH_LENGTH
                if piece_hashes(piece) != part.info.pieces[first : first + HASH_LENGTH]:
                    wrong.append((at, at + len(piece)))
            self._checked += len(piece)
            self._progress(min(self._checked, self._total), self._total, "bytes checked")
        return digest.hexdigest(), wrong

    # -- the folder -------------------------------------------------------------------------------

    def _remove_all_but(self, manifest: Manifest) -> None:
        """What only an earlier backup needed. Keys stay: somebody may rely on them."""
        named = {self._target / one.path for one in manifest.all_files}
        numbered = (*self._target.glob("journal-*"), *self._target.glob("settings-*"))
        found = [*numbered, *self._folder.root.rglob("*")]
        for path in sorted(found, reverse=True):  # What is in a folder, before the folder.
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):  # It is not empty.
                    path.rmdir()
            elif path not in named:
                path.unlink()

    def _source(self, path: Path) -> Path:
        return self._data_dir / path.relative_to(self._target)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._target).as_posix()

    def _part(self, path: Path) -> _Part:
        size = path.stat().st_size
        return _Part(self._name(path), size, ((0, size),) if size else ())

    def _tell_copied(self, count: int) -> None:
        self._copied += count
        self._progress(self._copied, 0, "bytes copied")


def _prepare(target: Path) -> None:
    """A folder that is its owner's alone, with nothing but an earlier backup in it."""
    target.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    if (target / MANIFEST).exists():
        read_manifest(target)
    elif not (target / UNFINISHED).exists() and any(target.iterdir()):
        raise DirectoryNotEmptyError(
            "something else than a backup lies there",
            place=str(target),
            remedy="Name a new folder, an empty one, or one with an earlier backup.",
        )


@contextmanager
def _held(target: Path) -> Iterator[None]:
    """Nobody else makes a backup there; until it has ended well, something says so."""
    marker = target / UNFINISHED
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(descriptor), marker.stat())
        except (BlockingIOError, FileNotFoundError):
            is_there = False
        if not is_there:  # Somebody holds it, or has just taken it away.
            raise DirectoryLockedError(
                "another backup is being made there", place=str(target), remedy="Wait for its end."
            )
        yield
        marker.unlink()
    finally:
        os.close(descriptor)
