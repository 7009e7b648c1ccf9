"""One generation that is offered, and whether it still is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
CHECKED_WITHIN: Final = 30.0
"""Seconds that libtorrent may take to look at two files."""


class Offer:
    """``trouble`` says why it is offered no longer; ``fail`` is called when an alert says so."""

    __slots__ = (
        "_checked",
        "_data_pieces",
        "_digest",
        "_fail",
        "handle",
        "locator",
        "name",
        "seen",
        "trouble",
    )

    def __init__(
        self, seen: Seen, info: Info, locator: str, fail: Callable[[Offer, str], None]
    ) -> None:
        self.seen = seen
        self.name = info.info_hash
        self.locator = locator
        self.trouble = ""
        self.handle: lt.torrent_handle | None = None
        self._data_pieces = info.data_pieces.stop
        self._digest = _digest(info, self._data_pieces)
        self._fail = fail
        self._checked: asyncio.Event | None = None

    def proved_of(self, info: Info) -> int:
        """How many pieces of ``data`` a torrent has in common with this one, if not another's."""
        if self._data_pieces > info.data_pieces.stop:
            return 0
        return self._data_pieces if _digest(info, self._data_pieces) == self._digest else 0

    async def is_seeded(self) -> bool:
        """True when libtorrent, which was just given it, says that it seeds it."""
        handle = self.handle
        checked = self._checked = asyncio.Event()
        with suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(CHECKED_WITHIN):
                while handle is not None and not self.trouble:
                    status = handle.status(0)
                    if status.is_seeding:
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
            elif not status.is_seeding:
                self._fail(self, "it is not seeded any more")


def _digest(info: Info, data_pieces: int) -> bytes:
    return sha256(info.pieces[: data_pieces * HASH_LENGTH]).digest()
