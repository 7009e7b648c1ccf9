from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Exit
from typer.testing import CliRunner

from tests.faces.chatter import (
    GENERAL,
    HOSTILE,
    ID,
    MEMBER_ID,
    MONDAY,
    NEWEST,
    POSTS,
    SEEDS,
    WEEK,
    node_in,
    plant,
)
from tests.faces.chatter import said as member_said
from tests.faces.command_line import COMMAND, PATIENCE, ROOT, CommandLine, environment
from workflow.adapters.clock.manual import ManualClock
from workflow.chat.jsonl import Line, read_lines
from workflow.chat.post import Channel, Post
from workflow.cli.app import app
from workflow.cli.place import view_of
from workflow.cli.reading import say_what_is_missing

ASKED = "and tomatoes? (edited)"
LIKED = f"(reacts to Mia: {'a' * 40}…) 👍"


@pytest.fixture(scope="session")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("chatting") / "data"
    plant(directory)
    return directory


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("locked") / "data"
    plant(directory, is_encrypted=True)
    return directory


@pytest.fixture
def chat(chatting: Path) -> CommandLine:
    """Everything here only reads."""
    return CommandLine(chatting)


@pytest.fixture
def archives(chatting: Path) -> str:
    return str(chatting / "archives" / ID)


def texts(said: str) -> list[str]:
    """What stands behind time, channel and author."""
    return [re.split("  +", line, maxsplit=3)[3] for line in said.splitlines() if line[0] == "2"]


def told(out: str) -> tuple[list[Channel], list[Line]]:
    found = list(read_lines(io.BytesIO(out.encode()), "out"))
    channels = [one for one in found if isinstance(one, Channel)]
    lines = [one for one in found if isinstance(one, Line)]
    assert len(channels) + len(lines) == len(found)
    return channels, lines


def test_each_message_is_a_line_in_columns(chat: CommandLine) -> None:
    said = chat("messages", "gardeners")
    assert said.code == 0
    assert said.out.splitlines()[:7] == [
        "2024-01-01 09:00:00  #general          Ann               Good morning",
        "                                                         to all",
        "2024-01-01 10:00:00  #general          bob               the earlier one",
        "2024-01-01 10:00:00  #general          bob               the later one",
        f"2024-01-01 11:00:00  #general          Mia               {'a' * 60}!",
        f"2024-01-01 14:00:00  #general          {MEMBER_ID[:15]}…  {LIKED}",
        f"2024-01-02 00:00:00  #seeds <&> bulbs  bob               (to Ann: Good morning) {ASKED}",
    ]
    assert said.out.splitlines()[7].endswith("  #seeds <&> bulbs  Ann               "
                                             "[bed.png, 1.0 kB]")  # fmt: skip
    assert said.out.endswith("  Mia               is it spring?\n")
    assert said.err == "2 messages cannot be shown: 1 encrypted, 1 of another community.\n"


