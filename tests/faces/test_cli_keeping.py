"""Keys that are saved, backups, and the page that tells how to look after the data."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from states import CommunityArchivesError
from tests.faces.command_line import ROOT, CommandLine, Started
from workflow.cli.app import app
from workflow.cli.place import key_store

PAGE = (ROOT / "docs" / "operating-data.md").read_text()
UNSAVED = (
    "chess: its private key exists only here. Save it before anything else:\n"
    "  community-archives community export-key chess --out chess.key\n"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to work in, with a data directory that is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMUNITY_ARCHIVES_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COMMUNITY_ARCHIVES_MEETING", str(tmp_path / "local-network"))
    monkeypatch.setenv("COMMUNITY_ARCHIVES_SETTLE", "0.2")
    return tmp_path


@pytest.fixture
def planted_here(here: Path, planted: Path) -> Path:
    shutil.copytree(planted, here / "data")
    return here


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def done(*arguments: str) -> Result:
    said = ran(*arguments)
    assert said.exit_code == 0, (arguments, said.output, said.exception)
    return said


# ------------------------------------------------------------------------------------------- keys


def test_a_key_is_told_of_until_it_is_saved(here: Path) -> None:
    assert done("community", "create", "chess").stderr == UNSAVED
    assert UNSAVED in done("status").stderr
    assert UNSAVED in done("status", "chess").stderr
    assert UNSAVED in done("why", "chess").stderr
    (told,) = json.loads(done("status", "--json").stdout)
    assert told["is_key_saved"] is False
    assert json.loads(done("why", "chess", "--json").stdout)["is_key_saved"] is False
    done("community", "export-key", "chess", "--out", "chess.key")
    assert UNSAVED not in done("status").stderr
    assert UNSAVED not in done("why", "chess").stderr
    (told,) = json.loads(done("status", "--json").stdout)
    assert told["is_key_saved"] is True
    other = str(here / "other")
    done("community", "import-key", "chess.key", "--name", "chess", "--data-dir", other)
    (told,) = json.loads(done("status", "--json", "--data-dir", other).stdout)
    assert (told["is_control_node"], told["is_key_saved"]) == (True, True)


def test_a_name_that_a_shell_would_take_apart_is_quoted(here: Path) -> None:
    assert here.exists()
    said = done("community", "create", "our garden").stderr
    assert "export-key 'our garden' --out 'our garden.key'\n" in said


def test_a_backup_with_keys_saves_them(here: Path) -> None:
    done("community", "create", "chess")
    said = done("backup", "b")
    assert "The private keys are NOT in it." in said.stderr
    assert UNSAVED in done("status").stderr
    said = done("backup", "b", "--with-keys")
    assert (said.stderr, "  chess: 0 archives, generation 0, with its key\n" in said.stdout) == (
        "", True,
    )  # fmt: skip
    assert UNSAVED not in done("status").stderr
    (key,) = (here / "b" / "keys").iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (here / "b" / "keys").stat().st_mode & 0o777 == 0o700
    assert done("backup", "b").stderr == "", "once they are in it, they stay"
    assert key.read_text() == (here / "data" / "keys" / key.name).read_text()
    done("restore", "b", "--data-dir", "new")
    (known,) = key_store(here / "new").public_keys()
    assert key_store(here / "new").holds(known)


# ----------------------------------------------------------------------------------------- backup


def test_what_is_told_of_a_backup_and_of_what_is_restored(planted_here: Path) -> None:
    told = json.loads(done("backup", "b", "--json").stdout)
    (known,) = told["communities"]
    assert (known["name"], known["archives"], known["has_key"]) == ("gardeners", 1, False)
    assert (told["has_keys"], told["problems"], told["new"]) == (False, [], told["bytes"])
    again = json.loads(ran("backup", "b", "--json").stdout)
    assert again["new"] < again["bytes"]
    said = done("restore", "b", "--data-dir", "new")
    assert "  gardeners: 1 archive, generation 1\n" in said.stdout
    assert "The private keys were not in the backup" in said.stderr
    hint = "  community-archives announce gardeners --take-over"
    assert f"{hint} --data-dir new\n" in said.stderr
    usual = CliRunner().invoke(
        app, ["restore", "b"], env={"COMMUNITY_ARCHIVES_DATA_DIR": str(planted_here / "usual")}
    )
    assert f"{hint}\n" in usual.stderr
    told = json.loads(done("restore", "b", "--data-dir", "newer", "--json").stdout)
    assert told["to_take_over"] == ["gardeners"]
    said = done("status", "gardeners", "--data-dir", "new")
    assert "condition  restored from a backup" in said.stdout
    with pytest.raises(CommunityArchivesError, match="restored into an empty place"):
        raise ran("restore", "b", "--data-dir", "new").exception or AssertionError
    assert planted_here.exists()


def test_damage_that_was_there_before_is_told(planted_here: Path) -> None:
    (data,) = (planted_here / "data" / "archives").rglob("data")
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    said = ran("backup", "b")
    assert (said.exit_code, "  ! " in said.stderr, "info-hash" in said.stderr) == (4, True, True)
    said = done("restore", "b", "--data-dir", "new")
    assert "! damaged before it was backed up:" in " ".join(said.stderr.split())


def test_a_process_that_runs_is_backed_up_and_lives_on(
    garden: CommandLine, running: Started, tmp_path: Path
) -> None:
    said = garden("backup", str(tmp_path / "b"), "--with-keys")
    assert (said.code, said.err) == (0, "")
    assert running.process.poll() is None
    copy = CommandLine(tmp_path / "copy")
    assert copy("restore", str(tmp_path / "b")).code == 0
    assert json.loads(copy("verify", "--json").out)[0]["is_complete"] is True


# ----------------------------------------------------------------------------------------- the page


def steps() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_page_does_what_it_says(planted_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line in this process; what a shell would do but run the command is done here."""
    seen: dict[str, Any] = {}
    for line in steps():
        program, *arguments = shlex.split(line)
        if program == "rm":
            assert arguments[0] == "-r"
            for folder in arguments[1:]:
                shutil.rmtree(planted_here / folder)
            continue
        assert program == "community-archives"
        # Another server is another local network.
        where = arguments[arguments.index("--data-dir") + 1] if "--data-dir" in arguments else ""
        monkeypatch.setenv("COMMUNITY_ARCHIVES_MEETING", str(planted_here / "near" / where))
        seen[line] = done(*arguments)
        if "restore " in line:
            restored = seen[line].stderr
            assert "community-archives announce gardeners --take-over" in restored
    status = seen["community-archives status --data-dir restored/"]
    assert "restored from a backup" in status.stdout
    assert "fetching" in status.stdout  # It is a member now, on a member's path.
    assert [line for line in seen if "--take-over" in line]
    assert json.loads(done("status", "--json").stdout) == []
    assert {one.name for one in planted_here.iterdir()} >= {"backup", "data", "gardeners.key"}
    assert not (planted_here / "restored").exists()
