"""Key files with a passphrase; what they share with plain ones stands in ``test_key_files.py``."""

from __future__ import annotations

import io
import os
import shutil
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from coincurve import PrivateKey

from tests.adapters.leaks import diagnosed, shows
from tests.crash.disk import tree_of
from workflow.adapters.keys import files, forms
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.keys.forms import Refusal, private_key_from
from workflow.errors import KeyFileError

SECRET = sha256(b"a secret of the tests").digest()
PUBLIC = PrivateKey(SECRET).public_key.format()
OTHER = sha256(b"another secret of the tests").digest()
OTHER_PUBLIC = PrivateKey(OTHER).public_key.format()
DIGEST = sha256(b"something to sign").digest()
PHRASE = b"canary passphrase of the tests"

pytestmark = pytest.mark.usefixtures("few_rounds")


def phrase() -> bytes:
    return PHRASE


def wrong() -> bytes:
    return b"mistyped canary of the tests"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


@pytest.fixture
def keys(directory: Path) -> KeyFiles:
    keys = KeyFiles(directory, phrase)
    keys.add(SECRET)
    return keys


@pytest.fixture
def file(directory: Path) -> Path:
    return directory / f"{PUBLIC.hex()}.pem"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The text of each file, every time that a passphrase was tried on it."""
    found: list[bytes] = []

    def watched(text: bytes, secret: bytes | None = None) -> PrivateKey | Refusal:
        if secret is not None:
            found.append(text)
        return forms.key_in(text, secret)

    monkeypatch.setattr(files, "key_in", watched)
    return found


def test_a_key_is_an_encrypted_file_of_its_owner(
    keys: KeyFiles, directory: Path, file: Path
) -> None:
    assert [path.name for path in directory.iterdir()] == [file.name]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not shows(file.read_text(), SECRET)
    assert private_key_from(file.read_bytes(), phrase) == SECRET


def test_it_is_opened_once_for_many_signatures(keys: KeyFiles, opened: list[bytes]) -> None:
    signatures = {keys.sign(PUBLIC, DIGEST) for _ in range(50)}
    assert keys.holds(PUBLIC)
    assert signatures == {PrivateKey(SECRET).sign_recoverable(DIGEST, hasher=None)}
    assert len(opened) == 1


def test_a_file_that_is_replaced_while_running_is_opened_again(
    keys: KeyFiles, file: Path, opened: list[bytes]
) -> None:
    assert keys.holds(PUBLIC)
    KeyFiles(file.parent, phrase).add(SECRET)
    assert keys.holds(PUBLIC)
    assert len(set(opened)) == 2
    KeyFiles(file.parent, wrong).add(SECRET)
    for _ in range(5):
        assert not keys.holds(PUBLIC)
    assert len(opened) == 3
    with pytest.raises(KeyFileError, match="does not open"):
        keys.sign(PUBLIC, DIGEST)


def test_who_takes_the_file_away_takes_the_key_away(
    keys: KeyFiles, file: Path, tmp_path: Path
) -> None:
    assert keys.holds(PUBLIC)
    file.rename(tmp_path / "safe")
    assert not keys.holds(PUBLIC)
    assert not keys._known
    with pytest.raises(KeyFileError, match="no file"):
        keys.sign(PUBLIC, DIGEST)
    (tmp_path / "safe").rename(file)
    assert keys.holds(PUBLIC)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
@pytest.mark.parametrize("was_known", [True, False])
def test_a_file_that_others_may_use_is_refused(
    keys: KeyFiles, file: Path, mode: int, was_known: bool
) -> None:
    assert not was_known or keys.holds(PUBLIC)
    file.chmod(mode)
    assert not keys.holds(PUBLIC)
    attempts: list[Callable[[], object]] = [
        lambda: keys.sign(PUBLIC, DIGEST),
        lambda: keys.export(PUBLIC, None),
        keys.unlock,
        lambda: keys.reencrypt(None),
    ]
    for attempt in attempts:
        with pytest.raises(KeyFileError) as caught:
            attempt()
        assert caught.value.advice == f"Run: chmod 600 '{file}'"


def test_a_key_under_anothers_name_is_no_key(keys: KeyFiles, file: Path) -> None:
    named = file.with_name(f"{OTHER_PUBLIC.hex()}.pem")
    file.rename(named)
    assert not keys.holds(OTHER_PUBLIC)
    with pytest.raises(KeyFileError, match="does not hold") as caught:
        keys.sign(OTHER_PUBLIC, DIGEST)
    assert caught.value.place == str(named)


# -- the passphrase --------------------------------------------------------------------------------


def test_it_is_asked_once_and_only_when_it_is_needed(directory: Path) -> None:
    asked: list[threading.Thread] = []

    def ask() -> bytes:
        asked.append(threading.current_thread())
        return PHRASE

    KeyFiles(directory).add(SECRET)
    keys = KeyFiles(directory, ask)
    assert keys.holds(PUBLIC)
    assert keys.public_keys() == [PUBLIC]
    keys.unlock()
    assert not keys.holds(OTHER_PUBLIC)
    assert asked == []
    KeyFiles(directory, phrase).add(OTHER)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(keys.holds, [OTHER_PUBLIC] * 16))
    keys.create()
    assert len(asked) == 1


def test_a_wrong_one_is_told_when_it_is_asked_for(keys: KeyFiles, file: Path) -> None:
    mistyped = KeyFiles(file.parent, wrong)
    for attempt in (mistyped.unlock, lambda: mistyped.sign(PUBLIC, DIGEST)):
        with pytest.raises(KeyFileError, match="does not open") as caught:
            attempt()
        assert caught.value.code == "key-file"
        assert caught.value.place == str(file)
        assert "passphrase" in caught.value.advice
    assert not mistyped.holds(PUBLIC)
    keys.unlock()


def test_without_one_an_encrypted_key_is_seen_but_not_held(keys: KeyFiles, file: Path) -> None:
    without = KeyFiles(file.parent)
    assert without.public_keys() == [PUBLIC]
    assert not without.holds(PUBLIC)
    with pytest.raises(KeyFileError, match="no passphrase was given"):
        without.unlock()


def test_an_unfit_one_leaves_nothing_behind(keys: KeyFiles, directory: Path) -> None:
    with pytest.raises(KeyFileError, match="nothing can be encrypted"):
        KeyFiles(directory, lambda: b"").add(OTHER)
    assert len(list(directory.iterdir())) == 1


def test_one_that_cannot_be_asked_for_is_a_key_that_is_not_held(
    keys: KeyFiles, directory: Path
) -> None:
    def fail() -> bytes:
        raise KeyFileError("there is nobody to ask")

    silent = KeyFiles(directory, fail)
    assert not silent.holds(PUBLIC)
    with pytest.raises(KeyFileError, match="nobody to ask"):
        silent.sign(PUBLIC, DIGEST)


# -- listing, exporting, changing ------------------------------------------------------------------


def test_the_directory_lists_its_public_keys(keys: KeyFiles, directory: Path) -> None:
    KeyFiles(directory).add(OTHER)
    for name in (f".{PUBLIC.hex()}.pem.0123456789abcdef", "notes.txt", f"{'05' * 33}.key",
                 f"{PUBLIC.hex()}.txt", f"{PUBLIC.hex()[:-2]}.key"):  # fmt: skip
        (directory / name).touch(0o600)
    assert keys.public_keys() == sorted([PUBLIC, OTHER_PUBLIC])


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    assert KeyFiles(tmp_path / "none").public_keys() == []
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match="cannot be looked for"):
        KeyFiles(tmp_path / "file").public_keys()


def test_what_is_exported_can_be_imported(keys: KeyFiles) -> None:
    assert keys.export(PUBLIC, None) == SECRET.hex().encode() + b"\n"
    text = keys.export(PUBLIC, wrong)
    assert private_key_from(text, wrong) == SECRET
    with pytest.raises(KeyFileError, match="nothing can be encrypted"):
        keys.export(PUBLIC, lambda: b"")
    with pytest.raises(KeyFileError, match="no file"):
        keys.export(OTHER_PUBLIC, None)


def test_what_is_exported_is_a_key_file(keys: KeyFiles, file: Path) -> None:
    for name, text in (
        (file.name, keys.export(PUBLIC, phrase)),
        (file.with_suffix(".key").name, keys.export(PUBLIC, None)),
    ):
        shutil.rmtree(file.parent)
        file.parent.mkdir(0o700)
        (file.parent / name).touch(0o600)
        (file.parent / name).write_bytes(text)
        assert keys.holds(PUBLIC)


def test_a_key_has_one_file_whatever_its_form(keys: KeyFiles, file: Path) -> None:
    plain = KeyFiles(file.parent)
    plain.add(SECRET)
    assert tree_of(file.parent) == {file.with_suffix(".key").name: SECRET.hex().encode() + b"\n"}
    keys.add(SECRET)
    assert list(tree_of(file.parent)) == [file.name]
    assert keys.holds(PUBLIC)


def test_a_removed_key_leaves_nothing_in_any_form(keys: KeyFiles, file: Path) -> None:
    for name in (f"{PUBLIC.hex()}.key", f".{PUBLIC.hex()}.key.01", f".{PUBLIC.hex()}.pem.23"):
        (file.parent / name).write_text(SECRET.hex())
    keys.remove(PUBLIC)
    assert tree_of(file.parent) == {}


def test_a_directory_is_encrypted_and_made_plain_again(directory: Path) -> None:
    plain = KeyFiles(directory)
    plain.add(SECRET)
    plain.add(OTHER)
    before = tree_of(directory)
    encrypted = plain.reencrypt(phrase)
    assert {Path(name).suffix for name in tree_of(directory)} == {".pem"}
    for opening in (encrypted, KeyFiles(directory, phrase)):
        assert opening.holds(PUBLIC)
        assert opening.holds(OTHER_PUBLIC)
    assert not plain.holds(PUBLIC)
    encrypted.reencrypt(None)
    assert tree_of(directory) == before
    assert plain.holds(PUBLIC)


def test_nothing_changes_form_when_one_cannot_be_read(keys: KeyFiles, directory: Path) -> None:
    KeyFiles(directory, wrong).add(OTHER)
    before = tree_of(directory)
    with pytest.raises(KeyFileError, match="does not open"):
        keys.reencrypt(None)
    assert tree_of(directory) == before


def test_a_key_that_becomes_plain_is_never_missed(
    keys: KeyFiles, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so after one look for the plain file, and before the look for the encrypted one."""
    real = os.open

    def slow(path: Path, *rest: int) -> int:
        if path == file:
            monkeypatch.setattr(os, "open", real)
            KeyFiles(file.parent, phrase).reencrypt(None)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", slow)
    assert keys.holds(PUBLIC)
    assert not file.exists()


