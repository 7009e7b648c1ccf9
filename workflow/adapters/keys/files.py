"""One file for each private key, and only its owner may read it.

``<public key in hex>.key`` holds 64 hexadecimal digits. Whoever takes the file away takes the
control away, at once and without telling us: so the file is looked at whenever somebody asks. What
it holds is derived again only when it is another file than last time.

A key is never part of a message. Nor does it stand in a variable on a line that raises: loguru
shows the variables of each line of a traceback when it is asked to diagnose.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Final

from coincurve import PrivateKey

from workflow.adapters.keys.secp256k1 import (
    PUBLIC_BYTES,
    no_private_key,
    private_key_of,
    signature,
)
from workflow.errors import KeyFileError

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
OF_OTHERS: Final = 0o077
LONGEST_FILE: Final = 256
"""Bytes; a key has 64 digits, and an editor may have added a line end."""

Identity = tuple[int, int, int]
"""Inode, time of the last change (ns), size (bytes)."""


class KeyFiles:
    """Private keys in ``directory``, which comes into being (mode 0700) with the first key.

    Other processes may add, replace and take away files at any time; each is written beside its
    place, made durable, and renamed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._derived: dict[bytes, tuple[Identity, bytes | None]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyFiles({str(self._directory)!r})"

    def create(self) -> bytes:
        """Make a new private key, keep it, and return its public key (33 bytes).

        Raises ``KeyFileError`` when it cannot be kept.
        """
        return self._keep(PrivateKey())

    def add(self, private_key: bytes) -> bytes:
        """Keep this private key (32 bytes) and return its public key; see ``Keys.add``."""
        key = private_key_of(private_key)
        if key is None:
            raise no_private_key()
        return self._keep(key)

    def remove(self, public_key: bytes) -> None:
        """Delete the key's file and what a crash while writing it may have left."""
        path = self._path(public_key)
        try:
            left = list(self._directory.glob(f".{path.name}.*"))
            for file in (path, *left):
                file.unlink(missing_ok=True)
            if self._directory.is_dir():
                _make_durable(self._directory)
        except OSError as error:
            raise _unusable("cannot be deleted", path, error) from error
        with self._lock:
            self._derived.pop(public_key, None)

    def random(self, length: int) -> bytes:
        """So many bytes that nobody can guess."""
        return secrets.token_bytes(length)

    def holds(self, public_key: bytes) -> bool:
        """True when the file is here, now, is its owner's alone, and holds exactly this key."""
        if len(public_key) != PUBLIC_BYTES:
            return False
        try:
            descriptor = self._open(public_key)
        except KeyFileError:
            with self._lock:
                self._derived.pop(public_key, None)
            return False
        try:
            status = os.fstat(descriptor)
            identity = (status.st_ino, status.st_mtime_ns, status.st_size)
            with self._lock:
                known = self._derived.get(public_key)
            if known is None or known[0] != identity:
                known = identity, _public_key_in(descriptor)
                with self._lock:
                    self._derived[public_key] = known
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return known[1] == public_key

    def sign(self, public_key: bytes, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r || s || v with v 0 or 1, low s.

        Raises ``KeyFileError``, which says what to do, when the file is missing, may be read by
        others, or holds something else.
        """
        descriptor = self._open(public_key)
        try:
            key = _key_in(descriptor)
        except OSError as error:
            raise _unusable("cannot be read", self._path(public_key), error) from error
        finally:
            os.close(descriptor)
        if key is None or key.public_key.format() != public_key:
            key = None  # Out of sight of a traceback.
            raise KeyFileError(
                "the file does not hold the private key that it is named for",
                place=str(self._path(public_key)),
                remedy="Delete the file and import the right key.",
            )
        return signature(key, digest)

    # -------------------------------------------------------------------------------- reading

    def _path(self, public_key: bytes) -> Path:
        return self._directory / f"{public_key.hex()}.key"

    def _open(self, public_key: bytes) -> int:
        """A descriptor of the key's file, after a look at who else may read it."""
        path = self._path(public_key)
        try:
            _refuse_if_open_to_others(self._directory.stat(), self._directory, FOLDER_MODE)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(
                "there is no file with this private key",
                place=str(path),
                remedy="Import the key, or put its file back.",
            ) from None
        except OSError as error:
            raise _unusable("cannot be read", path, error) from error
        try:
            _refuse_if_open_to_others(os.fstat(descriptor), path, FILE_MODE)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    # -------------------------------------------------------------------------------- writing

    def _keep(self, key: PrivateKey) -> bytes:
        public_key = key.public_key.format()
        path = self._path(public_key)
        try:
            if not self._directory.exists():
                self._directory.mkdir(parents=True, mode=FOLDER_MODE, exist_ok=True)
                _make_durable(self._directory.parent)
            _refuse_if_open_to_others(self._directory.stat(), self._directory, FOLDER_MODE)
            self._write(path, key)
        except OSError as error:
            raise _unusable("cannot be written", path, error) from error
        return public_key

    def _write(self, path: Path, key: PrivateKey) -> None:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                os.fchmod(descriptor, FILE_MODE)
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(key.to_hex().encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _make_durable(self._directory)


def _refuse_if_open_to_others(status: os.stat_result, path: Path, mode: int) -> None:
    if not stat.S_IMODE(status.st_mode) & OF_OTHERS:
        return
    raise KeyFileError(
        f"others than its owner may use it (mode {stat.S_IMODE(status.st_mode):04o})",
        place=str(path),
        remedy=f"Run: chmod {mode:o} '{path}'",
    )


def _unusable(what: str, path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(
        f"the key file {what}: {error.strerror}",
        place=str(path),
        remedy="Correct the permissions or the disk, and try again.",
    )


def _key_in(descriptor: int) -> PrivateKey | None:
    """The private key that a file holds, or None; the exceptions on the way stay here."""
    digits = os.pread(descriptor, LONGEST_FILE, 0).strip()
    try:
        return private_key_of(bytes.fromhex(digits.decode("ascii")))
    except ValueError:
        return None


def _public_key_in(descriptor: int) -> bytes | None:
    key = _key_in(descriptor)
    return None if key is None else key.public_key.format()


def _make_durable(directory: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
