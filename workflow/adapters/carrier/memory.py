"""A swarm within one process: who offers what is kept in memory, the bytes come from real files.

It is as strict as BitTorrent: nothing is offered before all its bytes were read, a locator stands
for hashes, and whoever fetches checks each piece before it writes it, wherever it came from. Time
that checking and carrying would take passes on the clock.

Hashing and copying run in threads, of which a ``ManualClock`` knows nothing unless it is told:
``clock.watch(lambda: swarm.is_busy)``.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from workflow.adapters.carrier import pieces
from workflow.adapters.carrier.seen import Seen
from workflow.adapters.carrier.threads import Threads
from workflow.archive.torrent import Info
from workflow.errors import CarrierError, ContentDamagedError, LocatorInvalidError, NoPeersError
from workflow.ports.carrier import Content, Fetched, HealthListener, Peer, Range, Traffic
from workflow.ports.clock import Clock

SCHEME: Final = "memory:"
LOOK_AGAIN_AFTER: Final = 1.0
"""Seconds between two looks for somebody who offers what is wanted."""
INJECTED: Final = "a failure that a test has injected"


@dataclass(eq=False, slots=True)
class Offer:
    """What one carrier offers, with the threads that read it; ``trouble`` says why no longer.

    ``numbers`` are the pieces of ``data`` that are offered, with the index.
    """

    seen: Seen
    info: Info
    numbers: Collection[int]
    readers: Threads
    trouble: str = ""

    @property
    def locator(self) -> str:
        """``memory:`` and the info-hash."""
        return SCHEME + self.info.info_hash

    @property
    def length(self) -> int:
        """How many bytes of ``data`` and ``index`` are offered."""
        return self.info.index_length + pieces.length_of_all(self.info, self.numbers)


@dataclass(slots=True)
class _Moving:
    """Bytes of a fetch that is under way, archive by archive."""

    total: int
    was_here: int = 0
    done: int = 0


class Swarm:
    """What the carriers of one process share."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.threads = Threads()
        self._carriers: list[MemoryCarrier] = []

    @property
    def is_busy(self) -> bool:
        """True while a thread of any carrier reads or writes; waiting for time is not busy."""
        return self.threads.are_busy

    def join(self, carrier: MemoryCarrier) -> None:
        """Ask this carrier, too, for what others want."""
        self._carriers.append(carrier)

    def leave(self, carrier: MemoryCarrier) -> None:
        """Ask it no more."""
        self._carriers.remove(carrier)

    def offers(self, locator: str) -> Iterator[Offer]:
        """Everybody's live offers of this content, in the order of joining."""
        for carrier in tuple(self._carriers):
            if (offer := carrier.offer(locator)) is not None:
                yield offer


