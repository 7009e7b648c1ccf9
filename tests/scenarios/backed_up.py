"""A community with weeks of history, its members, and backups of any of them."""

from __future__ import annotations

from pathlib import Path

from workflow.backup import Restored, Saved, back_up, restore
from workflow.node import Node
from workflow.testing.world import HOUR, WEEK, World, text_message

TOPIC = b"chat"
KEY = bytes(range(1, 33))
DEVICE = bytes(range(16))


async def owner(world: World, weeks: int = 1) -> tuple[Node, str]:
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await more(world, node, id, weeks)
    return node, id


async def more(world: World, node: Node, id: str, weeks: int = 1) -> None:
    """Some weeks of messages, archived and announced."""
    for _ in range(weeks):
        now = world.clock.now()
        await node.add_messages(
            id, [text_message(TOPIC, now + n * HOUR, f"{now} {n}") for n in range(5)]
        )
        await world.advance(WEEK + 3 * HOUR)


async def member_of(world: World, name: str, id: str) -> Node:
    node = await world.start(name)
    await node.enable()
    await node.join(id, "chess")
    return node


def saved(world: World, name: str, target: Path, *, with_keys: bool = False) -> Saved:
    return back_up(world.place(name).directory, target, now=world.clock.now(), with_keys=with_keys)


def brought_back(world: World, source: Path, name: str, like: str = "owner") -> Restored:
    """Restored for a node of this name, with the keys of another."""
    place = world.place(name)
    place.keys = world.place(like).keys
    return restore(source, place.directory, random=lambda count: DEVICE[:count])


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


async def texts(node: Node, id: str) -> list[bytes]:
    return sorted(one.digest for one in await node.messages(id))
