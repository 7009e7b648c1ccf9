"""``import``: chats from elsewhere, as a person brings them in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.chat.sample_exports import CHANNEL, export, message
from tests.faces.command_line import COMMAND, CommandLine, Started, environment
from tests.faces.in_process import InProcess
from workflow.cli.app import app

REAL = Path(__file__).parents[3] / "shared" / "data" / "discord"


def talk(folder: Path, name: str = "talk", count: int = 3, **channel: Any) -> Path:
    """A small export of one channel."""
    folder.mkdir(exist_ok=True)
    said = [
        message(id=str(n), content=f"{name} {n}", timestamp=f"2022-07-{n:02}T09:00:00.5+00:00")
        for n in range(1, count + 1)
    ]
    path = folder / f"{name}.json"
    path.write_text(json.dumps(export(*said, channel={**CHANNEL, "name": name, **channel})))
    return path


def cut(path: Path) -> Path:
    """The same export as if its writer had died in the middle of the last message."""
    path.write_bytes(path.read_bytes()[:-150])
    return path


def stored(command: CommandLine, community: str) -> int:
    (told,) = json.loads(command("verify", community, "--json").out)
    return sum(cell["stored"] for cell in told["channels"])


def test_an_export_becomes_a_new_community(nowhere: CommandLine, tmp_path: Path) -> None:
    said = nowhere("import", "discord", str(talk(tmp_path / "x")), "--create", "chess")
    assert said.code == 0
    assert said.out.splitlines() == [
        "chess: 3 messages were imported.",
        "  weeks      1, 2022-07-01 to 2022-07-08",
        "  size       0.0 MB, as archives hold them",
        "  channels   1",
        "    3  talk",
    ]
    assert said.err.startswith("'run' makes archives of weeks that are over, in an hour;")
    assert stored(nowhere, "chess") == 3
    (told,) = json.loads(nowhere("status", "--json").out)
    assert (told["state"], told["guards"]["is_meant_to_be_on"]) == ("idle", True)


def test_importing_again_and_overlapping_files_store_nothing_twice(
    nowhere: CommandLine, tmp_path: Path
) -> None:
    talk(tmp_path / "x")
    shutil.copy(tmp_path / "x" / "talk.json", tmp_path / "x" / "again.json")
    said = nowhere("import", "discord", str(tmp_path / "x"), "--create", "chess")
    assert "  doubled    3 came more than once" in said.out
    said = nowhere("import", "discord", str(tmp_path / "x"), "--community", "chess")
    assert said.out.splitlines()[0] == "chess: 0 messages were imported."
    assert "  known      3 were here already" in said.out
    assert stored(nowhere, "chess") == 3


@pytest.mark.parametrize("into", ["--create", "--community"])
def test_a_rehearsal_tells_the_same_and_changes_nothing(
    garden: CommandLine, tmp_path: Path, into: str
) -> None:
    path = talk(tmp_path / "x")
    name = "gardeners" if into == "--community" else "chess"
    before = stored(garden, "gardeners")
    rehearsed = garden("import", "discord", str(path), into, name, "--dry-run", "--json")
    assert stored(garden, "gardeners") == before
    assert garden("status", "chess").code == 1
    done = garden("import", "discord", str(path), into, name, "--json")
    assert {**json.loads(rehearsed.out)} == json.loads(done.out)
    again = garden("import", "discord", str(path), "--community", name, "--dry-run")
    assert f"{name}: 0 messages would be imported." in again.out


def test_a_rehearsal_where_nothing_is_leaves_nothing(nowhere: CommandLine, tmp_path: Path) -> None:
    said = nowhere("import", "discord", str(talk(tmp_path / "x")), "--create", "c", "--dry-run")
    assert (said.code, said.out.splitlines()[0]) == (0, "c: 3 messages would be imported.")
    assert not nowhere.data_dir.exists()


def test_of_a_cut_export_whole_messages_are_taken_and_the_cut_is_told(
    nowhere: CommandLine, tmp_path: Path
) -> None:
    path = cut(talk(tmp_path / "x"))
    said = nowhere("import", "discord", str(path), "--create", "chess")
    assert said.code == 4
    assert said.out.startswith("chess: 2 messages were imported.\n")
    assert f"  ! {path}, 3: the export is cut off or damaged here" in said.err


def test_strict_imports_all_or_nothing(nowhere: CommandLine, tmp_path: Path) -> None:
    talk(tmp_path / "x", "good")
    cut(talk(tmp_path / "x", "bad"))
    said = nowhere("import", "discord", str(tmp_path / "x"), "--create", "chess", "--strict")
    assert said.code == 1
    assert "[export-invalid] not all of it can be imported: nothing was." in said.err
    assert not nowhere.data_dir.exists()


def test_strict_also_refuses_what_is_read_and_fits_nowhere(
    nowhere: CommandLine, tmp_path: Path
) -> None:
    lines = tmp_path / "messages.jsonl"
    good = {"id": "1", "channel": "7", "time": 1656667200123, "text": "hi"}
    heavy = {**good, "id": "2", "text": "x" * 30_500_000}
    lines.write_text(f"{json.dumps(good)}\n{json.dumps(heavy)}\n")
    said = nowhere("import", "jsonl", str(lines), "--create", "chess", "--strict")
    assert said.code == 1
    assert "[export-invalid] not all of it can be imported: nothing was." in said.err
    assert not nowhere.data_dir.exists()


def test_channels_of_one_name_are_told_apart(nowhere: CommandLine, tmp_path: Path) -> None:
    talk(tmp_path / "a", "talk", id="8")
    talk(tmp_path / "b", "talk", id="9", count=2)
    nowhere("import", "discord", str(tmp_path / "a"), "--create", "chess")
    said = nowhere("import", "discord", str(tmp_path / "b"), "--community", "chess")
    assert "  renamed    talk (9) is called talk-2" in said.out


def test_lines_are_imported_from_a_file_and_from_a_pipe(
    nowhere: CommandLine, tmp_path: Path
) -> None:
    lines = tmp_path / "messages.jsonl"
    said = [
        {"id": "1", "channel": "7", "time": "2022-07-01T09:00:00Z", "author": "bob", "text": "hi"},
        {"id": "2", "channel": "7", "time": 1656667200123, "reply_to": "1"},
    ]
    lines.write_text("".join(json.dumps(line) + "\n" for line in said) + "not a line\n")
    told = nowhere("import", "jsonl", str(lines), "--create", "chess")
    assert told.code == 4
    assert told.out.startswith("chess: 2 messages were imported.\n")
    assert f"  ! {lines}, 3: the line cannot be read" in told.err
    piped = subprocess.run(
        [*COMMAND, "import", "jsonl", "-", "--community", "chess"],
        env=environment(COMMUNITY_ARCHIVES_DATA_DIR=str(nowhere.data_dir)),
        input=lines.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert b"known      2 were here already" in piped.stdout


def test_what_is_piped_can_be_rehearsed_and_is_read_once(tmp_path: Path) -> None:
    line = json.dumps({"id": "1", "channel": "7", "time": "2022-07-01T09:00:00Z", "text": "hi"})
    data, pipe = tmp_path / "data", tmp_path / "pipe"
    arguments = ["--create", "chess", "--data-dir", str(data)]

    def said(path: str, *more: str) -> Result:
        return CliRunner().invoke(app, ["import", "jsonl", path, *arguments, *more], input=line)

    assert said("-", "--dry-run").stdout.startswith("chess: 1 messages would be imported.\n")
    assert (said("-", "--strict").exit_code, data.exists()) == (2, False)
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_text, args=(line + "\nnot a line\n",))
    writing.start()
    done = said(str(pipe))
    writing.join()
    assert done.stdout.startswith("chess: 1 messages were imported.\n")
    assert f"  ! {pipe}, 2: the line cannot be read" in done.stderr
    assert {one.name for one in data.iterdir()} >= {"journal.sqlite3", "keys"}
    assert not list(data.glob("piped-*"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--create", "a", "--community", "b"], 2, "either --community or --create"),
        ([], 2, "either --community or --create"),
        (["--community", "nobody"], 1, "[community-unknown]"),
    ],
)
def test_it_must_be_clear_where_it_goes(
    garden: CommandLine, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    said = garden("import", "discord", str(talk(tmp_path / "x")), *arguments)
    assert said.code == code
    assert says in " ".join(said.err.split())


def test_without_the_key_nothing_is_imported(garden: CommandLine, tmp_path: Path) -> None:
    shutil.rmtree(garden.data_dir / "keys")
    said = garden("import", "discord", str(talk(tmp_path / "x")), "--community", "gardeners")
    assert said.code == 1
    assert said.err.startswith("[not-control-node] ")


def test_all_is_imported_beside_run_as_well(
    garden: CommandLine, tmp_path: Path, running: Started
) -> None:
    path = str(cut(talk(tmp_path / "x")))
    rehearsed = garden("import", "discord", path, "--community", "gardeners", "--dry-run", "--json")
    said = garden("import", "discord", path, "--community", "gardeners", "--json")
    assert (rehearsed.code, said.code) == (4, 4)
    assert json.loads(said.out) == json.loads(rehearsed.out)
    assert json.loads(said.out)["new"] == 2
    line = json.dumps({"id": "9", "channel": "7", "time": 1656667200123, "text": "hi"})
    said = garden("import", "jsonl", "-", "--create", "chess", stdin=f"{line}\nnot a line\n")
    assert said.code == 4
    assert said.out.startswith("chess: 1 messages were imported.\n")
    assert "  ! stdin, 2: the line cannot be read" in said.err
    assert "  community-archives community export-key chess --out chess.key\n" in said.err
    assert not list(garden.data_dir.glob("piped-*"))
    assert running.process.poll() is None
    assert (stored(garden, "gardeners"), stored(garden, "chess")) == (24 + 2, 1)


def test_ratchet_keys_are_imported_and_never_shown(garden: CommandLine, tmp_path: Path) -> None:
    (told,) = json.loads(garden("status", "--json").out)
    secret, keys = "5e" * 32, tmp_path / "keys.txt"
    keys.write_text(f"# of 2024\n{secret} 1704067200010 {told['id']}\n")
    said = garden("import", "ratchet-keys", str(keys), "--encrypt")
    assert said.code == 0
    assert said.out.startswith("gardeners: key ")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_text, args=("no key\n",))
    writing.start()
    piped = InProcess(garden.data_dir)("import", "ratchet-keys", str(pipe))
    writing.join()
    assert f"line 1 is not a key ({pipe})" in " ".join(piped.err.split())
    assert not list(garden.data_dir.glob("piped-*"))
    keys.write_text(f"{secret} 1704067200010 0x02{'ab' * 32}\n")
    unknown = garden("import", "ratchet-keys", str(keys))
    assert (unknown.code, unknown.err.split()[0]) == (1, "[community-unknown]")
    keys.write_text(f"{secret} yesterday\n")
    bad = garden("import", "ratchet-keys", str(keys))
    assert (bad.code, bad.err.split()[0]) == (1, "[key-file]")
    assert "line 1" in bad.err
    assert all(secret not in one.out + one.err for one in (said, unknown, bad))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real exports in ../shared/data are not here")
def test_real_exports_are_imported(nowhere: CommandLine) -> None:
    said = nowhere("import", "discord", str(REAL / "cre8r-dao"), "--create", "cre8r", "--json")
    told = json.loads(said.out)
    assert (said.code, told["new"], len(told["channels"])) == (4, 367, 3)
    said = nowhere(
        "import", "discord", str(REAL / "offset-0900-overlapping"), "--create", "stocks", "--json"
    )
    told = json.loads(said.out)
    assert (told["new"], told["doubled"]) == (10, 4)
    assert told["new"] + told["doubled"] == 14
