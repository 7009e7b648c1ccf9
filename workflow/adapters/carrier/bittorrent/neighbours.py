"""How nodes of one machine find each other without any service: a folder in which each has a file.

The file is named for the port, and locked for as long as its node lives. The system lets go of the
lock however the node ends, so a file that can be locked is a dead one's, and is removed.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Neighbours:
    """This node's part of the folder. Every method raises ``OSError`` when the disk fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: tuple[Path, int] | None = None

    def join(self, port: int) -> None:
        """Be found at this port from now on."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / str(port)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(
                descriptor, fcntl.LOCK_EX
            )  # Held by others for a moment only: the port is ours.
            if _is_same(path, descriptor):
                self._own = path, descriptor
                return
            os.close(descriptor)  # Somebody took it for a dead one's before it was locked.

    def leave(self) -> None:
        """Be found no more. Nothing happens to one who has not joined."""
        if self._own is not None:
            path, descriptor = self._own
            self._own = None
            try:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def ports(self) -> list[int]:
        """The ports of the others who live, lowest first; files of dead ones are removed."""
        found = []
        for path in self._folder.glob("*"):
            name = path.name
            is_own = self._own is not None and path == self._own[0]
            if name.isascii() and name.isdecimal() and not is_own and _is_alive(path):
                found.append(int(name))
        return sorted(found)


def _is_alive(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # Gone meanwhile, or nothing that a node has made.
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(OSError):
            if _is_same(path, descriptor):
                path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        there, ours = path.stat(follow_symlinks=False), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
