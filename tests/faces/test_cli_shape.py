"""What holds for the command as a whole, and the commands that need no data directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.faces.command_line import COMMAND, ROOT, CommandLine, Started, environment
from tests.faces.in_process import InProcess

COMMANDS = [
    "demo", "init", "config", "run", "announce", "join", "fetch", "peers", "selftest", "status",
    "health", "doctor", "why", "history", "send", "diagram", "verify", "messages", "export",
    "adopt", "backup", "restore", "inspect", "check", "community", "archive", "announcement",
    "import", "migrate",
]  # fmt: skip


def test_help_teaches_by_examples(nothing: InProcess) -> None:
    said = nothing("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in said.out
    assert "Examples:\n    community-archives demo " in said.out
    assert "    3  the event was refused; nothing has changed\n" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())
    assert said.out.count("...") == 1, "every summary is short enough"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_teaches_by_examples(nothing: InProcess, command: str) -> None:
    said = nothing(command, "-h")
    assert said.code == 0
    assert f"Examples:\n    community-archives {command}" in said.out
    assert "Exit codes:\n    0  done\n" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_without_a_command_there_is_help(nothing: InProcess) -> None:
    assert "Examples:" in nothing().out + nothing().err


def test_version(nowhere: CommandLine) -> None:
    assert nowhere("--version").out == f"community-archives {version('community-archives')}\n"


def test_help_loads_neither_tables_nor_networks(nowhere: CommandLine) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "workflow", "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"rich", "states", "transitions", "apscheduler", "workflow.assembly"}


def test_a_strangers_states_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "__init__.py").write_text("raise SystemExit('stranger')")
    done = subprocess.run(
        [*COMMAND, "status"],
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("[package-foreign] ")
    assert str(tmp_path / "states") in done.stderr
    assert "environment of its own" in done.stderr


def test_who_stops_reading_hears_no_complaint(garden: CommandLine) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m workflow history --limit 1000 --json | true"],
        env=environment(COMMUNITY_ARCHIVES_DATA_DIR=str(garden.data_dir)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_cleanly(garden: CommandLine, running: Started, end: signal.Signals) -> None:
    running.process.send_signal(end)
    assert running.ended() == 0
    assert running.said.endswith("Stopped; everything that was done is kept.\n")
    assert not (garden.data_dir / "holder").exists()
    lines = running.said.splitlines()
    assert lines[1].startswith("Network 'local': Only nodes on this machine are reached.")
    assert any(line.endswith("  gardeners  idle → seeding  torrent_missing") for line in lines)


def test_a_data_directory_can_be_named(garden: CommandLine, nowhere: CommandLine) -> None:
    said = nowhere("status", "--data-dir", str(garden.data_dir))
    assert "gardeners" in said.out


# ---------------------------------------------------------------------------------------- diagram


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        ([], "# community: the whole lifecycle"),
        (["--main-path"], "# community: the main path"),
        (["--lifecycle", "archive"], "# archive"),
        (["--lifecycle", "node"], "# node"),
    ],
    ids=str,
)
def test_diagram_needs_no_data(nothing: InProcess, arguments: list[str], begin: str) -> None:
    said = nothing("diagram", *arguments)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(begin)


@pytest.mark.parametrize(
    ("suffix", "sign"), [("svg", "<svg"), ("mmd", "flowchart"), ("dot", "digraph"), ("md", "| row")]
)
def test_diagram_shows_where_a_community_is(here: InProcess, suffix: str, sign: str) -> None:
    out = here.data_dir / f"picture.{suffix}"
    said = here("diagram", "gardeners", "--out", str(out))
    assert (said.code, said.out) == (0, "")
    drawn = out.read_text("utf-8")
    assert sign in drawn
    assert "►" in drawn


def test_diagram_that_cannot_be_written(here: InProcess) -> None:
    said = here("diagram", "--out", str(here.data_dir / "no" / "such.md"))
    assert said.code == 1
    assert said.err.startswith("[configuration] the picture cannot be written")


# ------------------------------------------------------------------------------------ check, demo


def test_check_says_how_much_it_has_seen(nothing: InProcess) -> None:
    said = nothing("check", "--only", "never succeeds")
    assert said.code == 0
    assert "seeding that never succeeds" in said.out
    assert "Every promise holds" in said.out
    assert "states visited" in said.out


def test_demo_does_the_main_job(nowhere: CommandLine) -> None:
    said = nowhere("demo", "--weeks", "2")
    assert said.code == 0, said.out + said.err
    assert said.err == ""
    assert "BROKEN" not in said.out
    assert said.out.count("  kept    ") == 5
    assert "generation 1 is made, seeded and announced." in said.out
    assert "ben has all 672 messages" in said.out
    assert said.out.endswith("  complete   every member\n")
    wide = ("0x", "jsonl", "WEEKS", " to 2024-")  # Ids, paths, and the table of 'verify'.
    lines = [line for line in said.out.splitlines() if not any(one in line for one in wide)]
    assert all(len(line) <= 80 for line in lines)


def test_demo_can_be_looked_at_afterwards(nowhere: CommandLine) -> None:
    assert nowhere("demo", "--weeks", "1", "--data-dir", str(nowhere.data_dir)).code == 0
    ben = CommandLine(nowhere.data_dir / "ben")
    (told,) = json.loads(ben("status", "--json").out)
    assert (told["name"], told["is_control_node"]) == ("gardeners", False)
    said = nowhere("demo", "--data-dir", str(nowhere.data_dir))
    assert said.code == 1
    assert said.err.startswith("[configuration] a demo was kept here before")
