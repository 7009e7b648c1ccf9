"""One generation that is offered, and whether it still is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import sha256
from typing import Final

import libtorrent as lt

from workflow.adapters.carrier.seen import Seen
from workflow.archive.torrent import HASH_LENGTH, Info

FAILURES: Final = (
    lt.file_error_alert,
    lt.torrent_error_alert,
    lt.hash_failed_alert,
    lt.fastresume_rejected_alert,
)
"""What must not be heard of a torrent that is offered. libtorrent's own state says 'seeding' on."""
SEEDS: Final = (lt.torrent_status.states.seeding, lt.torrent_status.states.finished)
"""The states in which it answers peers. Before, it says that it is finished, and looks at files."""
CHECKED_WITHIN: Final = 30.0
"""Seconds that libtorrent may take to look at two files."""


class Offer:
    """It is live once it ``is_confirmed``: libtorrent has said that it seeds it.

    ``trouble`` says why it is offered no longer; ``fail`` is called when an alert says so.

    ``numbers`` are the pieces of ``data`` that are offered, with the index.
    """

    __slots__ = (
        "_checked",
        "_data_pieces",
        "_digest",
        "_fail",
        "_pieces",
        "handle",
        "is_confirmed",
        "locator",
        "name",
        "numbers",
        "seen",
        "trouble",
    )

    def __init__(
        self,
        seen: Seen,
        info: Info,
        locator: str,
        numbers: Collection[int],
        fail: Callable[[Offer, str], None],
    ) -> None:
        self.seen = seen
        self.name = info.info_hash
        self.locator = locator
        self.trouble = ""
        self.is_confirmed = False
        self.handle: lt.torrent_handle | None = None
        self.numbers = numbers
        self._pieces = len(numbers) + len(info.index_pieces)
        self._data_pieces = info.data_pieces.stop
        self._digest = _digest(info, self._data_pieces)
        self._fail = fail
        self._checked: asyncio.Event | None = None

    def is_like(self, other: Offer) -> bool:
        """True when the other one is of the same bytes in the same files."""
        return (self.seen, self.numbers) == (other.seen, other.numbers)

    def proved_of(self, info: Info) -> Collection[int]:
        """Which pieces of ``data`` a torrent has in common with this one, if not another's."""
        if self._data_pieces > info.data_pieces.stop:
            return ()
        return self.numbers if _digest(info, self._data_pieces) == self._digest else ()

    async def is_seeded(self) -> bool:
        """True when libtorrent, which was just given it, says that it seeds it."""
        handle = self.handle
        checked = self._checked = asyncio.Event()
        with suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(CHECKED_WITHIN):
                while handle is not None and not self.trouble:
                    status = handle.status(0)
                    if self._is_all_there(status):
                        self._checked = None
                        return not status.flags & lt.torrent_flags.upload_mode
                    await checked.wait()
                    checked.clear()
        return False

    def hear(self, alert: lt.torrent_alert) -> None:
        """An error of the disk, or a piece that was no longer right when somebody wanted it."""
        if isinstance(alert, FAILURES):
            self._fail(self, alert.message())
        if self._checked is not None:
            self._checked.set()

    def look(self) -> None:
        """Ask what alerts may have been lost."""
        if self._checked is not None:  # Whoever waits for it asks.
            self._checked.set()
            return
        if self.handle is None or self.trouble:
            return
        with suppress(RuntimeError):
            status = self.handle.status(0)
            if status.errc.value() or status.flags & lt.torrent_flags.upload_mode:
                self._fail(self, status.errc.message())
            elif not self._is_all_there(status):
                self._fail(self, "it is not seeded any more")

    def _is_all_there(self, status: lt.torrent_status) -> bool:
        """True when libtorrent has all that was read, and wants nothing more."""
        return status.state in SEEDS and status.num_pieces == self._pieces


def _digest(info: Info, data_pieces: int) -> bytes:
    return sha256(info.pieces[: data_pieces * HASH_LENGTH]).digest()