class MemoryCarrier:
    """One node's part of the swarm.

    ``check_seconds`` pass on the clock (the swarm's, if none is given) while a generation is
    checked, ``seconds_per_archive`` for each archive that is carried, and ``give_up_after`` seconds
    without a byte mean ``NoPeersError``.
    """

    def __init__(
        self,
        swarm: Swarm,
        clock: Clock | None = None,
        *,
        check_seconds: float = 0.0,
        give_up_after: float = 60.0,
        seconds_per_archive: float = 0.0,
    ) -> None:
        self._swarm = swarm
        self._clock = clock or swarm.clock
        self._check_seconds = check_seconds
        self._give_up_after = give_up_after
        self._seconds_per_archive = seconds_per_archive
        self._listener: HealthListener | None = None
        self._offers: dict[str, Offer] = {}
        self._known: dict[str, Info] = {}
        self._moving: dict[str, _Moving] = {}
        self._threads = Threads(swarm.threads)
        self._lock = threading.Lock()

    async def open(self, listener: HealthListener) -> None:
        """Join the swarm; ``listener`` hears of every locator that becomes live or fails.

        It is called from whatever thread noticed it, and not for ``withdraw`` and ``close``.
        """
        if self._listener is None:
            self._swarm.join(self)
        self._listener = listener

    def check_locator(self, locator: str) -> None:
        """Raises ``LocatorInvalidError`` for text that is not ``memory:`` and something behind."""
        if not locator.startswith(SCHEME) or not locator.isprintable():
            raise LocatorInvalidError(f"no locator of this swarm: {locator[:80]!r}")

    async def publish(
        self, content: Content, locator: str = "", ranges: Sequence[Range] | None = None
    ) -> str:
        """Read all bytes, let ``check_seconds`` pass, and offer them; see ``Carrier.publish``."""
        try:
            offer = await self._check(content, locator.removeprefix(SCHEME), ranges)
        except ContentDamagedError as error:
            self._lose(locator, self._offers.get(locator), str(error))
            raise
        found = offer.locator
        self._known[found] = offer.info
        self._offers[found] = offer
        self._tell(found)
        return found

    async def _check(self, content: Content, name: str, ranges: Sequence[Range] | None) -> Offer:
        self._stay_open()
        run = self._threads.run
        info = await run(lambda: pieces.sealed_info(content, name))
        numbers = pieces.pieces_here(info, ranges)
        seen = await run(lambda: pieces.read_whole(content, info, numbers, ()))
        if self._check_seconds > 0:
            await self._clock.sleep(self._check_seconds)
        self._stay_open()
        if trouble := seen.trouble():
            raise ContentDamagedError(f"it changed while it was checked: {trouble}", place=name)
        return Offer(seen, info, numbers, self._threads)

    async def fetch_index(self, locator: str) -> Fetched:
        """The index; raises ``NoPeersError`` after ``give_up_after`` seconds."""
        search = self._search(locator)
        while True:
            offer = await search.next_offer()
            reading = partial(pieces.read_index, offer.seen.content.index, offer.info)
            try:
                index = await self._threads.run(reading, offer.readers)
            except CarrierError:  # Theirs, not ours.
                search.distrust(offer)
            else:
                self._known[locator] = offer.info
                return Fetched(index, offer.info)

    async def fetch(
        self, locator: str, content: Content, ranges: Sequence[Range]
    ) -> AsyncGenerator[str, None]:
        """Bring ranges of ``data``; yields archive ids, first those that were here already.

        See ``Carrier.fetch``. Raises ``CarrierError`` for ranges that lie outside, too.
        """
        search = self._search(locator)
        info = self._known.get(locator)
        if info is None:
            info = self._known[locator] = (await search.next_offer()).info
        wanted = {one.archive: pieces.pieces_of(info, one) for one in ranges}
        sizes = {one: pieces.length_of_all(info, numbers) for one, numbers in wanted.items()}
        moving = self._moving[locator] = _Moving(sum(sizes.values()))
        try:
            to_bring = []
            for archive, numbers in wanted.items():
                if await self._lacking(content, info, numbers):
                    to_bring.append(archive)
                else:
                    moving.was_here += sizes[archive]
                    moving.done += sizes[archive]
                    yield archive
            while to_bring:
                archive = next(
                    (one for one in to_bring if search.can_have(wanted[one])), to_bring[0]
                )
                to_bring.remove(archive)
                # Asked anew each time: a piece that two share may have come with the first.
                while missing := await self._lacking(content, info, wanted[archive]):
                    await self._bring(search, content, missing)
                if self._seconds_per_archive > 0:
                    await self._clock.sleep(self._seconds_per_archive)
                moving.done += sizes[archive]
                yield archive
        finally:
            self._moving.pop(locator, None)

    def is_live(self, locator: str) -> bool:
        """True while it was checked, is offered, and its files are the same and no shorter.

        May be called from any thread. Once it was false, only ``publish`` makes it true again.
        """
        return self.offer(locator) is not None

    def offer(self, locator: str) -> Offer | None:
        """The live offer of this locator, after a look at its files; from any thread."""
        offer = self._offers.get(locator)
        if offer is None or offer.trouble:
            return None
        if trouble := offer.seen.trouble():
            self._lose(locator, offer, trouble)
            return None
        return offer

    @property
    def address(self) -> str:
        """Nobody has an address here."""
        return ""

    def traffic(self, locator: str) -> Traffic | None:
        """Bytes of what is fetched, or of what is offered; nothing here has a rate."""
        others = len(self._others(locator))
        if (moving := self._moving.get(locator)) is not None:
            brought = moving.done - moving.was_here
            return Traffic(others, moving.done, moving.total, 0, 0, brought, 0)
        if (offer := self.offer(locator)) is not None:
            return Traffic(others, offer.length, offer.length, 0, 0, 0, 0)
        return None

    def peers(self, locator: str) -> tuple[Peer, ...]:
        """Everybody else who offers it, numbered: nobody has an address here."""
        if self.traffic(locator) is None:
            return ()
        return tuple(
            Peer(f"127.0.0.1:{number}", "memory", _share_of(offer), 0, 0)
            for number, offer in enumerate(self._others(locator), 1)
        )

    def _others(self, locator: str) -> list[Offer]:
        own = self._offers.get(locator)
        return [offer for offer in self._swarm.offers(locator) if offer is not own]

    async def withdraw(self, locator: str) -> None:
        """Stop offering; the files stay. Nothing happens when it was not offered."""
        self._offers.pop(locator, None)

    async def close(self) -> None:
        """Withdraw everything; no file is in use by or through this carrier any more."""
        self.crash()
        await self._threads.ended()

    # ---------------------------------------------------------------------------- for tests

    def crash(self) -> None:
        """Be gone at once, as if the process had been killed."""
        if self._listener is not None:
            self._listener = None
            self._swarm.leave(self)
        self._offers.clear()
        self._known.clear()

    def fail(self, locator: str) -> None:
        """Let the offer fail as by a file error; ``publish`` heals it, or ``restore``.

        Raises ``ValueError`` when it is not live.
        """
        if (offer := self.offer(locator)) is None:
            raise ValueError(f"{locator} is not live here")
        self._lose(locator, offer, INJECTED)

    def restore(self, locator: str) -> None:
        """Take back ``fail``; nothing happens to what failed by itself."""
        offer = self._offers.get(locator)
        if offer is not None and offer.trouble == INJECTED:
            offer.trouble = ""
            self._tell(locator)

    # ------------------------------------------------------------------------------- within

    def _stay_open(self) -> None:
        if self._listener is None:
            raise CarrierError("the carrier is not open")

    def _tell(self, locator: str) -> None:
        if (listener := self._listener) is not None:
            listener(locator)

    def _lose(self, locator: str, offer: Offer | None, trouble: str) -> None:
        with self._lock:
            if offer is None or offer.trouble:
                return
            offer.trouble = trouble
        from loguru import logger  # noqa: PLC0415

        logger.warning("{} is no longer offered: {}", locator, trouble)
        self._tell(locator)

    def _search(self, locator: str) -> _Search:
        return _Search(self._swarm, self._clock, locator, self._give_up_after, self._stay_open)

    async def _lacking(self, content: Content, info: Info, numbers: Collection[int]) -> list[int]:
        self._stay_open()
        return await self._threads.run(lambda: pieces.lacking(content.data, info, numbers))

    async def _bring(self, search: _Search, content: Content, missing: Sequence[int]) -> None:
        """Take of these pieces what one peer offers; who does not have that is not asked again."""
        offer = await search.next_offer(missing)
        offered = [number for number in missing if number in offer.numbers]
        await self._threads.run(lambda: pieces.prepare(content.data))
        source = offer.seen.content.data
        copying = partial(pieces.copy, source, content.data, offer.info, offered)
        try:
            wrong = await self._threads.run(copying, offer.readers)
        except ContentDamagedError:  # What they offered is gone.
            wrong = offered
        if len(wrong) < len(offered):
            search.succeeded()
        if wrong:
            search.distrust(offer)


