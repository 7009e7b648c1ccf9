"""The main job on the command line: owner and members, each a process, BitTorrent between them."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.faces.command_line import CommandLine, Started, eventually
from workflow.cli.story import made_export

pytestmark = pytest.mark.timeout(300)  # Dozens of processes, one after another.
WEEKS = 2
MESSAGES = WEEKS * 7 * 48


@contextmanager
def running(line: CommandLine, *arguments: str) -> Iterator[Started]:
    started = line.start("run", *arguments)
    try:
        started.wait_until_it_says("Network '")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def export_of(weeks: int, folder: Path, first: int = 0) -> Path:
    """The demo's export, from a week on."""
    lines = list(made_export(first + weeks))
    channels, posts = lines[:2], lines[2 + first * 7 * 48 :]
    path = folder / f"week-{first}.jsonl"
    path.write_text("\n".join(map(json.dumps, channels + posts)))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An owner's data directory with two archived weeks, and what was sent, on the disk."""
    folder = tmp_path_factory.mktemp("made")
    owner = CommandLine(folder / "owner")
    assert owner("community", "create", "gardeners").code == 0
    said = owner("import", "jsonl", str(export_of(WEEKS, folder)), "--community", "gardeners")
    assert said.code == 0, said.err
    said = owner("archive", "now", "gardeners")
    assert said.code == 0, said.err
    assert "gardeners: generation 1 is made, seeded and announced.\n  magnet:?xt=" in said.out
    assert "Nobody runs on this data directory" in said.err
    return owner.data_dir


@pytest.fixture
def owner(made: Path, tmp_path: Path) -> CommandLine:
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return CommandLine(tmp_path / "owner")


@pytest.fixture
def member(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "member")


def id_of(line: CommandLine) -> str:
    (told,) = json.loads(line("status", "--json").out)
    return str(told["id"])


def texts_of(line: CommandLine) -> list[str]:
    said = line("messages", "gardeners", "--json")
    lines = map(json.loads, said.out.splitlines())
    return sorted(line["text"] for line in lines if "text" in line)


def events_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_member_fetches_by_a_line_of_text_and_seeds_on(
    owner: CommandLine, member: CommandLine, tmp_path: Path
) -> None:
    """Then the owner goes, and a second member completes from the first."""
    line = tmp_path / "gardeners.announcement"
    torrent = tmp_path / "gardeners.torrent"
    line.write_text(owner("announcement", "show", "gardeners", "--torrent", str(torrent)).out)
    assert json.loads(owner("inspect", str(torrent), "--json").out)
    with running(owner):
        said = member("fetch", str(line), "--name", "gardeners")
    assert said.code == 0, said.err
    assert f"  messages   {MESSAGES:,}\n" in said.out
    assert "gardeners: all archives are imported.\n  archives   2, " in said.out
    assert member("verify", "gardeners").code == 0
    assert texts_of(member) == texts_of(owner)
    second = CommandLine(tmp_path / "second")
    with running(member):
        said = second("fetch", line.read_text().strip(), "--name", "gardeners")
    assert said.code == 0, said.err
    assert texts_of(second) == texts_of(owner)
    announced = [step["target"] for step in json.loads(
        second("history", "--limit", "1000", "--json").out)]  # fmt: skip
    assert "announcing" not in announced


def test_a_member_is_told_over_the_network_of_messages(
    owner: CommandLine, member: CommandLine, tmp_path: Path
) -> None:
    """Joining is enough; one more week brings only what is new."""
    with running(owner):
        assert member("join", id_of(owner), "--name", "gardeners").code == 0
        with running(member) as there:
            there.wait_until_it_says("downloading → seeding")
            there.wait_until_it_says("seeding → idle")
    more = export_of(1, tmp_path, first=WEEKS)
    assert owner("import", "jsonl", str(more), "--community", "gardeners").code == 0
    with running(owner):
        assert owner("archive", "now", "gardeners").code == 0
        said = member("fetch", "gardeners", "--json")
    assert said.code == 0, said.err
    *progress, done = events_of(said.out)
    assert {one["event"] for one in progress} == {"progress"}
    assert (done["event"], done["archives"], done["messages"]) == (
        "done", WEEKS + 1, MESSAGES + 7 * 48,
    )  # fmt: skip
    assert 0 < done["fetched"] < done["bytes"], "what was here is not fetched again"


