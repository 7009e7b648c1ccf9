"""The story that ``demo`` tells: three nodes, three processes, BitTorrent between them.

Everything is done by the commands that people have, each shown as it would be typed. The export
that is imported is made here, or the user's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workflow.cli.options import DATA_DIR, INCOMPLETE
from workflow.cli.place import made, view_of
from workflow.cli.words import moment, say, size, span
from workflow.errors import ConfigurationError, WorkFailedError
from workflow.ports.clock import Clock
from workflow.viewing import ARCHIVES

NAME: Final = "gardeners"
CONTROL, MEMBER, NEWCOMER = "control", "ana", "ben"
START: Final = 1_704_067_200  # 2024-01-01, a Monday
DAY: Final = 86_400
A_DAY: Final = 48
"""Messages in the export that is made here: one every half hour."""
CHANNELS: Final = {"1": "seeds", "2": "tools"}
SETTLE: Final = "1"
"""Seconds that the members wait after a link: 20 are usual, the demo is in a hurry."""
COMMAND: Final = (sys.executable, "-m", "workflow")
PATIENCE: Final = 60.0
INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node holds: its community's archived messages, by digest, and its files."""

    messages: frozenset[bytes]
    data: str
    size: int


class Node:
    """A data directory, and the process that may be running on it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.directory = folder / name
        self._environment = {
            **os.environ,
            DATA_DIR: str(self.directory),
            "COMMUNITY_ARCHIVES_NETWORK": "local",
            "COMMUNITY_ARCHIVES_MEETING": str(folder / "local-network"),
            "COMMUNITY_ARCHIVES_SETTLE": SETTLE,
        }
        self._running: asyncio.subprocess.Process | None = None

    async def do(self, *arguments: str) -> str:
        """Run a command, show it and what it prints. Raises ``WorkFailedError``."""
        self._show(arguments)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if sys.stderr.isatty() else asyncio.subprocess.PIPE,
        )
        out, told = await process.communicate()
        printed = out.decode()
        for line in printed.splitlines():
            say(f"{INDENT}{line}")
        if process.returncode not in (0, INCOMPLETE):  # An export may have been cut off.
            raise WorkFailedError(
                (told or b"see above").decode().strip(),
                place=f"{self.name}: {' '.join(arguments)}",
                remedy="The demo ends here.",
            )
        return printed

    async def run(self) -> None:
        """Start ``run``, and return once it has the data directory."""
        self._show(("run", "&"))
        self._running = await asyncio.create_subprocess_exec(
            *COMMAND,
            "run",
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        stderr = self._running.stderr
        if stderr is None or not await asyncio.wait_for(stderr.readline(), PATIENCE):
            raise WorkFailedError("it did not start", place=f"{self.name}: run")
        self._draining = asyncio.create_task(stderr.read())

    async def leave(self) -> None:
        """End the running process, if there is one; again is once."""
        running, self._running = self._running, None
        if running is not None:
            with suppress(ProcessLookupError):
                running.kill()
            await running.wait()
            await self._draining

    def kept(self) -> Kept:
        """What is on this disk now."""
        view = view_of(self.directory)
        store = view.tools.store
        with closing(view.journal):
            id = view.journal.run(lambda tx: store.find_community(tx, NAME)).id
            digests = view.journal.run(lambda tx: store.archived_digests(tx, id))
        files = [path.read_bytes() for path in sorted((self.directory / ARCHIVES).glob("*/*/data"))]
        return Kept(
            frozenset().union(*digests.values()),
            hashlib.sha256(b"".join(files)).hexdigest(),
            sum(map(len, files)),
        )

    def announced(self) -> int:
        """How often it has entered ``announcing``."""
        from workflow.engine.history import steps_after  # noqa: PLC0415

        view = view_of(self.directory)
        with closing(view.journal):
            steps = view.journal.run(lambda tx: steps_after(tx, 0, 100_000))
        return sum(step.target == "ANNOUNCING" and step.source != step.target for step in steps)

    def _show(self, arguments: tuple[str, ...]) -> None:
        say(f"  {self.name}$ community-archives {' '.join(arguments)}")


class Story:
    """One telling in ``folder``; ``told`` says whether everything was as promised.

    Raises ``ConfigurationError`` when a story was told there before.
    """

    def __init__(self, folder: Path, weeks: int, export: Path | None, clock: Clock) -> None:
        if (folder / CONTROL).exists():
            raise ConfigurationError(
                "a demo was kept here before",
                place=str(folder),
                remedy="Delete it, or choose another --data-dir.",
            )
        self._folder = folder
        self._weeks = weeks
        self._export = export
        self._clock = clock
        self._nodes = {name: Node(name, folder) for name in (CONTROL, MEMBER, NEWCOMER)}
        self._id = ""
        self._promises: list[bool] = []

    async def told(self) -> bool:
        """Tell it all; False when a promise was broken. Raises ``WorkFailedError``."""
        began_at = self._clock.now()
        try:
            owner = await self._keep()
            member = await self._fetch(MEMBER, owner)
            await self._nodes[MEMBER].run()
            await self._lose_the_control_node()
            newcomer = await self._fetch(NEWCOMER, owner)
        finally:
            for node in self._nodes.values():
                await node.leave()
        self._sum_up(owner, member, newcomer, self._clock.now() - began_at)
        return all(self._promises)

    async def _keep(self) -> Kept:
        """The control node imports, archives, seeds and announces."""
        node = self._nodes[CONTROL]
        made(self._folder)
        say(f"{CONTROL} creates a community, and imports what it said until now.\n")
        created = await node.do("community", "create", NAME)
        self._id = created.split()[-1]
        if self._export is None:
            export = self._folder / "export.jsonl"
            export.write_text("\n".join(map(json.dumps, made_export(self._weeks))))
            await node.do("import", "jsonl", str(export), "--community", NAME)
        else:
            await node.do("import", "discord", str(self._export), "--community", NAME)
        say("\nIt keeps running, and is asked to archive at once instead of in an hour.\n")
        await node.run()
        await node.do("archive", "now", NAME)
        return node.kept()

    async def _fetch(self, name: str, owner: Kept) -> Kept:
        node = self._nodes[name]
        say(f"\n{name}, another process, knows nothing but the community's id.\n")
        await node.do("fetch", self._id, "--name", NAME)
        await node.do("verify", NAME)
        kept = node.kept()
        say("")
        self._promise(
            f"{name} has all {len(owner.messages):,} messages", kept.messages == owner.messages
        )
        self._promise(f"{name}'s archives are {CONTROL}'s, byte for byte", kept.data == owner.data)
        return kept

    async def _lose_the_control_node(self) -> None:
        say(f"\nNow {CONTROL} disappears. Only {MEMBER} has the archives, and seeds them.")
        await self._nodes[CONTROL].leave()

    def _sum_up(self, owner: Kept, member: Kept, newcomer: Kept, seconds: float) -> None:
        announced = {name: node.announced() for name, node in self._nodes.items()}
        say("")
        self._promise(
            f"only {CONTROL} announced",
            announced[CONTROL] > 0 and announced[MEMBER] == announced[NEWCOMER] == 0,
        )
        say("\nIn figures")
        say(f"  messages   {len(owner.messages):,} archived, {size(owner.size)}")
        say(f"  members    {len(member.messages):,} and {len(newcomer.messages):,} messages")
        say(f"  time       {span(seconds)}, with links that settle in {SETTLE} s instead of 20")
        say(
            f"  complete   {'every member' if all(self._promises) else 'NOT everything; see above'}"
        )

    def _promise(self, text: str, is_kept: bool) -> None:
        self._promises.append(is_kept)
        say(f"  {'kept  ' if is_kept else 'BROKEN'}  {text}")


def made_export(weeks: int) -> Iterator[dict[str, Any]]:
    """Some weeks of chat, the same each time, as ``import jsonl`` reads them."""
    for id, name in CHANNELS.items():
        yield {"channel": {"id": id, "name": name}}
    for number in range(weeks * 7 * A_DAY):
        at = START + number * DAY // A_DAY
        yield {
            "id": str(number),
            "channel": str(1 + number % len(CHANNELS)),
            "author": ("ada", "bert", "cleo")[number % 3],
            "time": at * 1000,
            "text": f"{moment(at)}: " + "the beans are up. " * (number % 9 + 1),
        }
