"""What every ``Carrier`` promises to who has only a part of the archives."""

# ruff: noqa: S101
# An assertion is how a contract speaks.

from __future__ import annotations

from pathlib import Path

import pytest

from workflow.errors import ContentDamagedError, NoPeersError
from workflow.testing.contracts.carrying import (
    IDS,
    INDEX,
    PIECE,
    RANGES,
    CarrierHarness,
    content_in,
    flip,
    some_bytes,
    written,
)


class PartsContract(CarrierHarness):
    """The parts' part of ``CarrierContract``."""

    async def test_who_has_a_part_can_give_that_part(self, tmp_path: Path) -> None:
        """And is live with it, again after a restart; bytes behind and between are left alone."""
        one, two, three = await self.opened(), await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        await self.described(two, locator, content)
        part = RANGES[1:2]
        assert await self.fetched(two, locator, content, part) == ["archive-b"]
        before = content.data.read_bytes()
        await self.close(one, two)
        two = await self.opened()
        assert await self.done(two.publish(content, locator, part)) == locator
        assert two.is_live(locator)
        last = content_in(tmp_path / "three")
        assert (await self.done(three.fetch_index(locator))).index == INDEX
        assert await self.fetched(three, locator, last, part) == ["archive-b"]
        assert two.is_live(locator)
        assert content.data.read_bytes() == before
        await self.close(two, three)

    async def test_a_part_may_lie_in_a_longer_file(self, tmp_path: Path) -> None:
        """Bytes of a generation that is only being written are not touched by offering it."""
        one, two = await self.opened(), await self.opened()
        content = written(tmp_path)
        locator = await self.done(one.publish(content))
        await self.done(one.withdraw(locator))
        await self.done(one.publish(content, locator, RANGES[:1]))
        before = content.data.read_bytes()
        there = content_in(tmp_path / "two")
        assert await self.fetched(two, locator, there, RANGES[:1]) == ["archive-a"]
        assert content.data.read_bytes() == before
        await self.close(one, two)

    async def test_who_has_a_part_is_not_asked_for_more(self, tmp_path: Path) -> None:
        """What nobody offers does not come, and costs the one who has a part nothing."""
        one, two = await self.opened(), await self.opened()
        content = written(tmp_path / "one")
        locator = await self.done(one.publish(content))
        await self.done(one.withdraw(locator))
        await self.done(one.publish(content, locator, RANGES[1:2]))
        there = content_in(tmp_path / "two")
        assert await self.fetched(two, locator, there, RANGES[1:2]) == ["archive-b"]
        with pytest.raises(NoPeersError):
            await self.fetched(two, locator, there, RANGES[:1])
        assert one.is_live(locator)
        await self.close(one, two)

    async def test_what_somebody_has_comes_though_nobody_has_the_rest(self, tmp_path: Path) -> None:
        """Whatever stands first."""
        one, two = await self.opened(), await self.opened()
        content = written(tmp_path / "one")
        locator = await self.done(one.publish(content))
        await self.done(one.withdraw(locator))
        await self.done(one.publish(content, locator, RANGES[2:]))
        there = content_in(tmp_path / "two")
        with pytest.raises(NoPeersError):
            await self.fetched(two, locator, there)
        self.assert_is_here(there, "archive-c")
        await self.close(one, two)

    async def test_a_part_becomes_whole(self, tmp_path: Path) -> None:
        """By a later fetch, while it is offered; then all of it is."""
        one, two, three = await self.opened(), await self.opened(), await self.opened()
        locator = await self.done(one.publish(written(tmp_path / "one")))
        content = content_in(tmp_path / "two")
        await self.described(two, locator, content)
        assert await self.fetched(two, locator, content, RANGES[1:2]) == ["archive-b"]
        await self.done(two.publish(content, locator, RANGES[1:2]))
        assert sorted(await self.fetched(two, locator, content)) == IDS
        assert await self.done(two.publish(content, locator)) == locator
        await self.close(one)
        assert sorted(await self.fetched(three, locator, content_in(tmp_path / "three"))) == IDS
        await self.close(two, three)

    @pytest.mark.parametrize("damage", ["data", "index", "short data", "no torrent"])
    async def test_a_damaged_part_is_not_published(self, tmp_path: Path, damage: str) -> None:
        """Every byte of it counts, and none of the others."""
        carrier = await self.opened()
        content = written(tmp_path)
        locator = await self.done(carrier.publish(content))
        await self.done(carrier.withdraw(locator))
        flip(content.data, 0)
        assert await self.done(carrier.publish(content, locator, RANGES[1:2])) == locator
        await self.done(carrier.withdraw(locator))
        match damage:
            case "data":
                flip(content.data, 3 * PIECE - 1)
            case "index":
                flip(content.index, 0)
            case "short data":
                content.data.write_bytes(some_bytes(3 * PIECE - 1))
            case _:
                content.torrent.unlink()
        with pytest.raises(ContentDamagedError):
            await self.done(carrier.publish(content, locator, RANGES[1:2]))
        assert not carrier.is_live(locator)
        await self.close(carrier)