def test_nothing_that_a_terminal_obeys_is_shown(chat: CommandLine) -> None:
    said = chat("messages", "gardeners", "--author", "eve")
    assert said.out == (
        "2024-01-10 00:00:00  #seeds <&> bulbs  eve\ufffd]0;title\ufffd\ufffd  "
        "red \ufffd[31m bell \ufffd \ufffdturned\ufffd <script>alert('x')</script> https://a.b\n"
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--tail", "1"], ["is it spring?"]),
        (["--tail", "2", "--until", "2024-01-01T10:00:00Z"], ["the earlier one", "the later one"]),
        (["--limit", "1"], ["Good morning"]),
        (["--since", "2024-03-25"], ["is it spring?"]),
        (["--since", "2024-01-09", "--until", "2024-01-09"], ["[bed.png, 1.0 kB]"]),
        (["--since", "2024-01-08T23:00:00-01:00", "--limit", "1"], ["[bed.png, 1.0 kB]"]),
        (["--until", "2023-12-31"], []),
        (["--author", "ANN", "--limit", "1"], ["Good morning"]),
        (["--author", MEMBER_ID.upper()[2:20], "--tail", "1"], ["is it spring?"]),
        (["--channel", "#General", "--tail", "1"], ["is it spring?"]),
        (["--channel", "22222222", "--limit", "1"], [f"(to an earlier message) {ASKED}"]),
        (["--channel", SEEDS[:80], "--since", "2024-01-09", "--limit", "1"], ["[bed.png, 1.0 kB]"]),
        (["--channel", "quiet"], []),
        (["--channel", "0ff", "--limit", "1"], []),
        (["--channel", "quiet", "--channel", "general", "--limit", "1"], ["Good morning"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_was_asked_for_is_shown(
    chatting: Path, arguments: list[str], found: list[str]
) -> None:
    said = CliRunner().invoke(
        app, ["messages", "gardeners", "--data-dir", str(chatting), *arguments]
    )
    assert (said.exit_code, texts(said.stdout)) == (0, found)
    assert found or re.match("No message matches|There are no messages here", said.stderr)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^TO ALL$", ["Good morning"]),
        (r"bed\.png", ["[bed.png, 1.0 kB]"]),
        ("the (earlier|later) one", ["the earlier one", "the later one"]),
    ],
)
def test_expressions_are_looked_for_in_texts_and_names_of_files(
    chat: CommandLine, pattern: str, found: list[str]
) -> None:
    assert texts(chat("messages", "gardeners", "--grep", pattern).out) == found


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--since", "yesterday"], 2, "'yesterday' is neither a day"),
        (["--until", "2024-01-01T10:00"], 2, "nor a moment"),
        (["--since", "2024-02-01", "--until", "2024-01-01"], 2, "--until is before --since"),
        (["--grep", "(open"], 2, "no regular expression"),
        (["--grep", "(a+)+$"], 2, "took longer than 1 second"),
        (["--limit", "0"], 2, "Invalid value for '--limit'"),
        (["--limit", "1", "--tail", "1"], 2, "either --limit or --tail"),
        (["--channel", "#"], 2, "a channel has a name"),
        (["--channel", "genral"], 1, "such as 'general'."),
        (["--ratchet-key", "keys.txt"], 2, "keys are in the data directory"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(
    chat: CommandLine, arguments: list[str], code: int, words: str
) -> None:
    said = chat("messages", "gardeners", *arguments)
    assert (said.code, texts(said.out)) == (code, [])
    assert words in " ".join(said.err.split())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nobody", "[community-unknown]"),
        ("./nothing", "[archives-not-found]"),
        ("nothing.torrent", "[archives-not-found]"),
        ("a" * 300, "[community-unknown]"),
        ("./" + "a" * 300, "[archives-not-found] they cannot be read"),
        ("/", "[archives-not-found]"),
    ],
)
def test_a_source_that_is_not_there(chat: CommandLine, source: str, words: str) -> None:
    said = chat("messages", source)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(words)


def test_lines_for_programs_hold_everything(chat: CommandLine) -> None:
    said = chat("messages", "gardeners", "--json")
    channels, lines = told(said.out)
    assert [one.name for one in channels] == ["general", "seeds <&> bulbs"]
    assert json.loads(said.out.splitlines()[0])["channel"]["id"] == GENERAL
    posts = {one.post.id: one for one in lines if one.post is not None}
    assert len(posts) == len(lines) == 9
    assert lines[-1].message == NEWEST
    assert [one.text for one in POSTS if posts[one.id].post.text != one.text] == []  # type: ignore[union-attr]
    assert HOSTILE in [one.post.text for one in lines if isinstance(one.post, Post)]


def test_archives_that_lie_anywhere_say_the_same(chatting: Path, archives: str) -> None:
    def shown(*arguments: str) -> str:
        said = CliRunner().invoke(app, ["messages", *arguments, "--data-dir", str(chatting)])
        assert said.exit_code == 0
        return said.stdout

    stored = told(shown("gardeners", "--json", "--until", "2024-01-31"))[1]
    folder = Path(archives)
    for path in (folder, folder / "1", folder / "1" / "1.torrent", folder / "1" / "index.1"):
        left = told(shown(str(path), "--json"))[1]
        assert [one for one in left if one in stored] == stored
        assert [one.post.text for one in left if one.post and one not in stored] == [
            "a word from elsewhere"  # a bare folder does not say whose it is
        ]
    assert "#22222222  Ann" in shown(archives, "--tail", "2", "--channel", "22222222")


