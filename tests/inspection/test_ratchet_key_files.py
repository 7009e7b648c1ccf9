"""Keys to encrypted archives, from a text file; none is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspection.made_archives import COMMUNITY, KEY, KEY_LINE
from workflow.errors import KeyFileError
from workflow.inspection import read_ratchet_keys


def test_keys_are_read_from_lines(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# mine\n\n{KEY_LINE}  0x{KEY_LINE}")
    assert read_ratchet_keys(file) == [KEY, KEY]


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "00 1 " + COMMUNITY,
        f"{'00' * 32} -1 {COMMUNITY}",
        f"{'00' * 32} 1 0x04{'00' * 32}",
        f"{'00' * 32} {'1' * 19} {COMMUNITY}",
        f"{'gg' * 32} 1 {COMMUNITY}",
        "#" * 300_000,
    ],
    ids=lambda line: line[:12],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(line)
    with pytest.raises(KeyFileError) as raised:
        read_ratchet_keys(file)
    assert line not in raised.value.explained()


def test_a_file_of_keys_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        read_ratchet_keys(tmp_path / "keys")
