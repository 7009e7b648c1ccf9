"""``inspect`` as people see it: what it prints, and the exit code it ends with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.faces.command_line import COMMAND, CommandLine, Said, environment
from tests.inspection.made_archives import (
    COMMUNITY,
    KEY,
    KEY_LINE,
    MESSAGES,
    flip,
    made,
    message,
    put,
    torrent_of,
)

TWO = made()
MAGNET = (
    f"magnet:?xt=urn:btih:{TWO.info_hash}&dn={COMMUNITY}"
    "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce"
    "&tr=udp%3A%2F%2Ftracker.openbittorrent.com%3A6969%2Fannounce"
)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "nothing")


def inspect(line: CommandLine, *arguments: str | Path, code: int = 0) -> Said:
    said = line("inspect", *map(str, arguments), COLUMNS="100")
    assert said.code == code, said
    return said


def test_a_sound_folder(line: CommandLine, tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    assert (
        inspect(line, folder).out
        == f"""\
A folder of archives: all is well.

  path       {folder}
  community  {COMMUNITY}
  info-hash  9e3f7bb3de951d0882cd30a9b124713817456f72
  magnet     {MAGNET}
  torrent    {torrent_of(tmp_path)}
  created    2024-01-01 00:00 UTC by …bababababababababababababab
  pieces     3 of 3 verified
  archives   2, 2024-01-01 – 2024-01-15
  messages   5
  data       204,800 bytes, 99.6% of it padding
  index      204 bytes

WINDOW                   MESSAGES    BYTES  PADDING   OFFSET  ID          FORM
2024-01-01 – 2024-01-08         3  102,400  101,950        0  0x5cccb43f  plain
2024-01-08 – 2024-01-15         2  102,400  102,116  102,400  0x18b9a897  plain
"""
    )


def test_a_damaged_folder(line: CommandLine, tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    flip(folder / "data", 102_399)
    said = inspect(line, folder, code=1)
    assert said.out.startswith("A folder of archives: 2 problems.\n")
    assert "  pieces     2 of 3 verified\n" in said.out
    first, second = said.out.split("FORM\n")[1].splitlines()[:2]
    assert first.endswith("  plain  ! damaged")
    assert second.endswith("  plain")
    assert said.out.endswith(f"""
2 problems
  [content-damaged] 1 of 3 pieces are damaged: 0 (data)
  [archive-invalid] the padding is not zeros
                    ({TWO.archives[0].id})
""")
    assert said.err == ""


def test_many_problems_are_not_all_shown(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"\x0a\x00" * 30)
    said = inspect(line, tmp_path / "index", code=1)
    assert said.out.startswith("An index: 30 problems.\n")
    assert said.out.endswith("\n  … and 10 more; --json has them all\n")
    assert (
        len(json.loads(inspect(line, tmp_path / "index", "--json", code=1).out)["problems"]) == 30
    )


def test_one_archive_is_listed(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "week").write_bytes(TWO.archives[0].raw)
    assert (
        inspect(line, tmp_path / "week").out
        == f"""\
One archive: all is well.

  path       {tmp_path / "week"}
  window     2024-01-01 – 2024-01-08
  messages   3
  topics     73656564
  bytes      {TWO.entries[0].raw_size}

#  TIME (UTC)           TOPIC     SENDER        BYTES  KIND       FOREIGN ID
0  2024-01-01 00:00:00  73656564  0x0400000000      9  malformed
1  2024-01-01 01:00:00  73656564  0x0401010101      9  malformed
2  2024-01-01 02:00:00  73656564  0x0402020202      9  malformed  …777777777777777777777777777
"""
    )


def test_an_archive_of_a_folder_is_listed(line: CommandLine, tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    id = TWO.archives[1].id
    said = inspect(line, folder, "--archive", id[:12])
    assert said.out.splitlines()[0] == f"archive {id}"
    assert len(said.out.splitlines()) == 5
    told = json.loads(inspect(line, folder, "--archive", id[:12], "--json").out)
    assert (told["id"], told["problems"]) == (id, [])
    assert [one["time"] for one in told["messages"]] == [one.timestamp for one in MESSAGES[3:]]


def test_encrypted_archives_need_their_key(line: CommandLine, tmp_path: Path) -> None:
    folder = put(tmp_path, made(is_encrypted=True))
    (tmp_path / "keys").write_text(f"# of the garden\n{KEY_LINE}")
    locked = inspect(line, folder).out
    assert locked.startswith(
        "A folder of archives: nothing is wrong with what can be read without a key.\n"
    )
    assert "  encrypted  the index; its key was not given: --ratchet-key\n" in locked
    assert f"  key        {KEY.id.hex()}\n" in locked
    opened = inspect(line, folder, "--ratchet-key", tmp_path / "keys").out
    assert opened.startswith("A folder of archives: all is well.\n")
    assert opened.count("  decrypted\n") == 2


def test_everything_for_programs(line: CommandLine, tmp_path: Path) -> None:
    told = json.loads(inspect(line, put(tmp_path, TWO), "--json").out)
    assert (told["kind"], told["community"], told["problems"]) == ("folder", COMMUNITY, [])
    assert (told["messages"], told["size"], told["torrent"]["magnet"]) == (5, 204_800, MAGNET)
    assert told["time"] == {"start": 1_704_067_200, "end": 1_705_276_800}
    assert [one["entry"]["id"] for one in told["archives"]] == [one.id for one in TWO.entries]
    assert told["archives"][0]["entry"]["topics"] == ["73656564"]
    (tmp_path / "week").write_bytes(TWO.archives[0].raw)
    week = json.loads(inspect(line, tmp_path / "week", "--json").out)
    assert [one["number"] for one in week["listed"]] == [0, 1, 2]


# ---------------------------------------------------------------------------------------- two paths


def test_identical_ones(line: CommandLine, tmp_path: Path) -> None:
    a, b = put(tmp_path / "a", TWO), put(tmp_path / "b", TWO)
    said = inspect(line, a, b)
    assert (
        said.out
        == f"""\
