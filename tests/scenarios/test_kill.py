"""A real process on a real clock is killed at random moments (SIGKILL), and nothing is lost.

The short form kills a dozen times; ``pytest -m slow tests/scenarios/test_kill.py`` kills 500 times
(``KILLS`` in the environment chooses another number, ``KILL_SEED`` other moments).
"""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final

import pytest

from states.instance import Backoff
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import CommunityFacts, Timing
from workflow.archive.codec import decode_archive
from workflow.archive.index import IndexEntry, decode_index, encode_index
from workflow.assembly import workflows
from workflow.engine.history import replay
from workflow.files.folder import ArchiveFolder
from workflow.files.torrents import seal_generation
from workflow.viewing import ARCHIVES, JOURNAL, open_view

SHORT: Final = 12
LONG: Final = 500
ROOT: Final = Path(__file__).resolve().parents[2]
ANSWERS_WITHIN: Final = 90.0
"""Seconds of real time; only a hang takes so long."""


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within it.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Children:
    """Starts nodes from a process that has everything imported, and kills them by their ids."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.kill_child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        self._node: int | None = None
        assert self.hear() == "ready"

    def start(self, directory: Path, seed: int, *, finish: bool) -> int:
        order = {"directory": str(directory), "seed": seed, "finish": finish}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._node = int(self.hear_of("pid"))
        return self._node

    def hear(self) -> str:
        return self._lines.get(timeout=ANSWERS_WITHIN)

    def hear_of(self, what: str) -> str:
        """The next line of this kind. The node and who started it write to one pipe."""
        while True:
            kind, _, rest = self.hear().partition(" ")
            assert kind != "failed", rest
            if kind == what:
                return rest

    def ended(self) -> int:
        code = int(self.hear_of("ended"))
        self._node = None
        return code

    def close(self) -> None:
        if self._node is not None:
            with suppress(ProcessLookupError):
                os.kill(self._node, signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(ANSWERS_WITHIN)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self._lines.put(line.strip())


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


def kill_again_and_again(children: Children, directory: Path, kills: int, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets.
    for number in range(kills):
        process = children.start(directory, seed * 10_000 + number, finish=False)
        if dice.random() < 0.75:
            children.hear_of("up")
            time.sleep(dice.uniform(0.0, 0.5))
        else:
            time.sleep(dice.uniform(0.0, 0.15))  # While it takes up what was under way.
        os.kill(process, signal.SIGKILL)
        assert children.ended() == -signal.SIGKILL
    children.start(directory, 0, finish=True)
    assert children.ended() == 0


# -- what must be left ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """What the kills have left on the disk."""

    directory: Path
    tx: sqlite3.Connection

    def written(self, name: str) -> list[Any]:
        path = self.directory / name
        if not path.exists():
            return []
        # A line that a death cut short was never finished, so nothing was promised by it.
        return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True)
                if line.endswith(b"\n")]  # fmt: skip

    def rows(self, sql: str, *values: object) -> list[Any]:
        return self.tx.execute(sql, values).fetchall()


def examine(directory: Path) -> Counter[str]:
    tx = sqlite3.connect(directory / JOURNAL)
    try:
        left = Left(directory, tx)
        assert left.rows("PRAGMA integrity_check") == [("ok",)]
        found = Counter[str]()
        for (id,) in left.rows("SELECT id FROM community"):
            found += messages_are_archived_once(left, id)
        acknowledged_messages_are_there(left)
        announcements_are_true(left)
        found["steps"] = history_has_no_gaps(left)
        found["announcements"] = len(left.written("announced"))
        found["acknowledged"] = len(left.written("acknowledged"))
    finally:
        tx.close()
    assert complaints(directory) == []
    return found


def messages_are_archived_once(left: Left, id: str) -> Counter[str]:
    """The files decode to exactly the rows, each in the archive that the row names."""
    stored = {
        (digest.hex(), archive)
        for digest, archive in left.rows(
            "SELECT m.digest, a.instance FROM community c JOIN message m ON m.community = c.number"
            " LEFT JOIN archived h USING (sequence) LEFT JOIN archive a ON a.number = h.archive"
            " WHERE c.id = ?",
            id,
        )
    }
    current = left.rows(
        "SELECT g.number, g.lineage, g.data_length FROM community c JOIN generation g"
        " ON g.community = c.id AND g.number = c.generation WHERE c.id = ?",
        id,
    )
    decoded: list[tuple[str, str]] = []
    archives = 0
    for number, lineage, length in current:
        content = ArchiveFolder(left.directory / ARCHIVES).content(id, lineage, number, length)
        data = content.data.read_bytes()[:length]
        entries = sorted(decode_index(content.index.read_bytes()), key=lambda one: one.offset)
        assert sum(entry.size for entry in entries) == length
        for entry in entries:
            raw = data[entry.offset : entry.offset + entry.raw_size]
            name = f"{id}/{lineage}/{entry.id}"
            decoded += [(one.packed().digest.hex(), name) for one in decode_archive(raw, entry)]
            archives += 1
    assert len(decoded) == len(set(decoded))
    assert set(decoded) == stored
    [(anchor, interval)] = left.rows("SELECT anchor, interval FROM community WHERE id = ?", id)
    for number, lineage, length in current:
        content = ArchiveFolder(left.directory / ARCHIVES).content(id, lineage, number, length)
        for entry in decode_index(content.index.read_bytes()):
            assert (entry.start - anchor) % interval == 0
            assert entry.end - entry.start == interval
    return Counter(messages=len(stored), archives=archives, generations=sum(c[0] for c in current))


def acknowledged_messages_are_there(left: Left) -> None:
    stored = Counter(
        (community, digest.hex())
        for community, digest in left.rows(
            "SELECT c.id, m.digest FROM message m JOIN community c ON c.number = m.community"
        )
    )
    for community, digest in left.written("acknowledged"):
        assert stored[community, digest] == 1


def announcements_are_true(left: Left) -> None:
    """One clock names one locator, and its bytes are on the disk, committed."""
    by_clock: defaultdict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    for channel, clock, locator, payload in left.written("announced"):
        by_clock[channel.removesuffix("-magnetlinks"), clock].add((locator, payload))
    checked: dict[tuple[str, str], str] = {}
    for (community, _), named in by_clock.items():
        assert len(named) == 1
        [(locator, _)] = named
        if (community, locator) in checked:
            continue
        [(number, lineage, length)] = left.rows(
            "SELECT number, lineage, data_length FROM generation"
            " WHERE community = ? AND locator = ?",
            community,
            locator,
        )
        content = ArchiveFolder(left.directory / ARCHIVES).content(
            community, lineage, number, length
        )
        if not content.index.exists():  # It was superseded; its bytes can still be told.
            [(current,)] = left.rows("SELECT generation FROM community WHERE id = ?", community)
            assert number < current
            entries = left.rows(
                'SELECT entry FROM archive WHERE community = ? AND lineage = ? AND "offset" < ?',
                community,
                lineage,
                length,
            )
            content.index.write_bytes(encode_index(IndexEntry.decode(row) for (row,) in entries))
        assert f"memory:{seal_generation(content)}" == locator
        checked[community, locator] = locator


def history_has_no_gaps(left: Left) -> int:
    [(count, first, last)] = left.rows("SELECT count(*), min(seq), max(seq) FROM history")
    assert (first, last) == (1, count)
    for lifecycle, id, state in left.rows("SELECT lifecycle, id, state FROM instance"):
        chain = left.rows(
            "SELECT source, target FROM history WHERE lifecycle = ? AND id = ? ORDER BY seq",
            lifecycle,
            id,
        )
        for (_, target), (source, _) in pairwise(chain):
            assert source == target
        assert not chain or chain[-1][1] == state
    return int(count)


def complaints(directory: Path) -> list[str]:
    """What replaying every step of every workflow comes to."""
    clock = ManualClock()
    view = open_view(
        directory,
        clock=clock,
        carrier=MemoryCarrier(Swarm(clock)),
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=KeyFiles(directory / "keys"),
    )
    keys, carrier = view.tools.keys, view.tools.carrier
    facts = CommunityFacts(keys, carrier, Timing(), device="", run=0, started_at=0.0)
    with view.journal as journal:
        return [
            problem
            for workflow in workflows(view.tools, facts, Backoff())
            for problem in journal.run(lambda tx, one=workflow: replay(tx, one))  # type: ignore[misc]
        ]


def test_a_killed_process_loses_nothing(children: Children, fast_disk: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", "1"))
    kill_again_and_again(children, fast_disk, SHORT, seed)
    found = examine(fast_disk)
    assert min(found[one] for one in ("messages", "archives", "announcements", "steps")) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_process_killed_hundreds_of_times_loses_nothing(
    children: Children, fast_disk: Path
) -> None:
    kills = int(os.environ.get("KILLS", str(LONG)))
    kill_again_and_again(children, fast_disk, kills, int(os.environ.get("KILL_SEED", "2")))
    found = examine(fast_disk)
    print(f"{kills} kills: {dict(found)}")  # noqa: T201 - for who runs the long form.
    assert found["acknowledged"] <= found["messages"]
