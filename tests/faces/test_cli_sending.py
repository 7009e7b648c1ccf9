"""Commands from other processes: done once, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import closing
from typing import Any

import pytest

from tests.faces.command_line import CommandLine, Started, eventually
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.assembly import open_node
from workflow.commanding import perform
from workflow.engine.inbox import Command, Inbox
from workflow.engine.rows import Outcome


def steps_of_command(line: CommandLine, command_id: str) -> list[dict[str, Any]]:
    steps = json.loads(line("history", "--limit", "1000", "--json").out)
    assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
    return [step for step in steps if step["command_id"] == command_id]


def test_when_nobody_runs_the_command_does_it_and_leaves(garden: CommandLine) -> None:
    said = garden("send", "gardeners", "switched_off", "--command-id", "mine")
    assert said.code == 0
    assert said.out.endswith("idle --switched_off--> off\n")
    assert "waits for the next run" in said.err
    (step,) = steps_of_command(garden, "mine")
    assert step["actor"] == "operator"
    assert not (garden.data_dir / "holder").exists()
    started = garden.start("run")
    started.wait_until_it_says("off stays  torrent_dropped")
    started.process.terminate()
    assert started.ended() == 0


def test_who_runs_does_it(garden: CommandLine, running: Started) -> None:
    said = garden("send", "gardeners", "switched_off")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("idle --switched_off--> off\n")
    running.wait_until_it_says("idle → off  switched_off")
    running.wait_until_it_says("off stays  torrent_dropped")


def test_a_refusal_is_an_answer(garden: CommandLine, running: Started) -> None:
    said = garden("send", "gardeners", "settled")
    assert (said.code, said.out) == (3, "refused: idle does not answer settled\n")


@pytest.mark.parametrize("event", ["switched_off", "settled"])
def test_the_same_command_again_has_the_same_answer(garden: CommandLine, event: str) -> None:
    first = garden("send", "gardeners", event, "--command-id", "again")
    second = garden("send", "gardeners", event, "--command-id", "again")
    assert (second.out, second.code) == (first.out, first.code)
    assert "This command (again) was done before; its answer was:\n" in second.err
    assert len(steps_of_command(garden, "again")) == (1 if first.code == 0 else 0)


def test_an_id_is_for_one_command(garden: CommandLine) -> None:
    garden("send", "gardeners", "switched_off", "--command-id", "one")
    said = garden("send", "gardeners", "link_sent", "--command-id", "one")
    assert said.code == 1
    assert said.err.startswith("[configuration] this command id was used for another command")


def test_many_ask_at_once(garden: CommandLine) -> None:
    askers = [garden.start("send", "gardeners", "switched_off") for _ in range(4)]
    codes = sorted(asker.ended() for asker in askers)
    assert codes == [0, 0, 0, 0]
    told = garden("history", "gardeners", "--json").out
    assert told.count("idle --switched_off--> off") == 1
    assert told.count("off --switched_off--> stay") == 3
    assert (garden.data_dir / "journal.sqlite3").exists()


def test_a_silent_holder_is_told_of_and_the_command_stays(
    garden: CommandLine, running: Started
) -> None:
    running.process.send_signal(signal.SIGSTOP)
    ask = ("send", "gardeners", "switched_off", "--command-id", "late")
    said = garden(*ask, "--wait", "0.5")
    assert said.code == 1
    assert said.err.startswith("[command-unanswered] no answer within 0.5 s; ")
    assert f"process {running.process.pid}: node" in said.err
    running.process.send_signal(signal.SIGCONT)
    said = garden(*ask)
    assert (said.code, said.err) == (0, "")
    assert len(steps_of_command(garden, "late")) == 1


def test_the_holder_is_killed_between_row_and_answer(garden: CommandLine, running: Started) -> None:
    running.process.send_signal(signal.SIGSTOP)
    asker = garden.start("send", "gardeners", "switched_off", "--command-id", "orphan")
    inbox = Inbox(garden.data_dir)
    eventually(lambda: [one.id for one in inbox.unanswered()] == ["orphan"])
    assert asker.process.poll() is None
    running.process.kill()
    assert asker.ended() == 0
    assert "idle --switched_off--> off\n" in asker.said
    assert len(steps_of_command(garden, "orphan")) == 1
    assert inbox.unanswered() == []


def test_holder_and_asker_are_killed_and_the_next_run_answers(
    garden: CommandLine, running: Started
) -> None:
    running.process.send_signal(signal.SIGSTOP)
    asker = garden.start("send", "gardeners", "switched_off", "--command-id", "orphan")
    inbox = Inbox(garden.data_dir)
    eventually(lambda: len(inbox.unanswered()) == 1)
    asker.process.kill()
    asker.ended()
    running.process.kill()
    running.ended()
    assert steps_of_command(garden, "orphan") == []
    started = garden.start("run")
    started.wait_until_it_says("→ off  switched_off")
    said = garden("send", "gardeners", "switched_off", "--command-id", "orphan")
    assert (said.code, said.out.endswith("--switched_off--> off\n")) == (0, True)
    assert len(steps_of_command(garden, "orphan")) == 1
    started.process.terminate()
    assert started.ended() == 0


async def perform_and_die(line: CommandLine, command: Command) -> Outcome:
    """Commit the command's step, and end before the answer is written."""
    clock = ManualClock()
    node = open_node(
        line.data_dir,
        clock=clock,
        carrier=MemoryCarrier(Swarm(clock)),
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=MemoryKeys(),
    )
    try:
        return await perform(node, command)
    finally:
        await node.stop()


def test_the_holder_dies_between_commit_and_answer(garden: CommandLine) -> None:
    (told,) = json.loads(garden("status", "--json").out)
    command = Command("half", "community", told["id"], "switched_off", "operator", 0.0)
    inbox = Inbox(garden.data_dir)
    inbox.put(command)
    outcome = asyncio.run(perform_and_die(garden, command))
    assert len(outcome.steps) == 1
    assert [one.id for one in inbox.unanswered()] == ["half"]
    said = garden("send", "gardeners", "switched_off", "--command-id", "half")
    assert (said.code, said.out.endswith("idle --switched_off--> off\n")) == (0, True)
    assert "was done before" in said.err
    assert len(steps_of_command(garden, "half")) == 1


def test_reading_changes_nothing(garden: CommandLine) -> None:
    before = (garden.data_dir / "journal.sqlite3").read_bytes()
    for arguments in (["status"], ["why", "gardeners"], ["history"], ["diagram", "gardeners"]):
        assert garden(*arguments).code == 0
    assert (garden.data_dir / "journal.sqlite3").read_bytes() == before
    with closing((garden.data_dir / "journal.sqlite3").open("rb")) as file:
        assert file.read(15) == b"SQLite format 3"
