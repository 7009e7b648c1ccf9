"""A real process that archives is killed (SIGKILL) ahead of each step that it takes on its files.

Then it is started again and finishes without hands: the files, and what the database says of them,
must be those of a node that was never killed. The short form kills once at each kind of step;
``pytest -m slow`` kills at every one, and again at every one of what follows the first kill.
``strace`` kills from outside, at any call to the system, SQLite's included.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.crash.forked import ROOT, Nodes

CALLS: Final = ("fsync", "rename", "ftruncate", "unlink", "pwrite64", "fdatasync", "write", "mkdir")


@pytest.fixture
def nodes(fast_disk: Path) -> Iterator[Nodes]:
    made = Nodes("tests.crash.crash_child", fast_disk)
    yield made
    made.close()


def what_is_left(directory: Path) -> tuple[dict[str, Any], list[bytes]]:
    """What the node says at its end, and the bytes of the archives that it speaks of."""
    end = json.loads((directory / "end.json").read_text())
    return end, [(directory / name).read_bytes() for name in end["files"]]


def never_killed(nodes: Nodes) -> tuple[list[str], tuple[dict[str, Any], list[bytes]]]:
    """The steps that a node takes which nobody kills, and what it leaves."""
    directory = nodes.directory()
    assert nodes.live(directory) == 0
    end, files = what_is_left(directory)
    steps = end.pop("steps")
    assert end["generation"] == 2
    assert end["is_live"]
    assert end["violations"] == []
    assert len(set(end["digests"])) == len(end["archives"]) == 10
    assert len(set(end["archives"])) == 2
    return steps, (end, files)


def finish(nodes: Nodes, directory: Path, expected: tuple[dict[str, Any], list[bytes]]) -> None:
    assert nodes.live(directory) == 0
    end, files = what_is_left(directory)
    del end["steps"]
    assert (end, files) == expected
    shutil.rmtree(directory)


def kill_at(nodes: Nodes, numbers: Iterable[int]) -> Path:
    """A directory in which a node was killed at each of these steps, counted from its start."""
    directory = nodes.directory()
    for number in numbers:
        assert nodes.live(directory, number) in {-signal.SIGKILL, 0}
    return directory


def test_a_node_killed_at_each_kind_of_step_finishes_as_if_nothing_had_been(nodes: Nodes) -> None:
    steps, expected = never_killed(nodes)
    kinds = {
        step: number
        for number, step in enumerate(steps, 1)
        if "index.1" not in step and "1.torrent" not in step  # They come again in the second week.
    }
    assert {"mkdir 1", "create data", "ftruncate data", "write data", "fsync data",
            "rename index.2", "rename 2.torrent", "fsync folder"} <= set(kinds)  # fmt: skip
    for step, number in kinds.items():
        directory = kill_at(nodes, [number])
        assert (directory / "killed_at").read_text() == f"{step}\n"
        finish(nodes, directory, expected)


def test_a_node_killed_again_and_again_one_step_later_finishes_too(nodes: Nodes) -> None:
    """At its first step, then at the second of the next start, and so on, with nothing between."""
    _, expected = never_killed(nodes)
    directory = nodes.directory()
    number = 1
    while nodes.live(directory, number) == -signal.SIGKILL:
        number += 1
    assert number > 10
    (directory / "end.json").unlink()
    finish(nodes, directory, expected)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_node_killed_at_every_step_finishes_as_if_nothing_had_been(nodes: Nodes) -> None:
    steps, expected = never_killed(nodes)
    for number, step in enumerate(steps, 1):
        directory = kill_at(nodes, [number])
        assert (directory / "killed_at").read_text() == f"{step}\n"
        finish(nodes, directory, expected)
    print(f"killed at each of {len(steps)} steps")  # noqa: T201 - for who runs it with -s.


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_node_killed_at_two_steps_finishes_as_if_nothing_had_been(nodes: Nodes) -> None:
    steps, expected = never_killed(nodes)
    kills = 0
    for first in range(1, len(steps) + 1, 4):
        for second in range(1, 30, 3):
            finish(nodes, kill_at(nodes, [first, second]), expected)
            kills += 2
    print(f"{kills} kills, two in each run")  # noqa: T201 - for who runs it with -s.


# -- killed from outside --------------------------------------------------------------------------


def run_under_strace(directory: Path, call: str, number: int) -> int:
    """A node that ``strace`` kills as it makes this call for the Nth time; returns how it ended."""
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
               "-e", f"inject={call}:signal=KILL:when={number}"]  # fmt: skip
    node = [sys.executable, "-m", "tests.crash.crash_child", str(directory)]
    return subprocess.run([*command, *node], cwd=ROOT, timeout=100, check=False).returncode


@pytest.fixture
def strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write",
             "-e", "inject=write:signal=KILL:when=1", "echo"]  # fmt: skip
    if subprocess.run(probe, capture_output=True, check=False).returncode != -signal.SIGKILL:
        pytest.skip("strace may not trace here")


@pytest.mark.parametrize(("call", "number"), [("rename", 3), ("fsync", 9), ("fdatasync", 70)])
def test_a_node_that_strace_kills_finishes_as_if_nothing_had_been(
    nodes: Nodes, strace: None, call: str, number: int
) -> None:
    _, expected = never_killed(nodes)
    directory = nodes.directory()
    assert run_under_strace(directory, call, number) == -signal.SIGKILL
    finish(nodes, directory, expected)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_a_node_that_strace_kills_at_any_call_finishes_as_if_nothing_had_been(
    nodes: Nodes, strace: None, call: str
) -> None:
    _, expected = never_killed(nodes)
    number, kills = 1, 0
    while True:
        directory = nodes.directory()
        code = run_under_strace(directory, call, number)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        finish(nodes, directory, expected)
        kills += 1
        number += max(1, number // 10)
    print(f"{call}: {kills} kills")  # noqa: T201 - for who runs it with -s.
