from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from workflow.adapters.carrier.bittorrent.neighbours import Neighbours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "meeting"


def test_neighbours_see_each_other_and_not_themselves(folder: Path) -> None:
    one, two, three = (Neighbours(folder) for _ in range(3))
    one.join(5001)
    two.join(5002)
    assert (one.ports(), two.ports(), three.ports()) == ([5002], [5001], [5001, 5002])
    two.leave()
    two.leave()
    assert one.ports() == []
    one.leave()
    assert list(folder.iterdir()) == []


def test_the_folder_is_its_owners_alone(folder: Path) -> None:
    one = Neighbours(folder)
    one.join(5001)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "5001").stat().st_mode & 0o777 == 0o600
    one.leave()


def test_who_was_killed_is_not_met(folder: Path) -> None:
    """The file of a dead process is removed by whoever looks next."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from workflow.adapters.carrier.bittorrent.neighbours import Neighbours\n"
        "one = Neighbours(Path(sys.argv[1])); one.join(5001); print('in', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        assert Neighbours(folder).ports() == [5001]
        child.kill()
        child.wait()
    assert (folder / "5001").exists()
    assert Neighbours(folder).ports() == []
    assert not (folder / "5001").exists()


def test_a_dead_ones_port_can_be_taken_over(folder: Path) -> None:
    folder.mkdir()
    (folder / "5001").touch()
    one = Neighbours(folder)
    one.join(5001)
    assert Neighbours(folder).ports() == [5001]
    one.leave()


def test_what_is_not_a_nodes_file_is_left_alone(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "notes").write_text("keep me")
    (folder / "٣").touch()
    (folder / "6001").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").touch()
    os.mkfifo(folder / "6002")
    assert Neighbours(folder).ports() == []
    assert (folder / "notes").read_text() == "keep me"
    assert (tmp_path / "elsewhere").exists()


def test_a_file_that_was_swept_away_while_it_was_locked_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making it and locking it, somebody may take it for a dead one's."""
    real = fcntl.flock
    swept: list[int] = []

    def sweeping(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.append(descriptor)
            (folder / "5001").unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweeping)
    one = Neighbours(folder)
    one.join(5001)
    assert swept
    assert Neighbours(folder).ports() == [5001]
    one.leave()


def test_many_come_and_go_and_nobody_is_lost(folder: Path) -> None:
    """Whoever has joined is seen by everybody who looks, however many sweep at the same time."""
    folder.mkdir()
    missed: list[int] = []
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            Neighbours(folder).ports()

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    for number in range(300):
        one = Neighbours(folder)
        one.join(5001)
        if Neighbours(folder).ports() != [5001]:
            missed.append(number)
        one.leave()
    stop.set()
    for sweeper in sweepers:
        sweeper.join()
    assert missed == []
