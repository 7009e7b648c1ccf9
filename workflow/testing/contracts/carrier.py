"""What every ``Carrier`` promises."""

# ruff: noqa: S101
# An assertion is how a contract speaks.

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from workflow.errors import CarrierError, ContentDamagedError, LocatorInvalidError, NoPeersError
from workflow.files.torrents import seal_generation, write_info
from workflow.testing.contracts.carrier_parts import PartsContract
from workflow.testing.contracts.carrying import (
    IDS,
    INDEX,
    LENGTH,
    PIECE,
    RANGES,
    content_in,
    fetching,
    flip,
    some_bytes,
    written,
)


class CarrierContract(PartsContract):
    """Subclass it as ``TestSomething``, say how to connect and how to let time pass.

    Let the carrier give up (``NoPeersError``) well within ``patience`` seconds.
    """

    # --------------------------------------------------------------------------- publishing

    async def test_what_is_published_is_live(self, tmp_path: Path) -> None:
        """From then on, in every thread, and the listener hears of it."""
        heard: list[str] = []
        carrier = await self.opened(heard.append)
        locator = await self.done(carrier.publish(written(tmp_path)))
        assert locator
        assert carrier.is_live(locator)
        assert await asyncio.to_thread(carrier.is_live, locator)
        await self.wait(self.step)
        assert locator in heard
        await self.close(carrier)

    async def test_a_locator_names_the_bytes(self, tmp_path: Path) -> None:
        """The same everywhere, whatever lies behind ``data_length``; another for others."""
        one, two = await self.opened(), await self.opened()
        content = written(tmp_path / "one")
        locator = await self.done(one.publish(content))
        same = written(tmp_path / "two")
        same.data.write_bytes(some_bytes(LENGTH))
        assert await self.done(two.publish(same)) == locator
        assert await self.done(two.publish(written(tmp_path / "three", "other"))) != locator
        await self.close(one, two)

    async def test_the_same_can_be_published_again(self, tmp_path: Path) -> None:
        """With its locator, after a restart: nothing was live in between."""
        carrier = await self.opened()
        content = written(tmp_path)
        locator = await self.done(carrier.publish(content))
        assert await self.done(carrier.publish(content, locator)) == locator
        assert carrier.is_live(locator)
        await self.close(carrier)
        carrier = await self.opened()
        assert not carrier.is_live(locator)
        assert await self.done(carrier.publish(content, locator)) == locator
        assert carrier.is_live(locator)
        await self.close(carrier)

    @pytest.mark.parametrize("damage", ["data", "index", "short data", "no data", "no index"])
    async def test_damaged_content_is_not_published(self, tmp_path: Path, damage: str) -> None:
        """Every byte counts."""
        carrier = await self.opened()
        content = written(tmp_path)
        locator = await self.done(carrier.publish(content))
        await self.done(carrier.withdraw(locator))
        match damage:
            case "data":
                flip(content.data, LENGTH - 1)
            case "index":
                flip(content.index, 0)
            case "short data":
                content.data.write_bytes(some_bytes(LENGTH - 1))
            case "no data":
                content.data.unlink()
            case _:
                content.index.unlink()
        with pytest.raises(ContentDamagedError):
            await self.done(carrier.publish(content, locator))
        assert not carrier.is_live(locator)
        await self.close(carrier)

    async def test_new_content_must_be_complete(self, tmp_path: Path) -> None:
        """Without a locator, too, the length is a promise."""
        carrier = await self.opened()
        content = written(tmp_path)
        content.data.write_bytes(some_bytes(LENGTH - 1))
        with pytest.raises(ContentDamagedError):
            await self.done(carrier.publish(content))
        await self.close(carrier)

    async def test_what_is_withdrawn_is_not_live(self, tmp_path: Path) -> None:
        """Its files stay; withdrawing what was not offered does nothing."""
        carrier = await self.opened()
        content = written(tmp_path)
        locator = await self.done(carrier.publish(content))
        other = await self.done(carrier.publish(written(tmp_path / "other", "other")))
        for _ in range(2):
            await self.done(carrier.withdraw(locator))
            assert not carrier.is_live(locator)
        assert carrier.is_live(other)
        assert content.data.read_bytes()[:LENGTH] == some_bytes(LENGTH)
        await self.close(carrier)
        assert not carrier.is_live(other)

    async def test_what_is_not_open_does_nothing(self, tmp_path: Path) -> None:
        """Closing again is no mistake."""
        carrier = await self.opened()
        await self.close(carrier, carrier)
        with pytest.raises(CarrierError):
            await self.done(carrier.publish(written(tmp_path)))

    # ----------------------------------------------------------------------------- fetching

    async def test_the_index_comes_first(self, tmp_path: Path) -> None:
        """With nothing but the locator."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path)))
        content = written(tmp_path)
        fetched = await self.done(two.fetch_index(locator))
        assert fetched.index == INDEX
        assert write_info(content_in(tmp_path / "two"), fetched.info) == seal_generation(content)
        await self.close(one, two)

    async def test_archives_come_to_the_disk(self, tmp_path: Path) -> None:
        """Each id once, when its bytes are there; asked again, at once."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        assert sorted(await self.fetched(two, locator, content)) == IDS
        assert sorted(await self.fetched(two, locator, content)) == IDS
        await self.close(one, two)

    async def test_only_what_is_wanted_is_promised(self, tmp_path: Path) -> None:
        """And what is there already is no hindrance."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        assert await self.fetched(two, locator, content, RANGES[1:2]) == ["archive-b"]
        assert sorted(await self.fetched(two, locator, content)) == IDS
        await self.close(one, two)

    async def test_what_was_finished_stays_after_an_interruption(self, tmp_path: Path) -> None:
        """The carrier is then free for the next attempt."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")

        async def first() -> str:
            async with aclosing(fetching(two, locator, content, RANGES)) as archives:
                return await anext(archives)

        archive = await self.done(first())
        self.assert_is_here(content, archive)
        assert sorted(await self.fetched(two, locator, content)) == IDS
        await self.close(one, two)

    async def test_damage_on_the_own_disk_is_repaired(self, tmp_path: Path) -> None:
        """Bytes that differ are as good as missing."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        content.data.write_bytes(some_bytes(LENGTH))
        flip(content.data, 2 * PIECE)
        assert sorted(await self.fetched(two, locator, content)) == IDS
        assert content.data.read_bytes()[:LENGTH] == some_bytes(LENGTH)
        await self.close(one, two)

    async def test_who_has_fetched_can_offer(self, tmp_path: Path) -> None:
        """So history outlives the one who wrote it."""
        one, two, three = await self.opened(), await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        assert sorted(await self.fetched(two, locator, content)) == IDS
        await self.described(two, locator, content)
        assert await self.done(two.publish(content, locator)) == locator
        await self.close(one)
        last = content_in(tmp_path / "three")
        assert (await self.done(three.fetch_index(locator))).index == INDEX
        assert sorted(await self.fetched(three, locator, last)) == IDS
        await self.close(two, three)

    async def test_damaged_bytes_of_others_are_never_taken(self, tmp_path: Path) -> None:
        """Though whoever offers them does not know."""
        one, two = await self.opened(), await self.opened()
        offered = written(tmp_path / "one")
        locator = await self.done(one.publish(offered))
        for number in range(LENGTH // PIECE):
            flip(offered.data, number * PIECE + 5)
        content = content_in(tmp_path / "two")
        with pytest.raises(NoPeersError):
            await self.fetched(two, locator, content)
        got = content.data.read_bytes() if content.data.exists() else b""
        for one_range in RANGES:
            bad = offered.data.read_bytes()[one_range.offset :][: one_range.size]
            assert got[one_range.offset :][: one_range.size] != bad
        await self.close(one, two)

    async def test_nobody_there_is_said_so(self, tmp_path: Path) -> None:
        """Within the carrier's time limit, and not before somebody could have come."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        await self.done(one.withdraw(locator))
        with pytest.raises(NoPeersError):
            await self.done(two.fetch_index(locator))
        with pytest.raises(NoPeersError):
            await self.fetched(two, locator, content_in(tmp_path / "two"))
        await self.close(one, two)

    async def test_who_comes_late_is_found(self, tmp_path: Path) -> None:
        """A fetch waits for somebody to offer."""
        one, two = await self.opened(), await self.opened()
        offered = written(tmp_path / "one")
        locator = await self.done(one.publish(offered))
        await self.done(one.withdraw(locator))
        fetching_index = asyncio.create_task(two.fetch_index(locator))
        await self.wait(self.step)
        assert not fetching_index.done()
        await self.done(one.publish(offered, locator))
        assert (await self.done(asyncio.wait_for(fetching_index, None))).index == INDEX
        await self.close(one, two)

    # ------------------------------------------------------------------------------ looking

    async def test_locators_are_told_from_other_text(self, tmp_path: Path) -> None:
        """By form alone: what was never published here may be so elsewhere."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path)))
        one.check_locator(locator)
        two.check_locator(locator)
        for text in ("", "no locator", f" {locator}", f"{locator}\n"):
            with pytest.raises(LocatorInvalidError):
                one.check_locator(text)
        await self.close(one, two)

    async def test_what_moves_can_be_seen(self, tmp_path: Path) -> None:
        """While it is offered and while it is fetched, from every thread, and then no more."""
        one, two = await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        offered = await asyncio.to_thread(one.traffic, locator)
        assert offered is not None
        assert offered.done == offered.total == LENGTH + len(INDEX)
        assert two.traffic(locator) is None
        content = content_in(tmp_path / "two")

        async def fetch() -> list[tuple[int, int]]:
            seen = []
            async with aclosing(fetching(two, locator, content, RANGES)) as archives:
                async for _ in archives:
                    moving = two.traffic(locator)
                    assert moving is not None
                    seen.append((moving.done, moving.total))
                    for peer in two.peers(locator):
                        assert 0 <= peer.progress <= 1
                        assert int(peer.address.rpartition(":")[2]) > 0
            return seen

        seen = await self.done(fetch())
        assert seen == sorted(seen)
        assert seen[-1] == (LENGTH, LENGTH)
        assert {total for _, total in seen} == {LENGTH}
        assert two.traffic(locator) is None
        assert two.peers(locator) == ()
        await self.done(one.withdraw(locator))
        assert one.traffic(locator) is None
        assert one.peers(locator) == ()
        await self.close(one, two)
