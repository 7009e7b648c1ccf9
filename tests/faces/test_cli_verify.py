"""``verify`` and ``adopt``: is the history complete, and how does it come here otherwise?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.faces.command_line import CommandLine, Started


def folder_of(command: CommandLine) -> Path:
    (folder,) = (command.data_dir / "archives").iterdir()
    return folder / "1"


def test_complete_history_is_told_in_one_line(garden: CommandLine) -> None:
    said = garden("verify")
    assert said.code == 0
    first, second, head, week = said.out.splitlines()
    assert first == "gardeners: complete."
    assert second.strip().startswith("24 messages, ")
    assert head.split() == ["WEEKS", "STORED", "ARCHIVED", "ARCHIVES", "IMPORTED"]
    assert week.split()[-6:] == ["1", "24", "24", "1", "1", "complete"]


def test_every_channel_of_every_week_can_be_seen(garden: CommandLine) -> None:
    said = garden("verify", "gardeners", "--channels")
    assert "73656564  24 stored  24 archived  complete" in said.out
    (told,) = json.loads(garden("verify", "--json").out)
    assert told["is_complete"] is True
    assert [(cell["topic"], cell["stored"]) for cell in told["channels"]] == [("73656564", 24)]


def test_it_works_while_another_process_holds_the_directory(
    garden: CommandLine, running: Started
) -> None:
    assert garden("verify").code == 0


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("data", "bytes 0 to 102400: the piece has another hash"),
        ("index.1", "the index has another hash"),
        ("1.torrent", "seeding makes it again"),
    ],
)
def test_a_changed_byte_is_found(garden: CommandLine, file: str, says: str) -> None:
    path = folder_of(garden) / file
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    said = garden("verify")
    assert said.code == 4
    assert said.out.startswith("gardeners: NOT complete.\n")
    assert says in " ".join(said.out.split())


@pytest.mark.parametrize("file", ["data", "index.1", "1.torrent"])
def test_a_lost_file_is_found(garden: CommandLine, file: str) -> None:
    (folder_of(garden) / file).unlink()
    assert garden("verify").code == 4


def test_of_no_community_there_is_nothing_to_verify(
    nowhere: CommandLine, garden: CommandLine
) -> None:
    assert garden("verify", "nobody").err.startswith("[community-unknown] ")
    assert nowhere("verify").err.startswith("[journal-missing] ")


def test_archives_are_adopted_by_their_community_s_id(
    garden: CommandLine, nowhere: CommandLine
) -> None:
    source = folder_of(garden)
    id = source.parent.name
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    said = nowhere("adopt", str(source), "--community", id)
    assert said.code == 0
    assert f"{id[:12]}: 1 archives adopted, 24 messages." in said.out
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    adopted = nowhere.data_dir / "archives" / id / "2"
    assert {path.name: path.read_bytes() for path in adopted.iterdir()} == before
    assert nowhere("verify").code == 0
    (told,) = json.loads(nowhere("status", "--json").out)
    assert (told["generation"], told["guards"]["is_meant_to_be_on"]) == (1, True)
    again = nowhere("adopt", str(source), "--community", id)
    assert (again.code, again.err.split()[0]) == (1, "[adoption-refused]")


def test_a_data_directory_whose_journal_was_lost_is_rescued(
    garden: CommandLine, nowhere: CommandLine
) -> None:
    id = folder_of(garden).parent.name
    shutil.copytree(garden.data_dir / "keys", nowhere.data_dir / "keys")
    said = nowhere("adopt", str(garden.data_dir / "archives" / id), "--community", id)
    assert said.code == 0
    assert nowhere("verify", id).code == 0


def test_what_is_no_archive_is_not_adopted(garden: CommandLine, tmp_path: Path) -> None:
    said = garden("adopt", str(tmp_path / "nothing"), "--community", "gardeners")
    assert (said.code, said.err.split()[0]) == (1, "[adoption-refused]")
    said = garden("adopt", str(tmp_path), "--community", "nobody")
    assert (said.code, said.err.split()[0]) == (1, "[community-unknown]")
