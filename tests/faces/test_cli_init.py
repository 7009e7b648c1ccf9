"""``init``: from nothing to a node, with a person at the terminal and without."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faces.command_line import PATIENCE, environment
from tests.faces.person import Person, person, write
from workflow.errors import ConfigurationError, DataDirectoryError, SettingsInvalidError

__all__ = ["person"]


def dialog(home: Path, arguments: list[str], answers: list[str]) -> tuple[str, int]:
    """Type ``answers`` at a terminal, each when a question stands there; what stands there then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow", *arguments],
        env=environment(HOME=str(home), TERM="xterm"),
        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    screen, waiting = b"", list(answers)
    give_up_at = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < give_up_at:
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    screen += os.read(ours, 65_536)
                except OSError:  # The other end is closed.
                    break
            elif waiting and screen.endswith(b": "):
                os.write(ours, f"{waiting.pop(0)}\n".encode())
    finally:
        os.close(ours)
        with suppress(ProcessLookupError):
            process.kill() if time.monotonic() >= give_up_at else None
        code = process.wait(PATIENCE)
    assert not waiting, screen.decode()
    return screen.decode().replace("\r\n", "\n"), code


def test_a_person_answers_a_few_questions(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    screen, code = dialog(
        tmp_path / "home",
        ["init"],
        ["here", str(kept), "x", "priv", "nonsense", "192.0.2.1:7 udp://t.example:1/x",
         "99999", "7000", "own", "", "gardeners"],
    )  # fmt: skip
    assert code == 0, screen
    assert tomllib.loads((kept / "settings.toml").read_text("utf-8")) == {
        "network": "private",
        "trackers": ["udp://t.example:1/x"],
        "peers": ["192.0.2.1:7"],
        "listen": "7000",
    }
    assert screen.count("Error: ") == 5, "each wrong answer is told of and asked again"
    assert f"  $ export COMMUNITY_ARCHIVES_DATA_DIR={kept}\n" in screen
    assert "export-key gardeners --out gardeners.key\n" in screen
    assert "  * let port 7000 through your firewall, TCP and UDP\n" in screen
    assert "  $ community-archives doctor\n" in screen
    assert "\x1b" not in screen, "no meaning in colour, and no colour"
    long = ("Everything is kept", str(kept), "Its trackers", "0x")  # What is typed, and ids.
    assert all(
        len(line) <= 80 for line in screen.splitlines() if not any(one in line for one in long)
    )


def test_flags_say_everything_where_nobody_can_be_asked(person: Person) -> None:
    told = person("init", "--network", "public", "--own", "gardeners")
    assert told.code == 0, told.error
    assert tomllib.loads((person.data_dir / "settings.toml").read_text("utf-8")) == {
        "network": "public",
        "listen": "6881",
    }
    assert (person.data_dir / "settings.toml").stat().st_mode & 0o777 == 0o600
    assert told.out.startswith("gardeners: created.\n  id     0x0")
    assert "export COMMUNITY_ARCHIVES_DATA_DIR" not in told.out, "every command finds this one"
    assert all(len(line) <= 80 for line in told.out.splitlines())
    assert "gardeners" in person("status").out


def test_yes_takes_the_defaults(person: Person, tmp_path: Path) -> None:
    told = person("init", "--yes", "--data-dir", str(tmp_path / "kept"))
    assert told.code == 0, told.error
    assert (tmp_path / "kept" / "settings.toml").read_text("utf-8").endswith('network = "local"\n')
    assert "community create NAME\n" in told.out
    assert "firewall" not in told.out


def test_without_a_terminal_what_is_lacking_is_named(person: Person) -> None:
    told = person("init", "--own", "gardeners")
    assert told.code == 2
    assert "nobody can be asked here: give --network, or --yes" in told.err
    assert not person.data_dir.exists()
    assert person("init", "--own", "a", "--follow", "b").code == 2


def test_a_member_follows_an_id(person: Person) -> None:
    assert person("init", "--yes", "--own", "gardeners", "--data-dir", str(person.etc)).code == 0
    id = person("community", "create", "chess").out.split()[-1]
    told = person("init", "--yes", "--follow", id, "--name", "chess", "--data-dir",
                  str(person.home / "member"))  # fmt: skip
    assert told.out.startswith("chess: joined.\n")
    assert "chess" in person("status", "--data-dir", str(person.home / "member")).out


def test_settings_that_are_there_are_kept(person: Person) -> None:
    path = write(person.data_dir / "settings.toml", "# mine\nlisten = 7000\nnetwork = 'public'\n")
    told = person("init", "--yes")
    assert told.code == 0
    assert "are kept" in told.err
    assert "let port 7000 through" in told.out
    told = person("init", "--network", "local", "--yes")
    assert isinstance(told.error, SettingsInvalidError)
    assert "there are settings already, and nothing was changed" in str(told.error)
    assert path.read_text("utf-8") == "# mine\nlisten = 7000\nnetwork = 'public'\n"


def test_a_person_may_write_new_settings(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    write(kept / "settings.toml", "# mine\n")
    screen, code = dialog(tmp_path, ["init", "--data-dir", str(kept)], ["y", "", ""])
    assert code == 0, screen
    assert (kept / "settings.before").read_text("utf-8") == "# mine\n"
    assert 'network = "local"\n' in (kept / "settings.toml").read_text("utf-8")


def test_what_cannot_go_together_is_refused_before_anything_is_written(person: Person) -> None:
    told = person("init", "--network", "local", "--peer", "192.0.2.1:7", "--yes")
    assert isinstance(told.error, ConfigurationError)
    assert "network is local" in str(told.error)
    told = person("init", "--network", "open", "--yes")
    assert isinstance(told.error, SettingsInvalidError)
    assert told.error.place == "--network"
    assert not person.data_dir.exists()


def test_a_data_directory_that_cannot_be_made_is_told(person: Person) -> None:
    write(person.home / "file", "")
    told = person("init", "--yes", "--data-dir", str(person.home / "file" / "data"))
    assert isinstance(told.error, DataDirectoryError)
    assert "cannot be made" in told.error.message


@pytest.mark.parametrize("reach", ["local", "public"])
def test_what_is_written_is_what_is_in_force(person: Person, reach: str) -> None:
    assert person("init", "--network", reach, "--listen", "[::1]:7000", "--yes").code == 0
    told = person("config").out
    assert f"network         {reach}  (settings file, line 2)\n" in told
    assert "listen          [::1]:7000  (settings file, line 3)\n" in told
