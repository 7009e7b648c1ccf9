"""Bytes from one file into another, in place: what is not copied stays a hole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from workflow.backup.manifest import STEP, Run, read_runs
from workflow.errors import ContentDamagedError
from workflow.files.folder import open_own, open_to_read, sync_folder, write_all, write_whole

NOT_SO: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}
"""How a system says that it cannot copy between these two files by itself."""
AT_ONCE: Final = 64 * 1024 * 1024
"""Bytes that the system is asked to copy at once."""


def copy_runs(
    source: Path,
    target: Path,
    size: int,
    runs: Iterable[Run],
    tell: Callable[[int], None],
) -> None:
    """Copy these runs to the same places of ``target``, which is ``size`` long then, and synced.

    Where a file system can share the bytes of two files until one of them changes, it does: the
    copy takes no room and no time. Raises ``ContentDamagedError`` when the source ends before or is
    not there, and ``OSError``.
    """
    reading = open_own(source, os.O_RDONLY)
    try:
        writing = open_own(target, os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(writing).st_size < size:
                os.ftruncate(writing, size)
            for start, end in runs:
                done = _copied_by_system(reading, writing, (start, end), tell)
                if done < end:
                    _copy_by_hand(source, writing, (done, end), tell)
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copied_by_system(reading: int, writing: int, run: Run, tell: Callable[[int], None]) -> int:
    """Where it stopped: at the end of the run, at that of the file, or where it cannot."""
    offset, end = run
    while offset < end:
        try:
            count = os.copy_file_range(reading, writing, min(AT_ONCE, end - offset), offset, offset)
        except OSError as error:
            if error.errno in NOT_SO:
                return offset
            raise
        if count == 0:
            return offset
        offset += count
        tell(count)
    return offset


def _copy_by_hand(source: Path, writing: int, run: Run, tell: Callable[[int], None]) -> None:
    os.lseek(writing, run[0], os.SEEK_SET)
    for part in read_runs(source, (run,), STEP):
        write_all(writing, part)
        tell(len(part))


def copy_whole(source: Path, target: Path) -> int:
    """Copy a small file unless the same bytes are there; returns how many were written.

    Raises ``ContentDamagedError`` when it is not there, and ``OSError``.
    """
    with open_to_read(source) as file:
        content = file.read()
    with suppress(ContentDamagedError), open_to_read(target) as file:
        if file.read() == content:
            return 0
    write_whole(target, content)
    return len(content)


def sync_folders(root: Path, paths: Iterable[str]) -> None:
    """Make the names of these files, and of the folders they lie in, outlast a loss of power."""
    for folder in {parent for path in paths for parent in PurePosixPath(path).parents}:
        sync_folder(root / folder)
