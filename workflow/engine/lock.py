"""One process holds a data directory for as long as it lives; a second one is told who.

The lock belongs to the open file, so the operating system releases it when the process ends, by
whatever means. What stands in the file beside it only tells people who it was.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from workflow.errors import DataDirectoryError, DirectoryLockedError

LOCK: Final = "lock"
HOLDER: Final = "holder"
PATIENCE: Final = 0.1
"""Seconds."""


class DirectoryLock:
    """Held from construction to ``release``. Raises ``DirectoryLockedError`` with the holder."""

    def __init__(self, directory: Path, what: str) -> None:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - who only asks does not need it.

        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FileLock(directory / LOCK)
            # Somebody who only asks whether the lock is held has it for an instant.
            self._lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 5)
            self._holder = directory / HOLDER
            self._holder.write_text(f"process {os.getpid()}: {what}\n", encoding="utf-8")
        except Timeout:
            raise _locked(directory) from None
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory cannot be written: {error.strerror}",
                place=str(directory),
                remedy="Make it writable for this user, or choose another --data-dir.",
            ) from error

    def release(self) -> None:
        """Let go; calling it again does nothing."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()


def holder(directory: Path) -> str:
    """Who holds the directory, in words, as far as it is known."""
    try:
        return (directory / HOLDER).read_text(encoding="utf-8").strip()
    except OSError:
        return "another process"


def refuse_if_held(directory: Path) -> None:
    """Raises ``DirectoryLockedError`` when some process holds the directory now, at no cost.

    A directory that cannot be looked at is left to whoever opens it.
    """
    with suppress(OSError):
        if is_held(directory):
            raise _locked(directory)


def _locked(directory: Path) -> DirectoryLockedError:
    return DirectoryLockedError(
        f"the data directory is in use by {holder(directory)}", place=str(directory)
    )


def is_held(directory: Path) -> bool:
    """True when some process holds the directory now."""
    if not (directory / LOCK).exists():
        return False
    with (directory / LOCK).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # Let go when the file is closed.
        except BlockingIOError:
            return True
    return False
