"""One torrent while something of it is being fetched: what libtorrent tells of it, and patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import libtorrent as lt

from workflow.adapters.carrier.bittorrent.session import Session
from workflow.adapters.carrier.bittorrent.sources import Address
from workflow.errors import CarrierError, NoPeersError, TorrentInvalidError

LOOK_AGAIN_AFTER: Final = 1.0
"""Seconds between two looks for somebody who has it."""
FLUSHED_WITHIN: Final = 1.0
"""Seconds after which a flush whose end was not heard of is asked for again."""
NOT_ITS_METADATA: Final = 30
"""libtorrent's number for metadata with another hash: the next peer may send the right one."""


class Transfer:
    """Is in the session from ``start`` to ``stop``."""

    def __init__(
        self,
        session: Session,
        params: lt.add_torrent_params,
        find: Callable[[], Iterable[Address]],
        patience: float,
    ) -> None:
        self.name = str(params.info_hashes.v1)
        self.metadata: bytes | None = None
        self.finished: set[int] = set()
        self.news: list[int] = []
        self.bytes_here = 0
        self._session = session
        self._params = params
        self._find = find
        self._patience = patience
        self._handle: lt.torrent_handle | None = None
        self._changed = asyncio.Event()
        self._problem: CarrierError | TorrentInvalidError | None = None
        self._flushes = 0
        self._most = 0

    def start(self) -> None:
        """Begin to fetch. Raises ``CarrierError`` when the session is not open."""
        self._params.peers = list(self._find())
        self._handle = self._session.add(self._params, self)

    async def stop(self) -> None:
        """Fetch no more; returns when all that is finished is on the disk."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(RuntimeError):
                self._session.downloaded += handle.status(0).total_download
            await self._session.remove(self.name, handle)

    def fail(self, problem: CarrierError | TorrentInvalidError) -> None:
        """Let whoever waits hear of this."""
        self._problem = self._problem or problem
        self._changed.set()

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return when it is true.

        Raises ``NoPeersError`` when that takes longer than the patience without a new byte, and
        whatever else has gone wrong at once.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        count = len(self.finished)
        while True:
            if self._problem is not None:
                raise self._problem
            if is_true():
                return
            left = give_up - loop.time()
            if left <= 0:
                raise NoPeersError("nobody who has it was reached", place=self.name)
            was_woken = await self._woken(min(LOOK_AGAIN_AFTER, left))
            has_come_on = len(self.finished) > count
            if not was_woken:
                has_come_on = self._has_come_on() or has_come_on
                self._call_on()
            if has_come_on:
                count = len(self.finished)
                give_up = loop.time() + self._patience

    async def flush(self) -> None:
        """Have libtorrent write what it holds in memory; returns when it says so, or soon after."""
        before = self._flushes
        if self._handle is not None and self._handle.is_valid():
            self._handle.flush_cache()
            while self._flushes == before and self._problem is None:
                if not await self._woken(FLUSHED_WITHIN):
                    return

    async def _woken(self, within: float) -> bool:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
                return True
        return False

    @property
    def handle(self) -> lt.torrent_handle | None:
        """Libtorrent's own, until it is stopped."""
        return self._handle

    def called(self) -> tuple[Address, ...]:
        """Those who are connected and can be called again: their port is the one they listen on."""
        with suppress(RuntimeError):
            if self._handle is not None:
                return tuple(
                    one.ip
                    for one in self._handle.get_peer_info()
                    if one.flags & lt.peer_info.outgoing_connection
                )
        return ()

    # --------------------------------------------------------------------- what libtorrent tells

    def hear(self, alert: lt.torrent_alert) -> None:
        """Take note of it, and wake whoever waits."""
        match alert:
            case lt.piece_finished_alert():
                self._finish(alert.piece_index)
            case lt.metadata_received_alert():
                self._take_metadata()
            case lt.metadata_failed_alert():
                self._judge(alert.error)
            case lt.cache_flushed_alert():
                self._flushes += 1
            case lt.file_error_alert():
                words = f"the disk fails: {alert.error.message()}"
                self.fail(CarrierError(words, place=alert.filename()))
            case lt.torrent_error_alert():
                self.fail(
                    CarrierError(f"it cannot be fetched: {alert.error.message()}", place=self.name)
                )
            case _:
                return
        self._changed.set()

    def look(self) -> None:
        """Ask for all that may have been lost."""
        handle = self._handle
        if handle is None or not handle.is_valid():
            return
        status = handle.status(lt.torrent_handle.query_pieces)
        for number, has in enumerate(status.pieces):
            if has:
                self._finish(number)
        if status.errc.value():
            words = f"it cannot be fetched: {status.errc.message()}"
            self.fail(CarrierError(words, place=self.name))
        elif status.flags & lt.torrent_flags.upload_mode:
            self.fail(CarrierError("the disk fails", place=self.name))
        if self.metadata is None and status.has_metadata:
            self._take_metadata()
        self._changed.set()

    def _finish(self, number: int) -> None:
        if number not in self.finished:
            self.finished.add(number)
            self.news.append(number)

    def _take_metadata(self) -> None:
        if self._handle is not None and (info := self._handle.torrent_file()) is not None:
            self.metadata = info.info_section()

    def _judge(self, error: lt.error_code) -> None:
        """Wrong metadata is a peer's fault, right one that cannot be read the torrent's."""
        if error.value() != NOT_ITS_METADATA:
            words = f"the metadata is refused: {error.message()}"
            self.fail(TorrentInvalidError(words, place=self.name))

    def _has_come_on(self) -> bool:
        """True when there is more of it than ever before."""
        with suppress(RuntimeError):
            if (
                self._handle is not None
                and (done := self._handle.status(0).total_done) > self._most
            ):
                self._most = done
                return True
        return False

    def _call_on(self) -> None:
        """Try those again who may have it now."""
        handle = self._handle
        if handle is not None:
            for peer in self._find():
                # Named as if by a tracker: that forgives a peer that could not be reached before.
                # No flags: they would say that it knows uTP, though it was found not to.
                with suppress(RuntimeError):
                    handle.connect_peer(peer, lt.peer_info.tracker, 0)