def _share_of(offer: Offer) -> float:
    """How much of everything is offered, from 0 to 1."""
    return offer.length / (offer.info.data_length + offer.info.index_length)


class _Search:
    """One request's way through the swarm: whom it no longer trusts, how long it has waited."""

    def __init__(
        self,
        swarm: Swarm,
        clock: Clock,
        locator: str,
        give_up_after: float,
        stay_open: Callable[[], None],
    ) -> None:
        self._swarm = swarm
        self._clock = clock
        self._locator = locator
        self._give_up_after = give_up_after
        self._stay_open = stay_open
        self._waited = 0.0
        self._distrusted: set[Offer] = set()

    def distrust(self, offer: Offer) -> None:
        """Ask this one no more: what it sent was not what its locator names."""
        self._distrusted.add(offer)
        from loguru import logger  # noqa: PLC0415

        logger.warning("a peer sent what does not belong to {}", self._locator)

    def succeeded(self) -> None:
        """Bytes have come: the patience begins anew."""
        self._waited = 0.0

    def can_have(self, numbers: Collection[int]) -> bool:
        """True when somebody who is trusted offers any of these pieces now."""
        return self._offer_of(numbers) is not None

    async def next_offer(self, numbers: Collection[int] = ()) -> Offer:
        """A live offer, with any of these pieces, of somebody who is trusted; waits for one."""
        while True:
            self._stay_open()
            if (offer := self._offer_of(numbers)) is not None:
                return offer
            left = self._give_up_after - self._waited
            if left <= 0:
                raise NoPeersError("nobody who has it was reached", place=self._locator)
            step = min(LOOK_AGAIN_AFTER, left)
            await self._clock.sleep(step)
            self._waited += step

    def _offer_of(self, numbers: Collection[int]) -> Offer | None:
        for offer in self._swarm.offers(self._locator):
            has_any = not numbers or any(one in offer.numbers for one in numbers)
            if has_any and offer not in self._distrusted:
                return offer
        return None
