"""Six years of a real community through everything: archives, BitTorrent, members, a loss, export.

    .venv/bin/python benchmarks/ethereum.py
    .venv/bin/python benchmarks/ethereum.py --weeks 20

The history is that of Ethereum's research and development, about 293,000 messages, as exports of
Discord's channels. Every node is a process of its own, with its data directory; archives travel by
BitTorrent on loopback, announcements by the folder of messages.

A control node imports all but the last seven days, archives them week by week while time passes,
seeds and announces. Two members at once verify, fetch, import, and seed on. The control node is
killed; a third member completes from the two. Then the control node starts again, archives what was
said in the last seven days, and the members fetch what is new. In the end every node's messages are
compared with the control node's, byte for byte, and two nodes' exports with the source, which was
read by other means.

This is a proof as well: it ends with an error when a single message differs.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts.discord import differences, said_by_exports, said_by_lines
from benchmarks.parts.keeper import WEEK, Archived, Fetched, Keeper
from benchmarks.parts.processes import Stage, Worker
from benchmarks.parts.report import count, heading, note, row, span, table
from workflow.chat.post import chat_id_of
from workflow.exporting import LINES

HISTORY: Final = Path(__file__).parents[2] / "shared/data/discord/eth-rnd-as-discord-export.tar.xz"
DAY: Final = 86_400
HALF_AN_HOUR: Final = 1800
OWNER: Final = "control node"
MEMBERS: Final = ("member 1", "member 2")
NEWCOMER: Final = "member 3"
ADOPTER: Final = "adopter"
Process = Worker[Keeper]


def main() -> None:
    parser = argparse.ArgumentParser(description="A real history through everything.")
    parser.add_argument("--history", type=Path, default=HISTORY, help="a .tar.xz, or a folder")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write")
    parser.add_argument("--weeks", type=int, default=0, help="only the newest; 0 are all")
    asked = parser.parse_args()
    if not asked.history.exists():
        print(f"skipped: {asked.history} is not here")
        return
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as made:
        heading(Path(made))
        story = Story(_exports(asked.history, Path(made)), Path(made), asked.weeks)
        try:
            problems = story.told()
        finally:
            story.end()
    sys.exit("\n".join(problems) if problems else None)


def _exports(history: Path, place: Path) -> Path:
    if not history.is_file():
        return history
    with tarfile.open(history) as tar:
        tar.extractall(place / "exports", filter="data")
    return place / "exports"


class Story:
    """One telling, in the folder ``place``."""

    def __init__(self, exports: Path, place: Path, weeks: int) -> None:
        said = said_by_exports(exports)
        newest = said.newest_ms + 1
        self._exports = exports
        self._place = place
        self._said = said.since(newest - (weeks + 1) * WEEK * 1000) if weeks else said
        # All but seven days is archived at first; a window is over a week and an hour after that.
        self._cut_ms = newest - WEEK * 1000
        self._cut = self._cut_ms // 1000 + WEEK + DAY
        self._end = self._cut + WEEK
        self._running: dict[str, Process] = {}

    def told(self) -> list[str]:
        """Tell it; returns what differs in the end, empty for nothing."""
        said = self._said
        table(
            f"{count(len(said.messages) + len(said.pins))} messages", "wall", "CPU", "peak MB", ""
        )
        archived = self._keep()
        self._fetch(archived)
        self._lose(archived)
        self._adopt()
        self._go_on()
        return self._compared() + self._exported()

    def end(self) -> None:
        for one in self._running.values():
            one.kill()

    def _keep(self) -> Archived:
        """The control node imports, archives week by week, seeds and announces."""
        first_ms = self._said.oldest_ms
        owner = self._open(OWNER, first_ms / 1000)
        owner.do(Keeper.start)
        self._id = str(owner.do(Keeper.create).result)
        self._step(OWNER, "import", Keeper.take_in,
                   self._id, self._exports, first_ms, self._cut_ms)  # fmt: skip
        archived: Archived = self._step(OWNER, "archive, week by week", Keeper.archive,
                                        self._id, self._cut)  # fmt: skip
        note(f"{archived.generations} generations, each hashed, seeded and announced: the first"
             f" took {span(archived.first)}, the last {span(archived.last)}")  # fmt: skip
        self._step(OWNER, "verify", Keeper.verify, self._id)
        return archived

    def _fetch(self, archived: Archived) -> None:
        """Two members at once, who know nothing but the community's id."""
        for name in MEMBERS:
            self._open(name, self._cut).do(Keeper.start)
        for name in MEMBERS:
            self._running[name].begin(Keeper.join, self._id, archived.locator)
        for name in MEMBERS:
            self._tell_fetched(f"{name} fetches, imports", self._running[name].end())
        self._step(MEMBERS[0], "verify", Keeper.verify, self._id)

    def _lose(self, archived: Archived) -> None:
        """The control node is gone; the members' archives are all that there is."""
        self._running.pop(OWNER).kill()
        newcomer = self._open(NEWCOMER, self._cut)
        newcomer.do(Keeper.start)
        note("the control node was killed")
        stage = newcomer.do(Keeper.join, self._id, archived.locator)
        self._tell_fetched(f"{NEWCOMER} completes from members", stage)
        self._step(NEWCOMER, "verify", Keeper.verify, self._id)

    def _adopt(self) -> None:
        """Somebody else, without any network, takes over the files of a member."""
        adopter = self._open(ADOPTER, self._cut, network="nobody")
        adopter.do(Keeper.start)
        self._step(ADOPTER, "adopt archives, import", Keeper.adopt,
                   self._id, self._place / NEWCOMER)  # fmt: skip
        self._step(ADOPTER, "verify", Keeper.verify, self._id)
        self._running.pop(ADOPTER).do(Keeper.stop)

    def _go_on(self) -> None:
        """The control node comes back, and there are seven days more."""
        self._open(OWNER, self._cut + HALF_AN_HOUR)  # Its clock had gone on a little.
        self._step(OWNER, "starts, checks all, seeds", Keeper.start)
        end_ms = self._said.newest_ms + 1
        new = self._step(OWNER, "import of 7 days", Keeper.take_in,
                         self._id, self._exports, self._cut_ms, end_ms)  # fmt: skip
        note("(all exports were read again for these)")
        archived = self._step(OWNER, f"archive {count(new)} messages", Keeper.archive,
                              self._id, self._end)  # fmt: skip
        names = (*MEMBERS, NEWCOMER)
        for name in names:
            self._running[name].begin(Keeper.follow, self._id, archived.locator, self._end)
        for name in names:
            self._tell_fetched(f"{name} fetches what is new", self._running[name].end())

    def _compared(self) -> list[str]:
        """Every node's messages, byte for byte, with the control node's."""
        found = {
            name: self._step(name, "all messages read", Keeper.messages, self._id)
            for name in (OWNER, *MEMBERS, NEWCOMER)
        }
        problems = []
        for name, messages in found.items():
            if messages != found[OWNER]:
                other = len(set(messages) ^ set(found[OWNER]))
                problems.append(f"{name}: {other} messages are not those of the {OWNER}")
            row(f"   {name}: the same bytes", f"{len(messages):,}", "", "", "")
        return problems

    def _exported(self) -> list[str]:
        """What two nodes say in readable form, with the exports."""
        said = self._said
        channels = {
            chat_id_of(self._id, channel): channel for channel, _ in (*said.messages, *said.pins)
        }
        problems = []
        for name in (OWNER, NEWCOMER):
            target = self._place / f"{name}.lines"
            self._step(name, "export", Keeper.export, self._id, target)
            found = said_by_lines(target / LINES, channels)
            problems += [f"{name}: {one}" for one in differences(said, found)]
            row("   compared with the source", f"{len(found.messages):,}",
                f"{len(found.pins):,}", "", "")  # fmt: skip
        return problems

    def _open(self, name: str, now: float, network: str = "network") -> Process:
        make = partial(Keeper, self._place / name, self._place / network, float(now))
        self._running[name] = Worker(make)
        return self._running[name]

    def _step(self, name: str, what: str, stage: Any, *arguments: object) -> Any:
        done = self._running[name].do(stage, *arguments)
        _tell(f"{name}: {what}", done)
        return done.result

    def _tell_fetched(self, what: str, stage: Stage[Fetched]) -> None:
        _tell(what, stage)
        came, whole, index = stage.result.came, stage.result.whole, stage.result.index
        note(f"{came:,} bytes came: {came / whole:.2%} of the {whole:,} in archives;"
             f" the index alone has {index:,}")  # fmt: skip


def _tell(name: str, stage: Stage[Any]) -> None:
    row(name, span(stage.wall), span(stage.cpu), f"{stage.memory / 1e6:.0f}", "")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
