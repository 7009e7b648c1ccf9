from __future__ import annotations

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from coincurve import PrivateKey

from tests.adapters.leaks import diagnosed, shows
from workflow.adapters.keys import files, forms
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.keys.forms import Refusal
from workflow.errors import KeyFileError

SECRET = sha256(b"a secret of the tests").digest()
PUBLIC = PrivateKey(SECRET).public_key.format()
OTHER = sha256(b"another secret of the tests").digest()
DIGEST = sha256(b"something to sign").digest()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


@pytest.fixture
def keys(directory: Path) -> KeyFiles:
    keys = KeyFiles(directory)
    keys.add(SECRET)
    return keys


@pytest.fixture
def file(directory: Path) -> Path:
    return directory / f"{PUBLIC.hex()}.key"


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """The public key of every private key that was read from a file."""
    found: list[bytes | None] = []
    real = forms.key_in

    def watched(text: bytes) -> PrivateKey | Refusal:
        key = real(text)
        found.append(key.public_key.format() if isinstance(key, PrivateKey) else None)
        return key

    monkeypatch.setattr(files, "key_in", watched)
    return found


def test_a_key_is_a_file_of_its_owner(keys: KeyFiles, directory: Path, file: Path) -> None:
    assert [path.name for path in directory.iterdir()] == [file.name]
    assert file.read_text() == SECRET.hex() + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_owner_alone_whatever_the_umask(directory: Path, file: Path) -> None:
    before = os.umask(0)
    try:
        KeyFiles(directory).add(SECRET)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_another_process_sees_it_at_once(keys: KeyFiles, directory: Path) -> None:
    other = KeyFiles(directory)
    assert other.holds(PUBLIC)
    assert other.sign(PUBLIC, DIGEST) == keys.sign(PUBLIC, DIGEST)
    other.remove(PUBLIC)
    assert not keys.holds(PUBLIC)


def test_who_takes_the_file_away_takes_the_key_away(
    keys: KeyFiles, file: Path, tmp_path: Path
) -> None:
    assert keys.holds(PUBLIC)
    safe = tmp_path / "safe"
    file.rename(safe)
    assert not keys.holds(PUBLIC)
    with pytest.raises(KeyFileError, match="no file") as caught:
        keys.sign(PUBLIC, DIGEST)
    assert caught.value.advice
    safe.rename(file)
    assert keys.holds(PUBLIC)
    assert len(keys.sign(PUBLIC, DIGEST)) == 65


def test_it_is_derived_again_only_when_it_is_another_file(
    keys: KeyFiles, file: Path, derived: list[bytes | None]
) -> None:
    for _ in range(5):
        assert keys.holds(PUBLIC)
    assert len(derived) == 1
    file.write_text(OTHER.hex())
    os.utime(file, ns=(1, 1))
    for _ in range(5):
        assert not keys.holds(PUBLIC)
    assert len(derived) == 2
    KeyFiles(file.parent).add(SECRET)
    assert keys.holds(PUBLIC)
    assert derived == [PUBLIC, PrivateKey(OTHER).public_key.format(), PUBLIC]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644, 0o666])
@pytest.mark.parametrize("was_known", [True, False])
def test_a_file_that_others_may_use_is_refused(
    keys: KeyFiles, file: Path, mode: int, was_known: bool
) -> None:
    assert not was_known or keys.holds(PUBLIC)
    file.chmod(mode)
    assert not keys.holds(PUBLIC)
    with pytest.raises(KeyFileError) as caught:
        keys.sign(PUBLIC, DIGEST)
    assert f"{mode:04o}" in str(caught.value)
    assert caught.value.advice == f"Run: chmod 600 '{file}'"
    file.chmod(0o400)
    assert keys.holds(PUBLIC)


