"""A node whose archives lie on a tmpfs that becomes full, and then read-only.

Started by ``test_failing_calls.py`` in a mount namespace of its own. Prints a line of JSON when the
disk is full, when it is read-only, and at the end.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from loguru import logger

from workflow.node import Node
from workflow.testing.world import HOUR, WEEK, World, text_message

KEY: Final = bytes(range(1, 33))
TOPIC: Final = b"\x01\x02\x03\x04"
TOO_SMALL: Final = "160k"
"""Room for one archive, but not for two."""


def mount(place: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True)


async def write(world: World, node: Node, id: str, text: str) -> None:
    await node.add_messages(id, [text_message(TOPIC, world.clock.now(), text)])
    await world.advance(WEEK + 4 * HOUR)


async def tell(node: Node, id: str) -> None:
    status = await node.status(id)
    told = {
        "reason": status.reason,
        "generation": status.generation,
        "is_live": status.is_live,
        "archives": len({one.archive for one in await node.messages(id)}),
    }
    sys.stdout.write(json.dumps(told) + "\n")


async def live(directory: Path) -> None:
    archives = directory / "owner" / "archives"
    archives.mkdir(parents=True)
    mount(archives, f"size={TOO_SMALL}")
    world = World(directory)
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await write(world, node, id, "one")
    await write(world, node, id, "two")
    await tell(node, id)
    mount(archives, "remount,size=4m")
    await world.advance(8 * HOUR)
    mount(archives, "remount,ro")
    await write(world, node, id, "three")
    await tell(node, id)
    mount(archives, "remount,rw")
    await world.advance(8 * HOUR)
    await tell(node, id)
    await world.close()


if __name__ == "__main__":
    logger.remove()
    asyncio.run(live(Path(sys.argv[1])))
