"""A new data directory from a backup: everything is checked before anything is begun.

What is restored is **another device**. The one that was backed up may still run, or have announced
more since; two who announce would lead the members to and fro. So the copy has no control of any
community: it follows what is newer, as any member does, and announces again when a person says that
it is the one to do so, by ``announce --take-over``, under a clock above every one that it knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.adopting import no_progress
from workflow.backup.copying import copy_runs, copy_whole, sync_folders
from workflow.backup.manifest import MANIFEST, Kept, Manifest, read_manifest, sha256_of
from workflow.defaults import MEETING, SETTINGS
from workflow.engine.copying import check_copy
from workflow.engine.history import remember
from workflow.engine.journal import APPLICATION_ID, Journal
from workflow.engine.lock import HOLDER, LOCK, DirectoryLock
from workflow.engine.migrations import ENGINE
from workflow.errors import (
    BackupInvalidError,
    ContentDamagedError,
    DataDirectoryError,
    DirectoryNotEmptyError,
    JournalDamagedError,
)
from workflow.files.folder import PRIVATE, sync_folder
from workflow.ports.records import RESTORED
from workflow.ports.work import Progress, Transaction
from workflow.viewing import JOURNAL

RESTORING: Final = "restoring"
"""A file that is there while a restored directory is not whole yet."""
OWN_FILES: Final = {LOCK, HOLDER, RESTORING, SETTINGS, MEETING, ".local"}
"""What may lie in an empty data directory.

A default one holds the folder through which local nodes meet; under systemd, in ``.local``.
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: ``to_take_over`` names the communities that wait for a person's word."""

    manifest: Manifest
    to_take_over: tuple[str, ...]


def restore(
    source: Path,
    data_dir: Path,
    *,
    random: Callable[[int], bytes],
    progress: Progress = no_progress,
) -> Restored:
    """Make ``data_dir``, which is empty or not there, what the backup in ``source`` holds.

    A settings file that lies there already stays, and counts instead of the one in the backup.
    ``random`` gives so many bytes that nobody can guess: the new device's name. One that was broken
    off can be begun again. Raises ``BackupInvalidError`` for a backup that is not whole or damaged,
    ``DirectoryNotEmptyError``, ``DirectoryLockedError``, and ``DataDirectoryError`` when it cannot
    be written.
    """
    here, place = data_dir.resolve(), source.resolve()
    if here == place or here in place.parents or place in here.parents:
        raise DataDirectoryError(
            "a backup is restored neither into itself nor around itself", place=str(data_dir)
        )
    manifest = read_manifest(source)
    _refuse_if_not_empty(data_dir)
    _check(source, manifest, progress)
    try:
        lock = DirectoryLock(data_dir, "restore")
        try:
            _refuse_if_not_empty(data_dir)
            (data_dir / RESTORING).touch(mode=0o600)
            _copy(source, data_dir, manifest, progress)
            taken = _place_journal(source, data_dir, manifest, random(16).hex())
            (data_dir / RESTORING).unlink()
            sync_folder(data_dir)
        finally:
            lock.release()
    except OSError as error:
        raise DataDirectoryError(
            f"the backup cannot be restored: {error.strerror}",
            place=str(error.filename or data_dir),
            remedy="Make room, or name another --data-dir, and begin again.",
        ) from error
    return Restored(manifest, taken)


def _refuse_if_not_empty(data_dir: Path) -> None:
    if not data_dir.exists():
        return
    of_others = (data_dir / JOURNAL, data_dir / MANIFEST)
    if (data_dir / RESTORING).exists() and not any(one.exists() for one in of_others):
        return  # A restoring that was broken off; whoever ran there meanwhile has a journal.
    if not data_dir.is_dir() or {path.name for path in data_dir.iterdir()} - OWN_FILES:
        raise DirectoryNotEmptyError(
            "a backup is restored into an empty place", place=str(data_dir)
        )


def _check(source: Path, manifest: Manifest, progress: Progress) -> None:
    """Read every byte of the backup. Raises ``BackupInvalidError`` with the first damaged file."""
    done, total = 0, manifest.size

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total, "bytes checked")

    for one in manifest.all_files:
        path = source / one.path
        try:
            is_sound = sha256_of(path, one.runs, tell) == one.sha256
        except ContentDamagedError as error:
            raise BackupInvalidError(
                f"a file of the backup is damaged: {error.message}", place=str(path)
            ) from error
        if not is_sound:
            raise BackupInvalidError("a file of the backup has another hash", place=str(path))
    try:
        check_copy(source / manifest.journal.path, APPLICATION_ID)
    except JournalDamagedError as error:
        raise BackupInvalidError(error.message, place=error.place) from error


def _copy(source: Path, data_dir: Path, manifest: Manifest, progress: Progress) -> None:
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, manifest.size, "bytes copied")

    for one in manifest.files:
        target = data_dir / one.path
        target.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        _copy_new(source, target, one, tell)
    if manifest.settings and not os.path.lexists(data_dir / SETTINGS):
        copy_whole(source / manifest.settings.path, data_dir / SETTINGS)
    sync_folders(data_dir, [one.path for one in manifest.files])


def _copy_new(source: Path, target: Path, one: Kept, tell: Callable[[int], None]) -> None:
    target.unlink(missing_ok=True)  # Of a restoring that was broken off.
    for error in copy_runs(source / one.path, target, one.size, one.runs, tell).values():
        raise error


def _place_journal(
    source: Path, data_dir: Path, manifest: Manifest, device: str
) -> tuple[str, ...]:
    """Put the journal in place last, as that of a new device; whom it had control of.

    Raises ``JournalNewerError``.
    """
    draft = data_dir / (JOURNAL + ".draft")
    for left in data_dir.glob(JOURNAL + ".draft*"):
        left.unlink()
    _copy_new(source, draft, manifest.journal, lambda _: None)
    journal = Journal(draft, (*ENGINE, *STORE))
    try:
        taken = journal.run_blocking(lambda tx: _become_another(tx, device))
    finally:
        journal.close()
    if journal.kept is not None:
        journal.kept.unlink()  # The backup is what was before.
    draft.replace(data_dir / JOURNAL)
    sync_folder(data_dir)
    return taken


def _become_another(tx: Transaction, device: str) -> tuple[str, ...]:
    before, store = remember(tx, "device", device), SqliteStore()
    taken = []
    for one in store.communities(tx):
        if one.control_device == before and one.claimed_epoch == one.control_epoch:
            store.set_condition(tx, one.id, RESTORED)
            taken.append(one.name)
    return tuple(taken)
