"""Six years of a real community through everything: import, archives, members, export, comparison.

    .venv/bin/python benchmarks/ethereum.py

The history is that of Ethereum's research and development, about 293,000 messages, as exports of
Discord's channels. It is imported, archived week by week while time passes, verified, fetched by a
member over the network within the process, and adopted into an empty store; what each of the three
gives back is compared with the exports, message by message. Each stage is a process of its own.

This is a proof as well: it ends with an error when a single message differs.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts.discord import differences, said_by_exports, said_by_lines
from benchmarks.parts.report import count, heading, row, span, table
from benchmarks.parts.stores import SECRET, peak
from workflow.adapters.carrier.memory import MemoryCarrier
from workflow.adapters.messaging.in_process import InProcessMessaging
from workflow.assembly import open_view
from workflow.chat.post import chat_id_of
from workflow.exporting import LINES, export
from workflow.importing import read_discord
from workflow.node import Node
from workflow.sources import StoredHistory
from workflow.testing.world import DAY, HOUR, WEEK, World

HISTORY: Final = Path(__file__).parents[2] / "shared/data/discord/eth-rnd-as-discord-export.tar.xz"
Stage = Callable[[Path, float], Awaitable[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description="A real history through everything.")
    parser.add_argument("--history", type=Path, default=HISTORY, help="a .tar.xz, or a folder")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write")
    asked = parser.parse_args()
    if not asked.history.exists():
        print(f"skipped: {asked.history} is not here")
        return
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        heading(Path(made))
        problems = prove(asked.history, Path(made))
    sys.exit("\n".join(problems) if problems else None)


def prove(history: Path, place: Path) -> list[str]:
    """Take a history (a folder of exports, or a .tar.xz of one) through everything.

    Works in the folder ``place``. Returns what differs in the end, empty for nothing.
    """
    exports = history
    if history.is_file():
        exports = place / "exports"
        with tarfile.open(history) as tar:
            tar.extractall(exports, filter="data")
    said = said_by_exports(exports)
    table(f"{count(sum(said.kinds.values()))} messages", "wall", "CPU", "peak MB", "")
    problems = []
    start = float(said.oldest_ms // 1000)
    end = float(said.newest_ms // 1000) + WEEK + DAY

    def step(name: str, stage: Stage, now: float) -> str:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            wall, cpu, memory, result = pool.submit(_run, stage, place, now).result()
        row(name, span(wall), span(cpu), f"{memory / 1e6:.0f}", "")
        sys.stdout.flush()
        return result

    id = step("import", partial(_import, exports=exports), start)
    step("archive week by week", partial(_archive, end=end), start)
    step("verify", _verify, end)
    step("a member fetches all of it", _fetch, end)
    step("archives are adopted", _adopt, end)
    channels = {chat_id_of(id, channel): channel for channel, _ in (*said.messages, *said.pins)}
    for name in ("owner", "member", "adopter"):
        step(f"export of the {name}", partial(_export, name=name), end)
        found = said_by_lines(place / f"{name}.lines" / LINES, channels)
        problems += [f"{name}: {one}" for one in differences(said, found)]
        row(
            "   compared with the source",
            f"{len(found.messages):,}",
            f"{len(found.pins):,}",
            "",
            "",
        )
    return problems


def _run(stage: Stage, place: Path, now: float) -> tuple[float, float, float, str]:
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    result = asyncio.run(_result(stage(place, now)))
    return time.perf_counter() - wall, time.process_time() - cpu, peak() - before, result


async def _result(stage: Awaitable[str]) -> str:
    return await stage


async def _owner(world: World) -> tuple[Node, str]:
    key = world.place("owner").keys.add(SECRET)
    return await world.start("owner"), "0x" + key.hex()


async def _import(place: Path, now: float, *, exports: Path) -> str:
    world = World(place, start=now)
    node, id = await _owner(world)
    await node.create_community("history", private_key=SECRET, reannounce_after=WEEK)
    report = await node.import_items(id, read_discord([exports]))
    await world.close()
    if report.problem_count:
        raise AssertionError(f"{report.problem_count} problems: {report.problems[:3]}")
    return id


async def _archive(place: Path, now: float, *, end: float) -> str:
    """As the weeks go by; what is not written yet lies in the future."""
    world = World(place, start=now)
    node, id = await _owner(world)
    await node.enable()
    while world.clock.now() < end:
        await world.advance(WEEK)
    status = await node.status(id)
    await world.close()
    return str(status.generation)


async def _verify(place: Path, now: float) -> str:
    world = World(place, start=now)
    node, id = await _owner(world)
    await _check(node, id, "owner")
    await world.close()
    return ""


async def _fetch(place: Path, now: float) -> str:
    world = World(place, start=now)
    _, id = await _owner(world)
    member = await world.start("member")
    await member.enable()
    await member.join(id)
    await world.advance(WEEK + DAY)
    await _check(member, id, "member")
    await world.close()
    return ""


async def _adopt(place: Path, now: float) -> str:
    world = World(place, start=now)
    id = "0x" + world.place("owner").keys.add(SECRET).hex()
    adopter = await world.start("adopter")
    await adopter.enable()
    await adopter.join(id)
    await adopter.adopt(id, place / "owner" / "archives" / id)
    await world.advance(HOUR)
    await _check(adopter, id, "adopter")
    await world.close()
    return ""


async def _check(node: Node, id: str, name: str) -> None:
    found = await node.verify(id)
    imported, waiting = await node.imports(id)
    if waiting or not imported or not found.is_complete:
        whys = [one.why for one in found.weeks] + [one.why for one in found.cells]
        told = [*map(str, found.problems), *filter(None, whys)]
        raise AssertionError(f"{name}: {imported} imported, {waiting} not, {told[:3]}")


async def _export(place: Path, now: float, *, name: str) -> str:
    world = World(place, start=now)
    key = world.place("owner").keys.add(SECRET)
    node = world.place(name)
    view = open_view(
        node.directory,
        clock=world.clock,
        carrier=MemoryCarrier(world.swarm, world.clock),
        messaging=InProcessMessaging(world.network, name),
        keys=node.keys,
    )
    source = StoredHistory(view.tools, view.journal.run, "0x" + key.hex(), is_confirmed=True)
    report = export(source, "jsonl", place / f"{name}.lines")
    if report.problems or report.unreadable:
        raise AssertionError(f"{report.problems[:3]} {report.unreadable}")
    return str(report.messages)


if __name__ == "__main__":
    main()