def data_of(line: CommandLine) -> Path:
    (path,) = (line.data_dir / "archives").glob("*/1/data")
    return path


def test_a_member_fetches_the_latest_and_seeds_on(
    owner: CommandLine, member: CommandLine, tmp_path: Path
) -> None:
    """Then the owner goes, and who wants no more than that gets it from the member."""
    line = owner("announcement", "show", "gardeners").out.strip()
    with running(owner):
        said = member("fetch", line, "--name", "gardeners", "--latest", "--json")
    assert said.code == 0, said.err
    done = events_of(said.out)[-1]
    assert (done["archives"], done["not_chosen"], done["is_live"]) == (1, 1, True)
    here, whole = data_of(member).stat(), data_of(owner).stat()
    assert done["bytes"] <= here.st_blocks * 512 < whole.st_size == here.st_size
    said = member("inspect", str(data_of(member).parent))
    assert (said.code, " absent" in said.out, " are not here" in said.out) == (0, True, True)
    second = CommandLine(tmp_path / "second")
    with running(member):
        said = second("fetch", line, "--name", "gardeners", "--latest")
    assert said.code == 0, said.err
    assert said.out.startswith("gardeners: the chosen archives are imported.\n")
    assert "  not chosen 1\n" in said.out
    assert len(texts_of(second)) == MESSAGES // 2


def test_a_member_who_has_a_part_fetches_the_rest(owner: CommandLine, member: CommandLine) -> None:
    """What is not chosen is said, and is no fault; in the end everything is as the owner has it."""
    line = owner("announcement", "show", "gardeners").out.strip()
    with running(owner):
        said = member("fetch", line, "--name", "gardeners", "--latest")
        assert said.code == 0, said.err
        said = member("verify", "gardeners")
        assert (said.code, said.out.count("not chosen")) == (0, 1)
        assert "  chosen: the latest archives\n" in said.out
        said = member("selftest", "gardeners")
        assert said.out == f"gardeners: a stranger gets all {MESSAGES // 2:,} archived messages.\n"
        said = member("fetch", "gardeners", "--all")
        assert said.code == 0, said.err
        assert said.out.startswith("gardeners: all archives are imported.\n")
    assert data_of(member).read_bytes() == data_of(owner).read_bytes()
    assert texts_of(member) == texts_of(owner)
    said = owner("fetch", "gardeners", "--latest")
    assert (said.code, "[choice-refused]" in said.err) == (1, True)


def test_a_member_fetches_a_range_of_time(owner: CommandLine, member: CommandLine) -> None:
    line = owner("announcement", "show", "gardeners").out.strip()
    (told,) = json.loads(owner("verify", "gardeners", "--json").out)
    first = datetime.fromtimestamp(told["weeks"][0]["from"], UTC)
    with running(owner):
        said = member(
            "fetch", line, "--name", "gardeners",
            "--since", f"{first:%Y-%m-%d}", "--until", f"{first:%Y-%m-%dT%H:%M:%SZ}",
        )  # fmt: skip
        assert said.code == 0, said.err
    (told,) = json.loads(member("verify", "gardeners", "--json").out)
    assert [week["here"] for week in told["weeks"]] == [1, 0]
    for wrong in (["--all", "--latest"], ["--latest", "--since", "2024-01-01"], ["--since", "x"]):
        assert member("fetch", "gardeners", *wrong).code == 2


def has_said(started: Started, lines: int) -> bool:
    return started.said.count("\n") >= lines or started.process.poll() is not None


def test_a_fetch_that_is_killed_goes_on(owner: CommandLine, member: CommandLine) -> None:
    line = owner("announcement", "show", "gardeners").out.strip()
    with running(owner):
        for lines in (1, 1, 2, 2, 3, 4):
            started = member.start("fetch", line, "--name", "gardeners", "--json")
            eventually(partial(has_said, started, lines))
            started.process.kill()
            started.process.wait()
        said = member("fetch", "gardeners")
    assert said.code == 0, said.err
    assert member("verify", "gardeners").code == 0
    assert texts_of(member) == texts_of(owner)