def test_a_folder_needs_no_data_directory(nowhere: CommandLine, chatting: Path) -> None:
    here = CommandLine(nowhere.data_dir)
    assert texts(here("messages", str(chatting / "archives" / ID), "--limit", "1").out) == [
        "Good morning"
    ]
    assert here("messages", "gardeners").err.startswith("[journal-missing]")
    said = here("messages", str(chatting / "archives" / ID), "--confirmed")
    assert said.code == 2


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_name_that_is_no_community_may_be_a_file(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    shutil.copytree(chatting / "archives" / ID, tmp_path / "rescued")
    monkeypatch.chdir(tmp_path)
    data_dir = chatting if is_kept else tmp_path / "nothing"
    arguments = ["messages", "rescued", "--limit", "1", "--data-dir", str(data_dir)]
    said = CliRunner().invoke(app, arguments)
    assert (said.exit_code, texts(said.stdout)) == (0, ["Good morning"])


def test_an_archive_that_cannot_be_read_is_named_and_the_others_are_shown(
    chat: CommandLine, archives: str, tmp_path: Path
) -> None:
    shutil.copytree(archives, tmp_path / "left")
    with (tmp_path / "left" / "1" / "data").open("r+b") as data:
        data.seek(20)
        data.write(b"\xff" * 20)
    said = chat("messages", str(tmp_path / "left"), "--tail", "9")
    assert said.code == 4
    assert said.err.count("  ! ") == 1, "however often it was tried"
    assert texts(said.out)[0] == "[bed.png, 1.0 kB]"
    assert re.search(r"\n?  ! archive 0x[0-9a-f]{64}: ", said.err)


def test_of_many_problems_the_first_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        say_what_is_missing({}, [f"archive {n}" for n in range(12)])
    assert capsys.readouterr().err.splitlines()[8:] == [
        "  ! archive 8",
        "  ! archive 9",
        "  ! and 2 more",
    ]


def test_encrypted_archives_are_read_with_their_key(locked: Path, tmp_path: Path) -> None:
    here = CommandLine(locked)
    folder = str(locked / "archives" / ID)
    assert here("messages", folder).err.startswith("[ratchet-key-missing]")
    view = view_of(locked)
    with view.journal as journal:
        (key,) = journal.run(lambda tx: view.tools.store.ratchet_keys(tx, ID))
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{key.key.hex()} {key.timestamp_ms} {ID}\n")
    shown = here("messages", folder, "--ratchet-key", str(keys), "--limit", "1")
    assert texts(shown.out) == ["Good morning"]
    assert texts(here("messages", "gardeners", "--limit", "1").out) == ["Good morning"]


def test_it_reads_while_another_process_holds_the_directory(chatting: Path, tmp_path: Path) -> None:
    shutil.copytree(chatting, tmp_path / "data")
    here = CommandLine(tmp_path / "data")
    running = here.start("run")
    try:
        running.wait_until_it_says("Running on")
        assert texts(here("messages", "gardeners", "--tail", "1").out) == ["is it spring?"]
    finally:
        running.process.kill()
        running.process.wait()


def test_a_member_can_leave_out_what_no_archive_holds(chatting: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(chatting, directory)

    async def add() -> None:
        node = node_in(directory, ManualClock(MONDAY + 12 * WEEK))
        await node.add_messages(ID, [member_said("smuggled in", MONDAY + 12 * 3600)])
        await node.stop()

    asyncio.run(add())
    here = CommandLine(directory)
    assert "smuggled in" in texts(here("messages", "gardeners", "--confirmed").out)
    for key in (directory / "keys").iterdir():
        key.unlink()
    confirmed = texts(here("messages", "gardeners", "--confirmed").out)
    assert [one for one in texts(here("messages", "gardeners").out) if one not in confirmed] == [
        "smuggled in"
    ]
    assert confirmed[-1] == "is it spring?", "no archive covers its week"


def test_who_stops_reading_hears_no_complaint(chat: CommandLine) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m workflow messages gardeners --json | true"],
        env=environment(COMMUNITY_ARCHIVES_DATA_DIR=str(chat.data_dir)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(
    chat: CommandLine, variables: dict[str, str], is_coloured: bool
) -> None:
    mine, theirs = pty.openpty()
    kept = {"COMMUNITY_ARCHIVES_DATA_DIR": str(chat.data_dir), "TERM": "xterm", **variables}
    process = subprocess.Popen(
        [*COMMAND, "messages", "gardeners", "--author", "eve"],
        env=environment(**kept),
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    _, err = process.communicate(timeout=PATIENCE)
    with os.fdopen(mine, "rb", buffering=0) as terminal:
        shown = terminal.read(4096).decode()
    assert (process.returncode, err) != (1, b"")
    assert ("\x1b[2m2024-01-10 00:00:00\x1b[0m" in shown) is is_coloured
    assert set(re.findall("\x1b.{4}", shown)) <= {"\x1b[2m2", "\x1b[36m", "\x1b[1me", "\x1b[0m "}
