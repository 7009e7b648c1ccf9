"""What the schedule would do later is done when somebody asks, and communities can be removed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workflow.archive.index import IndexEntry
from workflow.commanding import VERBS, asked, perform
from workflow.errors import (
    NameTakenError,
    NotControlNodeError,
    UnknownCommunityError,
    UnknownEventError,
)
from workflow.node import Node
from workflow.testing.world import DAY, HOUR, MINUTE, WEEK, World, text_message

KEY = bytes([5]) * 32
TOPIC = b"chat"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    built = World(tmp_path)
    try:
        yield built
        assert built.violations() == []
    finally:
        await built.close()


async def owner_of(world: World, name: str = "owner") -> tuple[Node, str]:
    node = await world.start(name)
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await world.advance(MINUTE)
    return node, id


async def say(world: World, node: Node, id: str, *ages: float) -> None:
    """Messages that are so many seconds old."""
    now = world.clock.now()
    await node.add_messages(
        id, [text_message(TOPIC, now - age, f"{now - age:.0f}") for age in ages]
    )


async def archived(node: Node, id: str) -> list[IndexEntry]:
    return [
        one.entry for one in await node.engine.run(lambda tx: node._store.archive_states(tx, id))
    ]


async def test_what_is_over_is_archived_without_waiting_for_stragglers(world: World) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY, 9 * DAY)
    await world.advance(MINUTE)
    assert await archived(node, id) == []
    await node.archive_now(id)
    await world.advance(MINUTE)
    assert len(await archived(node, id)) == 1
    look = await node.snapshot(id)
    assert look.is_at_rest
    assert look.is_live
    assert look.announced_clock > 0
    assert look.traffic is not None


async def test_a_window_that_is_not_over_is_left_alone(world: World) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY, 1 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    (entry,) = await archived(node, id)
    assert entry.end <= world.clock.now()
    await world.advance(WEEK)
    assert len(await archived(node, id)) == 2


async def test_or_cut_at_this_moment_when_that_is_wanted(world: World) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY, 1 * DAY)
    now = world.clock.now()
    await node.archive_now(id, with_open_window=True)
    await world.advance(MINUTE)
    first, cut = sorted(await archived(node, id), key=lambda entry: entry.start)
    assert first.end <= cut.start < cut.end == int(now)
    await say(world, node, id, 0.0)
    await world.advance(MINUTE)
    assert len(await archived(node, id)) == 2, "the rest of that window waits for its end"
    await world.advance(WEEK + 2 * HOUR)
    entries = await archived(node, id)
    assert len(entries) == 3
    assert (entries[-1].start, entries[-1].end) == (cut.start, cut.start + WEEK)
    covered = await node.verify(id)
    assert covered.is_complete, covered.problems


async def test_what_comes_after_the_asking_waits_as_always(world: World) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    await say(world, node, id, 9 * DAY)
    await world.advance(30 * MINUTE)
    assert len(await archived(node, id)) == 1
    await world.advance(HOUR)
    assert len(await archived(node, id)) == 2


async def test_announcing_again_has_a_new_clock_and_the_same_locator(world: World) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    before = await node.snapshot(id)
    await node.announce(id)
    await world.advance(MINUTE)
    after = await node.snapshot(id)
    assert after.announced_clock > before.announced_clock
    assert after.locator == before.locator
    assert len(world.network.published) == 2
    await world.advance(HOUR)
    assert len(world.network.published) == 2, "once asked is once announced"


async def test_asking_is_for_the_control_node(world: World) -> None:
    _, id = await owner_of(world)
    member = await world.start("member")
    await member.join(id, "chess")
    with pytest.raises(NotControlNodeError, match="does not have control") as caught:
        await member.archive_now(id)
    assert caught.value.advice.endswith("take control: 'community import-key'.")
    with pytest.raises(NotControlNodeError):
        await member.announce(id)


async def test_a_removed_community_leaves_nothing_but_its_key(world: World) -> None:
    node, id = await owner_of(world)
    other = await node.create_community("go")
    await node.add_topic(other, TOPIC)
    await say(world, node, id, 10 * DAY, 1 * DAY)
    await say(world, node, other, 10 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    folder = world.place("owner").directory / "archives" / id
    assert folder.is_dir()
    locator = (await node.snapshot(id)).locator
    carrier = world.place("owner").carrier
    assert carrier is not None
    assert carrier.is_live(locator)
    await node.remove(id)
    assert not folder.exists()
    assert not carrier.is_live(locator)
    assert [known.id for known in await node.communities()] == [other]
    with pytest.raises(UnknownCommunityError):
        await node.status(id)
    left = await node.engine.run(
        lambda tx: tx.execute(
            "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM unarchived),"
            " (SELECT count(*) FROM archived), (SELECT count(*) FROM archive),"
            " (SELECT count(*) FROM generation), (SELECT count(*) FROM removed)",
            (),
        ).fetchone()
    )
    assert left == (1, 1, 0, 0, 0, 0), "only the other community's message"
    await world.advance(WEEK)
    assert len(await archived(node, other)) == 1
    assert await node.create_community("chess", private_key=KEY) == id
    await world.advance(HOUR)
    assert (await node.status(id)).state == "idle"


async def test_a_community_can_be_removed_while_it_is_at_work(world: World) -> None:
    world.check_seconds = 50.0
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY)
    await node.archive_now(id)
    await world.advance(10.0)
    assert (await node.status(id)).state == "seeding"
    await node.remove(id)
    await world.advance(HOUR)
    assert await node.communities() == []
    assert not (world.place("owner").directory / "archives" / id).exists()


async def test_files_that_a_crash_has_left_of_a_removed_community_go_with_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, id = await owner_of(world)
    await say(world, node, id, 10 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    folder = world.place("owner").directory / "archives" / id
    with monkeypatch.context() as patched:
        patched.setattr(type(node), "_remove_files", _dies)
        with pytest.raises(OSError, match="the end"):
            await node.remove(id)
    assert folder.is_dir()
    await world.restart("owner")
    assert not folder.exists()


async def _dies(_: Node) -> None:
    raise OSError("the end")


async def test_the_verbs_do_for_other_processes_what_the_methods_do(world: World) -> None:
    node = await world.start("owner")
    keys = world.place("owner").keys

    async def ask(verb: str, id: str = "", **arguments: object) -> dict[str, object]:
        outcome = await perform(node, asked("x", verb, id, world.clock.now(), **arguments))
        told: dict[str, object] = json.loads(json.dumps(dict(outcome.details)))
        return told

    id = str((await ask("create", name="chess", key=keys.create().hex()))["id"])
    await node.add_topic(id, TOPIC)
    with pytest.raises(NameTakenError):
        await ask("create", name="chess", key=keys.create().hex())
    await say(world, node, id, 10 * DAY)
    await world.advance(MINUTE)
    await ask("archive", id, with_open_window=False)
    await world.advance(MINUTE)
    look = await ask("look", id)
    assert (look["state"], look["is_at_rest"], look["generation"]) == ("idle", True, 1)
    assert await ask("peers", id) == {"peers": []}
    await ask("announce", id)
    await ask("take_over", id)
    await ask("try_again", id)
    await ask("claim", id, key=keys.add(bytes([9]) * 32).hex())
    await world.advance(MINUTE)
    await ask("remove", id)
    await ask("join", id, name="chess")
    assert not (await node.snapshot(id)).is_control_node


def test_a_verb_that_does_not_exist_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UnknownEventError, match=", ".join(VERBS)):
        asked("x", "explode", "", 0.0)


async def test_who_takes_over_in_the_middle_of_a_download_goes_on_from_what_is_whole(
    world: World,
) -> None:
    """The owner's device died, and with it an archive that nobody else has."""
    world.seconds_per_archive = 60.0
    node, id = await owner_of(world)
    await say(world, node, id, 30 * DAY)
    await node.archive_now(id)
    await world.advance(MINUTE)
    member = await world.start("member")
    await member.enable()
    await member.join(id, "chess")
    await world.advance(5 * MINUTE)
    assert (await member.snapshot(id)).generation == 1
    await say(world, node, id, 20 * DAY, 13 * DAY)
    await node.archive_now(id)
    for _ in range(60):
        await world.advance(10.0)
        if (await member.snapshot(id)).state == "downloading":
            break
    await world.stop("owner")
    await world.advance(HOUR)
    look = await member.snapshot(id)
    assert (look.imported, look.importing) == (2, 1)
    await member.become_control_node(id, KEY)
    await world.advance(9 * DAY)
    await say(world, member, id, 8 * DAY)
    await member.archive_now(id)
    await world.advance(HOUR)
    look = await member.snapshot(id)
    assert (look.reason, look.is_live, look.importing) == ("", True, 0)
    assert look.announced_clock > 0
    covered = await member.verify(id)
    assert covered.is_complete, covered.problems
    assert sum(cell.stored for cell in covered.cells) == 3