def test_a_directory_that_others_may_use_is_refused(keys: KeyFiles, directory: Path) -> None:
    directory.chmod(0o755)
    assert not keys.holds(PUBLIC)
    attempts: list[Callable[[], bytes]] = [
        lambda: keys.sign(PUBLIC, DIGEST),
        lambda: keys.add(OTHER),
        keys.create,
    ]
    for attempt in attempts:
        with pytest.raises(KeyFileError) as caught:
            attempt()
        assert caught.value.advice == f"Run: chmod 700 '{directory}'"
    directory.chmod(0o700)
    assert keys.holds(PUBLIC)


@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n\n"])
def test_an_editors_line_end_does_no_harm(keys: KeyFiles, file: Path, end: str) -> None:
    file.write_text(SECRET.hex().upper() + end)
    assert keys.holds(PUBLIC)
    assert len(keys.sign(PUBLIC, DIGEST)) == 65


@pytest.mark.parametrize(
    "text",
    ["", SECRET.hex()[:-2], SECRET.hex() + "00", "0x" + SECRET.hex()[2:], "g" * 64,
     "0" * 64, "é" * 32, OTHER.hex(), "0" * 1000, SECRET.hex() + "\n" * 5000],
)  # fmt: skip
def test_a_file_that_holds_something_else_is_no_key(keys: KeyFiles, file: Path, text: str) -> None:
    file.write_text(text)
    assert not keys.holds(PUBLIC)
    with pytest.raises(KeyFileError, match="does not hold"):
        keys.sign(PUBLIC, DIGEST)


def test_what_is_no_file_is_no_key(keys: KeyFiles, file: Path) -> None:
    file.unlink()
    file.mkdir(mode=0o700)
    assert not keys.holds(PUBLIC)
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.sign(PUBLIC, DIGEST)
    with pytest.raises(KeyFileError, match="cannot be written"):
        keys.add(SECRET)
    with pytest.raises(KeyFileError, match="cannot be deleted"):
        keys.remove(PUBLIC)


def test_a_pipe_does_not_hold_us_up(keys: KeyFiles, file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)
    assert not keys.holds(PUBLIC)


def test_a_public_key_of_any_length_leads_nowhere(keys: KeyFiles) -> None:
    with pytest.raises(KeyFileError):
        keys.sign(b"\x02" * 500, DIGEST)
    keys.remove(b"")


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
def test_a_failing_disk_leaves_nothing_behind(
    keys: KeyFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if step != "replace" else Path, step, fail)
        with pytest.raises(KeyFileError, match="No space left"):
            keys.add(OTHER)
    assert len(list(directory.iterdir())) == 1
    assert keys.holds(PUBLIC)


def test_what_a_crash_left_is_removed_with_the_key(
    keys: KeyFiles, directory: Path, file: Path
) -> None:
    (directory / f".{file.name}.0123456789abcdef").write_text(SECRET.hex())
    keys.remove(PUBLIC)
    assert list(directory.iterdir()) == []


def test_a_full_disk_never_shows_the_key(
    keys: KeyFiles, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loguru's diagnosis shows the variables of each line of a traceback."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    shown = diagnosed(lambda: keys.add(unseen()))
    assert "No space left" in shown
    assert not shows(shown, OTHER)


@pytest.mark.parametrize(
    "text",
    [OTHER.hex(), OTHER.hex()[:-1], OTHER.hex() + "zz"],
    ids=["another key", "too short", "too long"],
)
def test_a_damaged_file_never_shows_the_key(keys: KeyFiles, file: Path, text: str) -> None:
    file.write_text(text)
    shown = diagnosed(lambda: keys.sign(PUBLIC, DIGEST))
    assert "does not hold" in shown
    assert not shows(shown, OTHER)


def test_nothing_that_was_added_in_vain_is_shown(keys: KeyFiles) -> None:
    shown = diagnosed(lambda: keys.add(unseen()[:-1]))
    assert "no private key" in shown
    assert not shows(shown, OTHER)


def test_words_for_it_name_the_place_only(keys: KeyFiles, directory: Path) -> None:
    assert repr(keys) == f"KeyFiles({str(directory)!r})"


def unseen() -> bytes:
    """A key that stands in no variable of the caller's line."""
    return OTHER
