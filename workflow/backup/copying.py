"""Bytes from one file into another, in place: what is not copied stays a hole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from workflow.archive.pieces import PIECE_LENGTH
from workflow.backup.manifest import STEP, read_runs, unreadable
from workflow.backup.runs import Run
from workflow.errors import ContentDamagedError
from workflow.files.folder import open_own, open_to_read, sync_folder, write_all, write_whole

NOT_SO: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}
"""How a system says that it cannot copy between these two files by itself."""
UNREADABLE: Final = {errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.ESTALE}
"""How it says that one of the two files fails; by hand it shows which one, and where."""
AT_ONCE: Final = 64 * 1024 * 1024
"""Bytes that the system is asked to copy at once."""


def copy_runs(
    source: Path,
    target: Path,
    size: int,
    runs: Iterable[Run],
    tell: Callable[[int], None],
) -> dict[Run, ContentDamagedError]:
    """Copy these runs to the same places of ``target``, which is ``size`` long then, and synced.

    Where a file system can share the bytes of two files until one of them changes, it does: the
    copy takes no room and no time. Returns the pieces of the source that cannot be read, or are
    behind its end, and why; they were left out. Raises ``ContentDamagedError`` when it cannot be
    opened, and ``OSError`` when ``target`` cannot be written.
    """
    missing: dict[Run, ContentDamagedError] = {}
    reading = _opened(source)
    try:
        writing = open_own(target, os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(writing).st_size < size:
                os.ftruncate(writing, size)
            for start, end in runs:
                done = _copied_by_system(reading, writing, (start, end), tell)
                if done < end:
                    missing |= _copy_by_hand(source, writing, (done, end), tell)
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return missing


def _opened(source: Path) -> int:
    try:
        return open_own(source, os.O_RDONLY)
    except OSError as error:
        raise unreadable(source, error) from error


def _copied_by_system(reading: int, writing: int, run: Run, tell: Callable[[int], None]) -> int:
    """Where it stopped: at the end of the run, at that of the file, or where it cannot."""
    offset, end = run
    while offset < end:
        try:
            count = os.copy_file_range(reading, writing, min(AT_ONCE, end - offset), offset, offset)
        except OSError as error:
            if error.errno in NOT_SO | UNREADABLE:
                return offset
            raise
        if count == 0:
            return offset
        offset += count
        tell(count)
    return offset


def _copy_by_hand(
    source: Path, writing: int, run: Run, tell: Callable[[int], None], step: int = STEP
) -> dict[Run, ContentDamagedError]:
    """Where many bytes at once cannot be read, each piece of them is tried."""
    missing: dict[Run, ContentDamagedError] = {}
    for start in range(*run, step):
        one = (start, min(start + step, run[1]))
        try:
            (part,) = read_runs(source, (one,), step)
        except ContentDamagedError as error:
            if step > PIECE_LENGTH:
                missing |= _copy_by_hand(source, writing, one, tell, PIECE_LENGTH)
            else:
                missing[one] = error
            continue
        os.lseek(writing, start, os.SEEK_SET)
        write_all(writing, part)
        tell(len(part))
    return missing


def copy_whole(source: Path, target: Path) -> int:
    """Copy a small file unless the same bytes are there; returns how many were written.

    Raises ``ContentDamagedError`` when it cannot be read, and ``OSError`` when ``target`` cannot be
    written.
    """
    try:
        with open_to_read(source) as file:
            content = file.read()
    except OSError as error:
        raise unreadable(source, error) from error
    with suppress(ContentDamagedError, OSError), open_to_read(target) as file:
        if file.read() == content:
            return 0
    write_whole(target, content)
    return len(content)


def sync_folders(root: Path, paths: Iterable[str]) -> None:
    """Make the names of these files, and of the folders they lie in, outlast a loss of power."""
    for folder in {parent for path in paths for parent in PurePosixPath(path).parents}:
        sync_folder(root / folder)