def test_a_stranger_gets_everything(owner: CommandLine) -> None:
    said = owner("selftest", "gardeners")
    assert (said.code, said.out) == (
        0, f"gardeners: a stranger gets all {MESSAGES:,} archived messages.\n",
    )  # fmt: skip
    with running(owner, "--network", "private", "--listen", "127.0.0.1:0"):
        said = owner("selftest", "gardeners", "--json")
    assert said.err == ""
    assert events_of(said.out)[-1] == {
        "event": "done", "messages": MESSAGES, "fetched": MESSAGES, "missing": 0, "foreign": 0,
    }  # fmt: skip


def test_nobody_is_connected_to_who_does_not_run_or_is_alone(
    owner: CommandLine, member: CommandLine
) -> None:
    said = owner("peers", "gardeners")
    assert (said.out, said.err) == (
        "", "Nobody runs on this data directory, so nobody is connected.\n",
    )  # fmt: skip
    with running(owner):
        assert owner("peers", "gardeners", "--json").out == "[]\n"


def test_a_second_device_with_the_same_key_is_told_of_and_overcome(
    owner: CommandLine, tmp_path: Path
) -> None:
    """The first one stops announcing and says why; taking over, it announces again."""
    key = tmp_path / "gardeners.key"
    assert owner("community", "export-key", "gardeners", "--out", str(key)).code == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with running(owner) as first:
        first.wait_until_it_says("seeding → idle")
        copy = CommandLine(tmp_path / "copy")
        said = copy("community", "import-key", str(key), "--name", "gardeners")
        assert said.out.startswith("gardeners: this device is its control node now.\n")
        with running(copy) as second:
            second.wait_until_it_says("announcing → idle")
            first.wait_until_it_says("link_received")
            (told,) = json.loads(owner("status", "--json").out)
            assert told["condition"] == "another device announces"
            assert not told["is_control_node"]
            said = owner("announce", "gardeners")
            assert (said.code, "[not-control-node]" in said.err) == (1, True)
            said = owner("announce", "gardeners", "--take-over")
            assert said.code == 0, said.err
            (told,) = json.loads(owner("status", "--json").out)
            assert (told["condition"], told["is_control_node"]) == ("", True)
            second.wait_until_it_says("link_received")
            (told,) = json.loads(copy("status", "--json").out)
            assert told["condition"] == "another device announces"


def test_a_bare_magnet_link_is_followed_only_when_told_so(
    owner: CommandLine, member: CommandLine
) -> None:
    """And it stays marked until a signed announcement leads to the same."""
    _, magnet = owner("announce", "gardeners").out.split()[-2:]
    for file in (owner.data_dir.parent / "local-network").glob("messages.*"):
        file.unlink()  # Nobody hears of the signed one.
    with running(owner):
        said = member("fetch", magnet, "--name", "gardeners")
        assert said.code == 2
        assert "--unsigned goes with a magnet link" in said.err
        said = member("fetch", magnet, "--unsigned", "--name", "gardeners")
        assert said.code == 0, said.err
        assert "unsigned" in member("status", "gardeners").out
        line = owner("announcement", "show", "gardeners").out.strip()
        assert member("fetch", line).code == 0
        assert "unsigned" not in member("status", "gardeners").out


