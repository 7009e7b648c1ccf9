"""A node on BitTorrent.

libtorrent moves the bytes, and its word is taken for nothing else. What is offered was read and
hashed here, what was fetched was read back and hashed here, and of a link that comes in only the
info-hash is used.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import libtorrent as lt

from workflow.adapters.carrier import pieces
from workflow.adapters.carrier.bittorrent.offers import Offers, name_of
from workflow.adapters.carrier.bittorrent.params import (
    fetching_params,
    metadata_params,
)
from workflow.adapters.carrier.bittorrent.pending import Pending
from workflow.adapters.carrier.bittorrent.session import Session
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.adapters.carrier.bittorrent.sources import Address, Sources
from workflow.adapters.carrier.bittorrent.traffic import peer_of, traffic_of
from workflow.adapters.carrier.bittorrent.transfer import Transfer
from workflow.adapters.carrier.threads import Threads
from workflow.archive.torrent import Info, decode_info
from workflow.errors import (
    CarrierError,
    LocatorInvalidError,
    TorrentInvalidError,
)
from workflow.files.torrents import torrent_of
from workflow.ports.carrier import Content, Fetched, HealthListener, Peer, Range, Traffic

REMEMBERED: Final = 32
"""Torrents whose metadata, and who had it, is kept for the fetch that follows."""
LEFT_BEHIND: Final = re.compile("[0-9a-f]{40}")
"""A folder in which something was fetched."""
READ_BACK_AFTER: Final = 0.1
"""Seconds until bytes are read again that libtorrent has, and the disk does not show."""

Settle = Callable[[Sequence[int]], Collection[int]]
"""Makes pieces that have come durable where they belong; returns which are not right (yet)."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Metadata that was fetched, and who had it."""

    info: Info
    had_by: tuple[Address, ...]


