"""What is restored is another device: it follows what is newer, and waits for a person's word."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.backed_up import brought_back, member_of, more, owner, saved, texts
from workflow.testing.world import HOUR, WEEK, World


async def test_a_restored_owner_follows_what_is_newer_before_it_announces(
    world: World, tmp_path: Path
) -> None:
    """The old device has announced more since, and is lost; its members have everything."""
    node, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    member = await member_of(world, "member", id)
    await more(world, node, id, 2)
    announced, everything = (await node.snapshot(id)).announced_clock, await texts(node, id)
    assert await texts(member, id) == everything
    await world.stop("owner")
    brought_back(world, tmp_path / "backup", "copy")
    copy = await world.start("copy")
    await world.advance(WEEK)
    look = await copy.snapshot(id)
    assert (look.is_control_node, look.condition) == (False, "restored from a backup")
    assert await texts(copy, id) == everything
    assert (await member.snapshot(id)).locator == look.locator
    await copy.take_over(id)
    await more(world, copy, id)
    look = await copy.snapshot(id)
    assert (look.is_control_node, look.condition) == (True, "")
    assert look.announced_clock > announced
    assert (await member.snapshot(id)).locator == look.locator
    assert await texts(member, id) == await texts(copy, id)
    assert len(await texts(copy, id)) == len(everything) + 5


async def test_a_restored_owner_announces_nothing_old_while_the_other_still_runs(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    await more(world, node, id)
    brought_back(world, tmp_path / "backup", "copy")
    copy = await world.start("copy")
    await more(world, node, id)
    assert (await node.snapshot(id)).condition == ""
    assert await texts(copy, id) == await texts(node, id)
    await copy.take_over(id)
    await more(world, copy, id)
    old, new = await node.snapshot(id), await copy.snapshot(id)
    assert (old.is_control_node, old.condition) == (False, "another device announces")
    assert (new.is_control_node, new.condition) == (True, "")
    assert old.locator == new.locator


async def test_taken_over_at_once_it_still_hears_what_was_announced_since(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    await more(world, node, id)
    everything, clock = await texts(node, id), (await node.snapshot(id)).announced_clock
    member = await member_of(world, "member", id)
    await world.advance(HOUR)
    await world.stop("owner")
    brought_back(world, tmp_path / "backup", "copy")
    copy = await world.start("copy")
    await copy.take_over(id)
    await world.advance(WEEK)
    look = await copy.snapshot(id)
    assert (look.is_control_node, look.condition) == (False, "another device announces")
    assert await texts(copy, id) == everything, "it has fetched what it did not know of"
    await copy.take_over(id)
    await world.advance(WEEK)
    look = await copy.snapshot(id)
    assert look.announced_clock > clock
    assert await texts(copy, id) == await texts(member, id) == everything
