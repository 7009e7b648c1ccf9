"""Key files, plain and encrypted, when the program or the machine ends while they are written."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from coincurve import PrivateKey

from tests.crash.disk import Recorder, after, fates, killed, make_tree, tree_of
from workflow.adapters.keys import files
from workflow.adapters.keys.files import KeyFiles
from workflow.errors import KeyFileError

SECRET = sha256(b"a secret of the tests").digest()
PUBLIC = PrivateKey(SECRET).public_key.format()
PHRASE = b"canary passphrase of the tests"

pytestmark = pytest.mark.usefixtures("few_rounds")


def phrase() -> bytes:
    return PHRASE


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


@pytest.fixture
def keys(directory: Path) -> KeyFiles:
    keys = KeyFiles(directory, phrase)
    keys.add(SECRET)
    return keys


class Noted(io.FileIO):
    """A file whose writes go through ``os.write``, where a recorder sees them."""

    def write(self, content: object) -> int:
        return os.write(self.fileno(), content)  # type: ignore[arg-type]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(descriptor: int, mode: str, *, closefd: bool) -> io.BufferedWriter:
        return io.BufferedWriter(Noted(descriptor, mode, closefd=closefd))

    monkeypatch.setattr(files, "open", opening, raising=False)


def add_plain(directory: Path) -> None:
    KeyFiles(directory).add(SECRET)


def add_encrypted(directory: Path) -> None:
    KeyFiles(directory, phrase).add(SECRET)


def encrypt_all(directory: Path) -> None:
    KeyFiles(directory, phrase).reencrypt(phrase)


def make_all_plain(directory: Path) -> None:
    KeyFiles(directory, phrase).reencrypt(None)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (None, add_plain), (None, add_encrypted), (add_plain, add_plain),
        (add_encrypted, add_encrypted), (add_plain, encrypt_all), (add_encrypted, make_all_plain),
    ],
)  # fmt: skip
def test_a_crash_at_any_moment_loses_no_key(
    directory: Path,
    first: Callable[[Path], None] | None,
    then: Callable[[Path], None],
    few_rounds: None,
) -> None:
    """Killed, or without power, between any two steps on the disk and within each write."""
    directory.mkdir(0o700, parents=True)
    if first is not None:
        first(directory)
    base = tree_of(directory)
    recorder = Recorder(directory, base)
    with recorder.watching():
        then(directory)
    assert after(base, recorder.steps) == tree_of(directory), "the model is not exact"
    left = [after(base, taken) for taken in killed(recorder.steps)]
    for end in range(len(recorder.steps) + 1):
        taken = recorder.steps[:end]
        left += [after(base, taken, fate) for fate in fates(taken, 200)]
    distinct = {tuple(sorted(tree.items())) for tree in left}
    assert len(distinct) >= 4
    for state in distinct:
        lies_there(directory, dict(state))
        keys = KeyFiles(directory, phrase)
        is_as_before = first is None and not keys.public_keys()
        assert keys.holds(PUBLIC) or is_as_before, sorted(dict(state))
        then(directory)
        assert KeyFiles(directory, phrase).holds(PUBLIC)
    lies_there(directory, after(base, recorder.steps, next(fates(recorder.steps, 0))))
    assert KeyFiles(directory, phrase).holds(PUBLIC)


def lies_there(directory: Path, tree: dict[str, bytes | None]) -> None:
    shutil.rmtree(directory)
    directory.mkdir(0o700)
    make_tree(directory, tree)
    for path in directory.iterdir():
        path.chmod(0o600)


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace", "unlink"])
def test_a_failing_disk_loses_no_key(
    keys: KeyFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if step in {"fsync", "fchmod"} else Path, step, fail)
        with pytest.raises(KeyFileError, match="No space left"):
            keys.reencrypt(None)
    assert keys.holds(PUBLIC)
    keys.reencrypt(None)
    assert len(list(directory.iterdir())) == 1