def test_keys_can_lie_encrypted(nowhere: CommandLine, tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse\n")
    variable = {"COMMUNITY_ARCHIVES_PASSPHRASE_FILE": str(phrase)}
    assert nowhere("community", "create", "gardeners", **variable).code == 0
    (file,) = (nowhere.data_dir / "keys").iterdir()
    assert file.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    (told,) = json.loads(nowhere("status", "--json", **variable).out)
    assert told["is_control_node"]
    (told,) = json.loads(nowhere("status", "--json").out)
    assert not told["is_control_node"]
    plain = nowhere("community", "export-key", "gardeners", **variable).out
    other = CommandLine(tmp_path / "other")
    said = other("community", "import-key", "-", "--name", "gardeners", stdin=plain)
    assert said.code == 0, said.err
    assert id_of(other) == id_of(nowhere)


def test_a_community_is_removed_once_that_is_confirmed(owner: CommandLine) -> None:
    said = owner("community", "remove", "gardeners", stdin="n\n")
    assert said.code == 1
    assert owner("status").out
    assert owner("community", "remove", "gardeners", "--yes").out == "gardeners: removed.\n"
    assert "No community is known here yet." in owner("status").err
    assert not list((owner.data_dir / "archives").iterdir())
    assert list((owner.data_dir / "keys").iterdir()), "the key stays"


def test_a_window_that_is_not_over_is_named(owner: CommandLine, tmp_path: Path) -> None:
    import time  # noqa: PLC0415

    now = {"id": "new", "channel": "1", "author": "ada", "time": int(time.time() * 1000)}
    path = tmp_path / "now.jsonl"
    path.write_text("\n".join(map(json.dumps, [*islice(made_export(1), 2), now])))
    assert owner("import", "jsonl", str(path), "--community", "gardeners").code == 0
    said = owner("archive", "now", "gardeners")
    assert "Left alone: the window until " in said.err
    assert said.out.startswith("gardeners: nothing new; generation 1.\n")
    said = owner("archive", "now", "gardeners", "--open-window")
    assert said.out.startswith("gardeners: generation 2 is made, seeded and announced.\n")
    assert owner("verify", "gardeners").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "nowhere-to-be-found"], "[community-unknown]"),
        (["fetch", "community-archives:announcement:0x02:zz"], "[announcement-invalid]"),
        (["fetch", "magnet:?xt=urn:btih:zz", "--unsigned"], "[magnet-invalid]"),
        (["join", "0x" + "05" * 33], "[id-malformed]"),
        (["run", "--network", "local", "--peer", "192.0.2.1:1"], "[configuration]"),
        (["run", "--libtorrent", "no_such_setting=1"], "[configuration]"),
        (["run", "--listen", "high"], "[settings-invalid] listen: it is a port"),
        (["community", "import-key", "/nonexistent"], "[key-file]"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    nowhere: CommandLine, arguments: list[str], words: str
) -> None:
    said = nowhere(*arguments)
    assert said.code == 1
    assert said.err.startswith(words), said.err
    assert said.err.count("\n") == 1


def test_a_name_that_is_taken_leaves_no_second_key(nowhere: CommandLine) -> None:
    assert nowhere("community", "create", "gardeners").code == 0
    said = nowhere("community", "create", "gardeners")
    assert (said.code, said.err.startswith("[name-taken]")) == (1, True)
    assert len(list((nowhere.data_dir / "keys").glob("*.key"))) == 1
    assert stat.S_IMODE(nowhere.data_dir.stat().st_mode) == 0o700


def test_a_line_is_joined_though_nobody_runs_and_a_forged_one_is_refused(
    owner: CommandLine, member: CommandLine
) -> None:
    line = owner("announcement", "show", "gardeners").out.strip()
    assert member("join", line, "--name", "gardeners").code == 0
    (told,) = json.loads(member("status", "--json").out)
    assert told["refusals"] == {}
    other = CommandLine(owner.data_dir.parent / "other")
    assert other("community", "create", "chess").code == 0
    head, _, message = line.rpartition(":")
    forged = f"{head.rpartition(':')[0]}:{id_of(other)}:{message}"
    said = member("join", forged)
    assert (said.code, said.err.startswith("[link-refused]")) == (1, True), said.err


def test_archives_are_adopted_and_nothing_else_is_done_meanwhile(
    owner: CommandLine, tmp_path: Path
) -> None:
    """What is the adopter's own is neither seeded nor announced by the way."""
    mine = CommandLine(tmp_path / "mine")
    assert mine("community", "create", "chess").code == 0
    export = export_of(1, tmp_path)
    assert mine("import", "jsonl", str(export), "--community", "chess").code == 0
    assert mine("archive", "now", "chess").code == 0
    before = mine("announcement", "show", "chess").out
    said = mine("adopt", str(data_of(owner).parent), "--community", id_of(owner))
    assert said.code == 0, said.err
    assert mine("announcement", "show", "chess").out == before
    steps = json.loads(mine("history", "chess", "--limit", "100", "--json").out)
    assert [step["target"] for step in steps].count("announcing") == 1
