"""All that a node offers: what was read and hashed by ourselves, as long as nothing is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

import libtorrent as lt
from loguru import logger

from workflow.adapters.carrier import pieces
from workflow.adapters.carrier.bittorrent.offer import Offer
from workflow.adapters.carrier.bittorrent.params import seeding_params
from workflow.adapters.carrier.bittorrent.session import Session
from workflow.adapters.carrier.bittorrent.sources import Sources
from workflow.adapters.carrier.threads import Threads
from workflow.archive.magnet import magnet_uri, parse_magnet
from workflow.archive.torrent import Info
from workflow.errors import ContentDamagedError, LocatorInvalidError, MagnetInvalidError
from workflow.ports.carrier import Content, Fetched, Range


@lru_cache(maxsize=4096)
def name_of(locator: str) -> str:
    """The info-hash in a locator, and nothing else of it. Raises ``LocatorInvalidError``."""
    try:
        return parse_magnet(locator).info_hash
    except MagnetInvalidError as error:
        raise LocatorInvalidError(str(error)) from error


class Offers:
    """By info-hash. ``tell`` is called, from any thread, with a locator whose health changes."""

    def __init__(self, session: Session, sources: Sources, tell: Callable[[str], None]) -> None:
        self._session = session
        self._sources = sources
        self._tell = tell
        self._threads = Threads()
        self._offers: dict[str, Offer] = {}
        self._lock = threading.Lock()

    async def read(
        self, content: Content, locator: str, ranges: Sequence[Range] | None
    ) -> tuple[Offer, Info]:
        """Check every byte of what is to be offered; see ``Carrier.publish``."""
        name = name_of(locator) if locator else ""
        try:
            info = await self._threads.run(lambda: pieces.sealed_info(content, name))
            numbers = pieces.pieces_here(info, ranges)
            proved = self._proved(content, info)
            seen = await self._threads.run(
                lambda: pieces.read_whole(content, info, numbers, proved)
            )
        except ContentDamagedError as error:
            self._lose(self._offers.get(name), str(error))
            raise
        trackers = self._session.announced_to
        locator = locator or magnet_uri(info.info_hash, content.community, trackers)
        return Offer(seen, info, locator, numbers, self._lose), info

    def _proved(self, content: Content, info: Info) -> list[Collection[int]]:
        """Which pieces of ``data`` were read for other generations that are live."""
        others = [one for one in self._offers.values() if one.seen.content.data == content.data]
        return [
            other.proved_of(info)
            for other in others
            if other.name != info.info_hash and self.live(other.name) is other
        ]

    async def put(self, offer: Offer, info: Info) -> None:
        """Offer it. Raises ``ContentDamagedError`` when libtorrent, or a look, finds it changed."""
        before = self._offers.get(offer.name)
        if before is None or before.trouble or not before.is_like(offer):
            await self.take_out(offer.name)
            params = seeding_params(offer.seen.content, info, offer.numbers)
            params.peers = await self._sources.for_seeding()
            offer.handle = self._session.add(params, offer)
            self._offers[offer.name] = offer
            offer.is_confirmed = await offer.is_seeded()
            if not offer.is_confirmed:
                self._lose(offer, "libtorrent does not seed it")
        if self.live(offer.name) is None:
            await self.take_out(offer.name)
            reason = f"it cannot be offered: {offer.trouble}"
            raise ContentDamagedError(reason, place=str(offer.seen.content.data.parent))
        self._tell(offer.locator)

    def live(self, name: str) -> Offer | None:
        """The offer, after a look at its files; from any thread."""
        offer = self._offers.get(name)
        if offer is None or offer.trouble or not offer.is_confirmed:
            return None
        if trouble := offer.seen.trouble():
            self._lose(offer, trouble)
            return None
        return offer

    async def own_index(self, name: str) -> Fetched | None:
        """The index of what is offered here; if its bytes are wrong, it is so no longer."""
        if (offer := self.live(name)) is None:
            return None
        content = offer.seen.content
        try:
            info = await self._threads.run(lambda: pieces.sealed_info(content, name))
            index = await self._threads.run(lambda: pieces.read_index(content.index, info))
            return Fetched(index, info)
        except ContentDamagedError as error:
            await self.take_out(name, because=str(error))
            return None

    async def take_out(self, name: str, because: str = "") -> None:
        """Offer it no more; returns when its files are free. With a reason, it has failed."""
        if because:
            self._lose(self._offers.get(name), because)
        offer = self._offers.pop(name, None)
        if offer is not None and offer.handle is not None:
            await self._session.remove(name, offer.handle)

    def handle_of(self, name: str) -> lt.torrent_handle | None:
        """Libtorrent's own, if it is offered."""
        offer = self._offers.get(name)
        return offer.handle if offer is not None and not offer.trouble else None

    async def clear(self) -> None:
        """Forget them all; the session is closed."""
        self._offers.clear()
        await self._threads.ended()

    def _lose(self, offer: Offer | None, trouble: str) -> None:
        """Take what has failed out of the swarm, and say so once; from any thread."""
        with self._lock:
            if offer is None or offer.trouble:
                return
            offer.trouble = trouble
        logger.bind(community=offer.seen.content.community).warning(
            "{} is no longer offered: {}", offer.locator, trouble
        )
        if offer.handle is not None:
            self._session.drop(offer.name, offer.handle)
        self._tell(offer.locator)
