"""A node that archives two weeks, and is killed (SIGKILL) at a step that was chosen before.

Started by ``test_killed_at_each_step.py``. For each line ``{"directory": ..., "kill_at": N}`` on
its standard input it forks a node, which takes up whatever the directory holds and is killed ahead
of the Nth step that it takes on files of archives (0: never); then it tells how the node ended.
With a directory as its argument it is such a node itself, for ``strace`` to kill it.

The node's clock is set by hand, and goes on from where the node died. A node that reaches the end
writes ``end.json``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loguru import logger

from tests.crash.disk import Kind, Recorder, Step, tree_of
from tests.crash.forked import serve
from workflow.testing.world import DAY, HOUR, START, WEEK, World, text_message

KEY: Final = bytes(range(1, 33))
TOPIC: Final = b"\x01\x02\x03\x04"
WEEKS: Final = 2


async def live(directory: Path, kill_at: int) -> None:
    written = directory / "time"
    now = await asyncio.to_thread(lambda: float(written.read_text()) if written.exists() else START)
    world = World(directory, start=now)
    world.place("owner").keys.add(KEY)
    archives = directory / "owner" / "archives"
    steps = 0

    def count(step: Step) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            written.write_text(str(world.clock.now()))
            with (directory / "killed_at").open("a") as file:
                file.write(name_of(step) + "\n")
            os.kill(os.getpid(), signal.SIGKILL)

    base = tree_of(archives)
    recorder = Recorder(archives, base, before=count)
    with recorder.watching():
        await archive(world, lambda time: written.write_text(str(time)))
    end = await end_of(world)
    await world.close()
    end["steps"] = [name_of(step) for step in recorder.steps]
    (directory / "end.json").write_text(json.dumps(end))


async def archive(world: World, passed: Callable[[float], object]) -> None:
    """Every verb is safe to repeat, so that a node that was killed says all of it again."""
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    for week in range(WEEKS):
        begin = START + week * WEEK
        messages = [text_message(TOPIC, begin + n, f"{week} {n}" + "x" * 300) for n in range(5)]
        await node.add_messages(id, messages)
        end = begin + WEEK + 4 * HOUR
        if world.clock.now() < end:
            await world.clock.advance_to(end)
            passed(end)
    await world.clock.advance(DAY)


async def end_of(world: World) -> dict[str, object]:
    node = world.node("owner")
    [known] = await node.communities()
    status = await node.status(known.id)
    messages = await node.messages(known.id)
    folder = f"owner/archives/{known.id}/1"
    return {
        "state": status.state,
        "is_live": status.is_live,
        "generation": status.generation,
        "archives": [one.archive for one in messages],
        "digests": [one.digest.hex() for one in messages],
        "violations": world.violations(),
        "files": [
            f"{folder}/{name}"
            for name in ("data", f"index.{known.generation}", f"{known.generation}.torrent")
        ],
    }


def name_of(step: Step) -> str:
    """The step by the names of files alone: 'write data', 'rename index.2'."""
    if step.kind is Kind.SYNC_FOLDER:
        return str(step.kind.value)
    return f"{step.kind.value} {Path(step.target or step.path).name}"


if __name__ == "__main__":
    logger.remove()
    if len(sys.argv) > 1:
        asyncio.run(live(Path(sys.argv[1]), 0))
    else:
        serve(live)
