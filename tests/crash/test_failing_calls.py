"""Every call to the system fails once, and fails for a while: nothing is half done.

The Nth call fails, for N = 1, 2, 3 and so on, until a run meets no failure. A disk that is full
takes a part of a write first. A file whose sync failed loses what it had not synced, as the system
forgets it: a second sync that "succeeds" would prove nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from states.errors import CommunityArchivesError
from tests.crash.disk import Kind, Recorder, Step, Tree, tree_of
from tests.crash.weekly import FOLDER, GENERATIONS, Archiving, record
from workflow.engine.history import steps_after
from workflow.testing.world import HOUR, WEEK, World, text_message

ROOT: Final = Path(__file__).resolve().parents[2]
ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
LASTING: Final = (errno.ENOSPC, errno.EIO)
"""Those of them that the short form lets last, too; the others take the same way."""
KEY: Final = bytes(range(1, 33))
TOPIC: Final = b"\x01\x02\x03\x04"


@dataclass
class Fault:
    """The ``at``th call fails, and if it ``lasts``, so do all that follow, until it is over."""

    root: Path
    error: int
    at: int
    lasts: bool
    calls: int = 0
    raised: int = 0
    took_a_part: bool = False
    is_over: bool = False
    recorder: Recorder | None = None

    def __call__(self, step: Step) -> int | None:
        self.calls += 1
        if self.is_over or self.calls < self.at or (self.raised and not self.lasts):
            return None
        if step.kind is Kind.WRITE and self.error == errno.ENOSPC and not self.took_a_part:
            self.took_a_part = True
            return len(step.content) // 2
        self.raised += 1
        if step.kind is Kind.FSYNC:
            self._forget(step)
        raise OSError(self.error, os.strerror(self.error), step.path)

    def _forget(self, failed: Step) -> None:
        """The system gives up the bytes that it could not sync, and will not say so again."""
        assert self.recorder is not None
        with (self.root / failed.path).open("r+b") as file:
            for step in reversed(self.recorder.steps):
                if step.file == failed.file and step.kind is Kind.FSYNC:
                    break
                if step.file == failed.file and step.kind is Kind.WRITE:
                    file.seek(step.offset)
                    file.write(bytes(len(step.content)))


class Attempts:
    """Archiving with a fault, again and again."""

    def __init__(self, archiving: Archiving, clean: list[Tree]) -> None:
        self._archiving = archiving
        self._clean = clean
        self.failures: Counter[str] = Counter()

    def finish_in_spite_of(self, fault: Fault) -> None:
        done, tries = 0, 0
        root = self._archiving.root
        while done < GENERATIONS:
            recorder = Recorder(root, tree_of(root), before=fault, opening=fault)
            fault.recorder = recorder
            try:
                record(self._archiving, recorder, done)
            except (OSError, CommunityArchivesError) as error:
                assert fault.raised
                self.failures[type(error).__name__] += 1
                self._check_committed(done)
                tries += 1
                fault.is_over = not fault.lasts or tries == 3
            else:
                done += 1
        assert tree_of(root) == self._clean[GENERATIONS]

    def _check_committed(self, done: int) -> None:
        found = tree_of(self._archiving.root)
        for path, content in self._clean[done].items():
            here = found[path]
            if path == f"{FOLDER}/data":
                assert here is not None
                assert content is not None
                here = here[: len(content)]
            assert here == content, f"{path} of a committed generation was touched"


@pytest.fixture
def attempts(fast_disk: Path) -> Attempts:
    archiving = Archiving(fast_disk / "run")
    archiving.root.mkdir()
    clean: list[Tree] = [{}]
    for done in range(GENERATIONS):
        archiving.next_generation(done)
        clean.append(tree_of(archiving.root))
    return Attempts(archiving, clean)


@pytest.mark.parametrize(
    ("error", "lasts"),
    [
        pytest.param(
            error, lasts, marks=[pytest.mark.slow] if lasts and error not in LASTING else []
        )
        for error in ERRORS
        for lasts in (False, True)
    ],
    ids=lambda value: errno.errorcode[value] if type(value) is int else "lasts" * value or "once",
)
def test_whichever_call_fails_the_archives_become_the_same(
    attempts: Attempts, fast_disk: Path, error: int, lasts: bool
) -> None:
    at = 0
    while True:
        at += 1
        root = fast_disk / "run"
        shutil.rmtree(root)
        root.mkdir()
        fault = Fault(root, error, at, lasts)
        attempts.finish_in_spite_of(fault)
        if fault.raised == 0:
            break
    assert at > 60  # So many calls there are, and each failed.
    # Two are calls to read a .torrent, without which it goes as well, only slower.
    assert attempts.failures.total() >= at - 1 - 2
    assert set(attempts.failures) <= {"OSError", "PermissionError", "ContentDamagedError"}


def test_a_write_that_takes_only_a_part_is_gone_on_with(
    attempts: Attempts, fast_disk: Path
) -> None:
    def at_most_a_thousand(step: Step) -> int | None:
        return 1000 if step.kind is Kind.WRITE else None

    root = fast_disk / "run"
    shutil.rmtree(root)
    root.mkdir()
    for done in range(GENERATIONS):
        archiving = attempts._archiving
        record(archiving, Recorder(root, tree_of(root), before=at_most_a_thousand), done)
    assert tree_of(root) == attempts._clean[GENERATIONS]


# -- the whole node -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.CREATE, errno.EROFS),
        (Kind.CUT, errno.EIO),
        (Kind.WRITE, errno.ENOSPC),
        (Kind.FSYNC, errno.EIO),
        (Kind.SYNC_FOLDER, errno.EIO),
        (Kind.RENAME, errno.EACCES),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else errno.errorcode[value],
)
async def test_a_node_whose_disk_fails_says_so_and_finishes_once_it_works(
    fast_disk: Path, kind: Kind, error: int
) -> None:
    broken = False

    def fault(step: Step) -> None:
        if broken and step.kind is kind:
            raise OSError(error, os.strerror(error), step.path)

    world = World(fast_disk)
    archives = fast_disk / "owner" / "archives"
    with Recorder(archives, {}, before=fault, opening=fault).watching():
        node = await world.start("owner")
        await node.enable()
        id = await node.create_community("chess", private_key=KEY)
        await node.add_topic(id, TOPIC)
        await node.add_messages(id, [text_message(TOPIC, world.clock.now(), "one")])
        await world.advance(WEEK + 2 * HOUR)
        first = tree_of(archives)
        await node.add_messages(id, [text_message(TOPIC, world.clock.now(), "two")])

        broken = True
        await world.advance(WEEK + 4 * HOUR)
        status = await node.status(id)
        assert os.strerror(error) in status.reason
        assert status.is_live
        assert status.generation == 1
        found = tree_of(archives)
        for path, content in first.items():
            here = found[path]
            assert (here[: len(content)] if here and content else here) == content
        recorded = await node.engine.run(lambda tx: steps_after(tx, 0))
        assert [one.target for one in recorded if one.event == "ACTION_FAILED"]

        broken = False
        await world.advance(8 * HOUR)
        status = await node.status(id)
        stored = await node.messages(id)
        await world.close()
    assert (status.state, status.is_live, status.reason) == ("idle", True, "")
    assert status.generation == 2
    assert len({one.archive for one in stored}) == 2
    assert world.violations() == []


def test_a_full_disk_and_one_that_cannot_be_written_are_survived_for_real(tmp_path: Path) -> None:
    """On a small tmpfs in a mount namespace of its own, which is gone with its process."""
    permitted = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if permitted.returncode != 0:
        pytest.skip("this process may not mount (unshare -m is refused)")
    told = subprocess.run(
        ["unshare", "-m", sys.executable, "-m", "tests.crash.small_disk", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    full, read_only, end = map(json.loads, told.stdout.splitlines())
    assert os.strerror(errno.ENOSPC) in full["reason"]
    assert (full["generation"], full["is_live"]) == (1, True)
    assert os.strerror(errno.EROFS) in read_only["reason"]
    assert (read_only["generation"], read_only["is_live"]) == (2, True)
    assert (end["generation"], end["is_live"], end["reason"]) == (3, True, "")
    assert end["archives"] == 3