class BitTorrentCarrier:
    """One node. ``scratch`` is a folder of its own: what is left there is removed when it opens.

    Raises ``ConfigurationError`` for settings that libtorrent does not take.
    """

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch
        self._session = Session(settings)
        self._sources = Sources(settings)
        self._threads = Threads()
        self._listener: HealthListener | None = None
        self._offers = Offers(self._session, self._sources, self._tell)
        self._transfers: dict[str, Transfer] = {}
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def port(self) -> int:
        """On which others reach this node while it is open."""
        return self._session.port

    @property
    def address(self) -> str:
        """Where a process on this machine reaches this one while it is open, as "ip:port"."""
        return self._settings.reached_at(self.port)

    @property
    def downloaded(self) -> int:
        """Bytes that came for fetches which have ended: pieces, metadata, and the protocol."""
        return self._session.downloaded

    async def open(self, listener: HealthListener) -> None:
        """Begin to listen; ``listener`` hears of every locator that becomes live or fails.

        It is called from whatever thread noticed it. Raises ``ListenError`` when the port cannot be
        had, ``CarrierError`` when the disk fails.
        """
        if self._listener is None:
            await self._threads.run(self._make_scratch)
            await self._session.open()
            try:
                self._sources.join(self.port)
            except CarrierError:
                await self._session.close()
                raise
        self._listener = listener

    async def close(self) -> None:
        """Withdraw everything, and let go of all files, threads and sockets."""
        self._listener = None
        self._sources.leave()
        for transfer in self._transfers.values():
            transfer.fail(CarrierError("the carrier is not open"))
        await self._session.close()
        await self._offers.clear()
        self._known.clear()
        await self._threads.ended()
        await self._threads.run(self._empty_scratch)
        with suppress(OSError):  # Somebody else has put something there.
            self._scratch.rmdir()

    # ------------------------------------------------------------------------------- publishing

    async def publish(
        self, content: Content, locator: str = "", ranges: Sequence[Range] | None = None
    ) -> str:
        """Read and hash everything, or these ranges, and offer it; see ``Carrier.publish``.

        The .torrent beside the content says what is offered. Pieces that were read for another
        generation on the same file, which is live, are not read again.
        """
        self._stay_open()
        offer, info = await self._offers.read(content, locator, ranges)
        async with self._turn(offer.name):
            self._stay_open()
            await self._offers.put(offer, info)
        return offer.locator

    def is_live(self, locator: str) -> bool:
        """True while it was checked, is offered, and its files are the same and no shorter.

        May be called from any thread. Once it was false, only ``publish`` makes it true again.
        """
        with suppress(LocatorInvalidError):
            return self._offers.live(name_of(locator)) is not None
        return False

    async def withdraw(self, locator: str) -> None:
        """Stop offering; the files stay. Nothing happens when it was not offered."""
        with suppress(LocatorInvalidError):
            await self._offers.take_out(name_of(locator))

    # --------------------------------------------------------------------------------- fetching

    def check_locator(self, locator: str) -> None:
        """Raises ``LocatorInvalidError`` when it is no magnet link that names one v1 info-hash."""
        name_of(locator)

    async def fetch_index(self, locator: str) -> Fetched:
        """The index, and the metadata of the torrent.

        Raises ``LocatorInvalidError`` and ``NoPeerSourceError`` at once, ``NoPeersError`` when
        patience ends, ``TorrentInvalidError`` for a torrent that is not one of archives.
        """
        name = name_of(locator)
        async with self._turn(name):
            self._stay_open()
            if (own := await self._offers.own_index(name)) is not None:
                return own
            info = await self._info_of(name)
            target = self._scratch / name / "index"

            def settle(numbers: Sequence[int]) -> Collection[int]:
                return pieces.unread(target, info, numbers, info.index_pieces.start)

            wanted = {"index": set(info.index_pieces)}
            params = fetching_params(info, wanted, (target.with_name("data"), target), ())
            async with aclosing(self._carry(params, wanted, settle)) as came:
                async for _ in came:
                    index = await self._threads.run(lambda: pieces.read_index(target, info))
                    return Fetched(index, info)
            raise AssertionError("an index has pieces")

    async def fetch(
        self, locator: str, content: Content, ranges: Sequence[Range]
    ) -> AsyncGenerator[str, None]:
        """Bring ranges of ``data``; yields archive ids, first those that were here already.

        See ``Carrier.fetch``. Raises ``CarrierError`` for ranges that lie outside, too, and what
        ``fetch_index`` raises.
        """
        name = name_of(locator)
        async with self._turn(name):
            self._stay_open()
            torrent = await self._threads.run(lambda: torrent_of(content, name))
            info = torrent.info if torrent is not None else await self._info_of(name)
            wanted = {one.archive: pieces.pieces_of(info, one) for one in ranges}
            missing: dict[str, set[int]] = {}
            here: set[int] = set()
            for archive, numbers in wanted.items():
                looking = partial(pieces.lacking, content.data, info, numbers)
                lacking = await self._threads.run(looking)
                here |= set(numbers) - set(lacking)
                if lacking:
                    missing[archive] = set(lacking)
                else:
                    yield archive
            if missing:
                async with aclosing(self._bring(info, content, missing, here)) as came:
                    async for archive in came:
                        yield archive

    async def _bring(
        self, info: Info, content: Content, missing: Mapping[str, set[int]], here: set[int]
    ) -> AsyncGenerator[str, None]:
        """Fetch pieces of ``data`` into its file.

        libtorrent cuts a file that it writes to the torrent's length. Where bytes of a newer
        generation lie behind it, it gets a file of its own, and what has come is copied.
        """
        await self._offers.take_out(info.info_hash, because="pieces are missing")
        data = content.data.absolute()
        length = await self._threads.run(lambda: pieces.prepare(data))
        folder = self._scratch / info.info_hash
        is_direct = length <= info.data_length
        source = data if is_direct else folder / "data"

        def settle(numbers: Sequence[int]) -> Collection[int]:
            if is_direct:
                return pieces.lacking(data, info, numbers)
            return pieces.copy(source, data, info, numbers)

        files = (source, folder / "index")
        # What is here is shared from now on, if it is where libtorrent looks for it.
        params = fetching_params(info, missing, files, here if is_direct else ())
        bytes_here = pieces.length_of_all(info, here)
        async with aclosing(self._carry(params, missing, settle, bytes_here)) as came:
            async for archive in came:
                yield archive

    async def _carry(
        self,
        params: lt.add_torrent_params,
        wanted: Mapping[str, set[int]],
        settle: Settle,
        bytes_here: int = 0,
    ) -> AsyncGenerator[str, None]:
        """Fetch pieces; yields the name of each group when all of its pieces are settled."""
        transfer = await self._transfer(params, self._settings.patience)
        transfer.bytes_here = bytes_here
        pending = Pending(wanted)
        try:
            while pending.groups:
                await transfer.until(lambda: bool(transfer.news) or pending.is_ready)
                pending.take(transfer.news)
                if pending.is_ready:
                    await transfer.flush()
                    settling = partial(settle, pending.ready())
                    for group in pending.settle(await self._threads.run(settling)):
                        yield group
                    if pending.is_ready:  # Not all of it can be read yet.
                        await asyncio.sleep(READ_BACK_AFTER)
        finally:
            await transfer.stop()
            if rest := pending.unsettled(transfer.finished):
                with suppress(CarrierError):
                    await self._threads.run(lambda: settle(rest))
            await self._end(transfer)

    async def _info_of(self, name: str) -> Info:
        """The metadata of a torrent, from who has it, judged before any file exists."""
        known = self._known.get(name)
        if known is None:
            params = metadata_params(name, self._scratch)
            transfer = await self._transfer(params, self._settings.metadata_patience)
            try:
                await transfer.until(lambda: transfer.metadata is not None)
                had_by = transfer.called()
            finally:
                await self._end(transfer)
            try:
                info = decode_info(transfer.metadata or b"")
            except TorrentInvalidError as error:
                raise TorrentInvalidError(str(error), place=name) from error
            known = self._known[name] = _Known(info, had_by)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known.info

    async def _transfer(self, params: lt.add_torrent_params, patience: float) -> Transfer:
        name = str(params.info_hashes.v1)
        known = self._known.get(name)
        find = await self._sources.for_fetching(known.had_by if known is not None else ())
        transfer = Transfer(self._session, params, find, patience)
        transfer.start()
        self._transfers[name] = transfer
        return transfer

    async def _end(self, transfer: Transfer) -> None:
        await transfer.stop()
        self._transfers.pop(transfer.name, None)
        folder = self._scratch / transfer.name
        # Metadata alone leaves nothing, and a thread takes longer than the question.
        if os.path.lexists(folder):  # noqa: ASYNC240 - it does not block.
            await self._threads.run(lambda: shutil.rmtree(folder, ignore_errors=True))

    # ---------------------------------------------------------------------------------- looking

    def traffic(self, locator: str) -> Traffic | None:
        """What moves at this moment; None when it is neither offered nor fetched."""
        with suppress(LocatorInvalidError, RuntimeError):
            name = name_of(locator)
            transfer = self._transfers.get(name)
            if (handle := self._handle_of(name)) is not None:
                bytes_here = transfer.bytes_here if transfer is not None else 0
                return traffic_of(handle.status(0), bytes_here)
        return None

    def peers(self, locator: str) -> tuple[Peer, ...]:
        """Who is connected for it at this moment."""
        with suppress(LocatorInvalidError, RuntimeError):
            if (handle := self._handle_of(name_of(locator))) is not None:
                return tuple(map(peer_of, handle.get_peer_info()))
        return ()

    def _handle_of(self, name: str) -> lt.torrent_handle | None:
        transfer = self._transfers.get(name)
        return transfer.handle if transfer is not None else self._offers.handle_of(name)

    # ----------------------------------------------------------------------------------- within

    def _stay_open(self) -> None:
        if self._listener is None:
            raise CarrierError("the carrier is not open")

    def _tell(self, locator: str) -> None:
        listener = self._listener
        if listener is not None:
            listener(locator)

    def _turn(self, name: str) -> asyncio.Lock:
        """One thing at a time with each torrent: a session has it once."""
        turn = self._turns.get(name)
        if turn is None:
            turn = self._turns[name] = asyncio.Lock()
        return turn

    def _empty_scratch(self) -> None:
        """Remove what a fetch has left there, and nothing that anybody else has."""
        for path in self._scratch.glob("*"):
            if LEFT_BEHIND.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def _make_scratch(self) -> None:
        try:
            self._empty_scratch()
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CarrierError(
                f"the disk fails: {error.strerror}", place=str(self._scratch)
            ) from error