Identical, every byte of index, data and .torrent.

  A  {a}
     index, data and .torrent
  B  {b}
     index, data and .torrent

            ONLY A  ONLY B  BOTH
  windows        0       0     2
  archives       0       0     2
"""
    )
    told = json.loads(inspect(line, a, b, "--json").out)
    assert (told["are_identical"], told["bytes"]) == (True, [])


def test_one_that_is_shorter(line: CommandLine, tmp_path: Path) -> None:
    a, b = put(tmp_path / "a", made(weeks=1)), put(tmp_path / "b", TWO)
    said = inspect(line, a, b, code=1)
    assert said.out.startswith("B has 1 archive more.\n")
    assert said.out.endswith(f"""
Archives only in B
  2024-01-08 – 2024-01-15  102,400 bytes  {TWO.archives[1].id[:10]}
""")


def test_one_with_another_message(line: CommandLine, tmp_path: Path) -> None:
    other = made((MESSAGES[0], message(1, b"mess4ge 1"), *MESSAGES[2:]))
    a, b = put(tmp_path / "a", TWO), put(tmp_path / "b", other)
    said = inspect(line, a, b, code=1)
    at = TWO.data.index(b"message 1") + 4
    assert said.out.startswith("1 message only in A; 1 message only in B.\n")
    assert said.out.endswith(f"""
Windows that differ
  2024-01-01 – 2024-01-08  1 message only in A, 1 only in B
    data byte {at}: archive {TWO.archives[0].id[:10]} message 1 field payload (4)
    A  1  2024-01-01 01:00:00  73656564  0x0401010101  9  malformed
    B  1  2024-01-01 01:00:00  73656564  0x0401010101  9  malformed
""")
    told = json.loads(inspect(line, a, b, "--json", code=1).out)
    assert (told["are_identical"], told["windows"][0]["count_a"]) == (False, 1)
    assert told["bytes"][0]["offset_a"] == at


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("padding", "Same messages, other bytes: data byte 102,399, archive ID padding.\n"),
        ("no torrent", "The same index and data; only A has .torrent.\n"),
        ("no data", "The same index and .torrent; only A has data.\n"),
        ("locked", "B cannot be read without its key; other bytes: index byte 0, entry"),
        ("torrent", "Same messages, other bytes: .torrent byte 1, the key 'announce-list'.\n"),
        ("one archive", "A has 1 archive more.\n"),
    ],
)
def test_the_first_sentence_says_it_all(
    line: CommandLine, tmp_path: Path, spoil: str, words: str
) -> None:
    a = put(tmp_path / "a", TWO)
    b = put(tmp_path / "b", made(is_encrypted=True) if spoil == "locked" else TWO)
    if spoil == "padding":
        flip(b / "data", 102_399)
    elif spoil == "no torrent":
        torrent_of(tmp_path / "b").unlink()
    elif spoil == "no data":
        (b / "data").unlink()
    elif spoil == "torrent":
        flip(torrent_of(tmp_path / "b"), 1)
    elif spoil == "one archive":
        b = tmp_path / "week"
        b.write_bytes(TWO.archives[0].raw)
    out = inspect(line, a, b, code=1).out
    assert out.startswith(words.replace("ID", TWO.archives[0].id[:10]))


def test_files_that_have_nothing_in_common(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(TWO.index or b"")
    (tmp_path / "b").write_bytes(TWO.torrent or b"")
    said = inspect(line, tmp_path / "a", tmp_path / "b", code=1)
    assert said.out.startswith("A has index, B has .torrent: nothing to compare.\n")


# ------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none"], "archives-not-found"),
        (["text"], "archives-not-found"),
        (["index", "none"], "archives-not-found"),
        (["index", "--archive", "0xzz"], "archives-not-found"),
        (["index", "--ratchet-key", "text"], "key-file"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused_in_one_sentence(
    line: CommandLine, tmp_path: Path, arguments: list[str], code: str
) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "index").write_bytes(TWO.index or b"")
    known = {"none", "text", "index"}
    said = inspect(line, *(tmp_path / one if one in known else one for one in arguments), code=1)
    assert said.out == ""
    assert said.err.startswith(f"[{code}] ")
    assert said.err.count("\n") == 1


def test_an_archive_is_not_listed_from_two_paths(line: CommandLine, tmp_path: Path) -> None:
    assert inspect(line, tmp_path, tmp_path, "--archive", "0x1", code=2).out == ""


def test_help_tells_the_exit_codes_and_the_form_of_keys(line: CommandLine) -> None:
    said = line("inspect", "-h")
    assert "It ends with 1 when anything is wrong" in said.out
    assert "KEY (64 hex digits)  TIME (milliseconds)  COMMUNITY" in said.out
    assert "Examples:\n    community-archives inspect" in said.out
    assert all(len(text) <= 80 for text in said.out.splitlines())


def test_progress_is_for_terminals_only(tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "inspect", str(folder)],
            env=environment(TERM="xterm"),
            stdout=subprocess.PIPE,
            stderr=slave,
            check=True,
        )
        os.close(slave)
        drawn = os.read(master, 65_536)
    finally:
        os.close(master)
    assert b"bytes" in drawn
    assert b"\x1b" not in done.stdout
    assert done.stdout.startswith(b"A folder of archives: all is well.\n")