# -- what is never shown ---------------------------------------------------------------------------


def unseen() -> bytes:
    """A key that stands in no variable of the caller's line."""
    return OTHER


def all_hidden(shown: str, *texts: bytes) -> bool:
    bodies = [line for text in texts for line in text.splitlines()]
    return not any((shows(shown, SECRET), shows(shown, OTHER), "canary" in shown)) and not any(
        line[:20].decode() in shown for line in bodies
    )


def test_a_full_disk_shows_neither_key_nor_passphrase(
    keys: KeyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            written.append(content)  # type: ignore[arg-type]
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "open", lambda *_, closefd: Full(), raising=False)
    for attempt in (lambda: keys.add(unseen()), keys.create, lambda: keys.reencrypt(phrase)):
        shown = diagnosed(attempt)
        assert "No space left" in shown
        assert all_hidden(shown, *written)
    assert len(written) == 3


def test_a_wrong_passphrase_shows_neither_itself_nor_the_file(keys: KeyFiles, file: Path) -> None:
    mistyped = KeyFiles(file.parent, wrong)
    attempts: list[Callable[[], object]] = [
        mistyped.unlock,
        lambda: mistyped.sign(PUBLIC, DIGEST),
        lambda: mistyped.export(PUBLIC, phrase),
        lambda: mistyped.reencrypt(phrase),
    ]
    for attempt in attempts:
        shown = diagnosed(attempt)
        assert "does not open" in shown
        assert all_hidden(shown, file.read_bytes())


def test_a_passphrase_that_is_refused_is_not_shown(keys: KeyFiles) -> None:
    def unfit() -> bytes:
        return b"canary\0"

    for attempt in (lambda: keys.export(PUBLIC, unfit), lambda: keys.reencrypt(unfit)):
        shown = diagnosed(attempt)
        assert "nothing can be encrypted" in shown
        assert all_hidden(shown)


def test_words_for_it_name_the_place_only(keys: KeyFiles, directory: Path) -> None:
    keys.unlock()
    assert repr(keys) == str(keys) == f"KeyFiles({str(directory)!r})"
