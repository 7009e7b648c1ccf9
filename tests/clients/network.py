"""A network that one test has to itself: two addresses, every port free, and no way out.

The test's own thread moves into a new network namespace of the kernel and back. Whatever it starts
meanwhile is in there as well, so nothing has to be named, and nothing can be left behind: the
namespace is gone with the last that was in it. Transmission takes no peer on 127.0.0.0/8, hence the
addresses. Python's own sockets (tracker, remote control) stay on 127.0.0.1.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

OURS: Final = "10.77.0.1"
THEIRS: Final = "10.77.0.2"
OUR_PORT: Final = 6881
THEIR_PORT: Final = 51413

CLONE_NEWNET: Final = 0x4000_0000
"""<sched.h>. ``os.unshare`` and ``os.setns`` came with Python 3.12."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of_its_own() -> Iterator[None]:
    """The calling thread in a new network namespace.

    Raises ``OSError`` when that is not allowed (it takes root), or there is no ``ip`` command.
    """
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.unshare(CLONE_NEWNET))
        try:
            for words in (
                "link set lo up",
                f"address add {OURS}/24 dev lo",
                f"address add {THEIRS}/24 dev lo",
            ):
                subprocess.run(["ip", *words.split()], check=True)
            yield
        finally:
            _checked(_libc.setns(outside, CLONE_NEWNET))
    finally:
        os.close(outside)


def is_alone() -> bool:
    """True when there is no interface but loopback, so nothing can leave."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    return [line.split(":")[0].strip() for line in lines] == ["lo"]


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
