"""Whom a node asks: peers that it was told of, and neighbours on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from loguru import logger

from workflow.adapters.carrier.bittorrent.neighbours import Neighbours
from workflow.adapters.carrier.bittorrent.settings import LOOPBACK, Network, Settings, address_of
from workflow.errors import CarrierError, NoPeerSourceError

Address = tuple[str, int]
"""IP address and port."""


class Sources:
    """What settings say of trackers, libtorrent is told by its session."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._neighbours: Neighbours | None = None
        if settings.network is Network.LOCAL and settings.meeting is not None:
            self._neighbours = Neighbours(settings.meeting)

    def join(self, port: int) -> None:
        """Be found by neighbours. Raises ``CarrierError`` when the disk fails."""
        if self._neighbours is not None:
            try:
                self._neighbours.join(port)
            except OSError as error:
                raise CarrierError(f"the neighbours' folder fails: {error}") from error

    def leave(self) -> None:
        """Be found no more."""
        if self._neighbours is not None:
            self._neighbours.leave()

    async def for_seeding(self) -> list[Address]:
        """Whom to call although they may want nothing: neighbours call for themselves."""
        return await self._configured()

    async def for_fetching(self, had_it: Sequence[Address]) -> Callable[[], list[Address]]:
        """Asked again and again while somebody is looked for: those who had it come first.

        Raises ``NoPeerSourceError`` when there is no way to hear of anybody.
        """
        if not self._settings.has_peer_source:
            raise NoPeerSourceError("there is no tracker, peer or neighbour to ask")
        configured = await self._configured()
        return lambda: list(dict.fromkeys([*had_it, *configured, *self._near()]))

    async def _configured(self) -> list[Address]:
        """The addresses of the peers in the settings; one that has none is left out."""
        found: list[Address] = []
        for host, port in map(address_of, self._settings.peers):
            try:
                answers = await asyncio.get_running_loop().getaddrinfo(host, port)
            except (OSError, UnicodeError) as error:
                logger.warning("the peer {}:{} is not found: {}", host, port, error)
            else:
                found += [(str(one[4][0]), port) for one in answers]
        return list(dict.fromkeys(found))

    def _near(self) -> list[Address]:
        if self._neighbours is None:
            return []
        try:
            return [(LOOPBACK, port) for port in self._neighbours.ports()]
        except OSError as error:
            logger.warning("the neighbours' folder fails: {}", error)
            return []
