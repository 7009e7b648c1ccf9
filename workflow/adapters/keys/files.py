"""One file for each private key, plain or encrypted, and only its owner may read it.

``<public key in hex>.key`` holds 64 hexadecimal digits, ``<public key in hex>.pem`` the key in
PKCS#8, encrypted with a passphrase (see ``forms``). Whoever takes the file away takes the
control away, at once and without telling us: so the file is looked at whenever somebody asks. What
it holds is read again only when it is another file than last time.

Between these looks the private key stays in memory. Opening an encrypted one takes 0.15 s, which a
decision must not cost and an import of many messages cannot pay for each signature; and a plain one
is no safer on the disk than in the memory of the same user. It is let go when its file has changed
or is gone, as soon as somebody asks; Python cannot wipe it.

Neither a key nor a passphrase is ever part of a message. Nor does it stand in a variable on a line
that raises: loguru shows the variables of each line of a traceback when it is asked to diagnose.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
from pathlib import Path
from typing import Final

from coincurve import PrivateKey

from workflow.adapters.keys.forms import (
    LONGEST_TEXT,
    Passphrase,
    Refusal,
    encrypted,
    key_in,
    plain,
)
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
READING: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
PLAIN: Final = ".key"
ENCRYPTED: Final = ".pem"
NAME: Final = re.compile(rf"(0[23][0-9a-f]{{64}})(?:\{PLAIN}|\{ENCRYPTED})")

Identity = tuple[int, int, int]
"""Inode, time of the last change (ns), size (bytes)."""


class KeyFiles:
    """Private keys in ``directory``, which comes into being (mode 0700) with the first key.

    With a passphrase new keys are encrypted, without one they are plain; both kinds are read. It is
    asked for when the first key needs it, and once: whoever mistyped it opens the directory anew.

    Other processes may add, replace and take away files at any time; each is written beside its
    place, made durable, and renamed.
    """

    def __init__(self, directory: Path, passphrase: Passphrase | None = None) -> None:
        self._directory = directory
        self._passphrase = None if passphrase is None else _asked_once(passphrase)
        self._known: dict[bytes, tuple[Identity, PrivateKey | Refusal]] = {}
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
        """Delete the key's files and what a crash while writing them may have left."""
        self._forget(public_key)
        for path in self._paths(public_key):
            try:
                for file in (path, *self._directory.glob(f".{path.name}.*")):
                    file.unlink(missing_ok=True)
                if self._directory.is_dir():
                    _make_durable(self._directory)
            except OSError as error:
                raise _unusable("cannot be deleted", path, error) from error

    def random(self, length: int) -> bytes:
        """So many bytes that nobody can guess."""
        return secrets.token_bytes(length)

    def holds(self, public_key: bytes) -> bool:
        """True when the file is here, now, is its owner's alone, and holds exactly this key.

        Raises only what asking for the passphrase raises, unless that is a ``KeyFileError``.
        """
        if len(public_key) != PUBLIC_BYTES:
            return False
        try:
            _, key = self._look(public_key)
        except KeyFileError:
            return False
        return isinstance(key, PrivateKey)

    def sign(self, public_key: bytes, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r || s || v with v 0 or 1, low s.

        Raises ``KeyFileError``, which says what to do, when the file is missing, may be read by
        others, is not opened by the passphrase, or holds something else.
        """
        return signature(self._key(public_key), digest)

    def public_keys(self) -> list[bytes]:
        """The public keys (33 bytes each) that files are named for, in order; none is opened.

        Raises ``KeyFileError`` when the directory cannot be read.
        """
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable("cannot be looked for", self._directory, error) from error
        return sorted({bytes.fromhex(name[1]) for name in map(NAME.fullmatch, names) if name})

    def unlock(self) -> None:
        """Open each encrypted key now, so that no decision waits for a passphrase or for 0.15 s.

        Raises ``KeyFileError`` for one that is not opened. ``holds`` cannot do that: to it, a wrong
        passphrase is a key that is not here.
        """
        for public_key in self.public_keys():
            _, encrypted_file = self._paths(public_key)
            if encrypted_file.exists():
                self._key(public_key)

    def export(self, public_key: bytes, passphrase: Passphrase | None) -> bytes:
        """The key as the text of a file: encrypted in PEM, or plain digits without a passphrase.

        ``forms.private_key_from`` reads it. Raises ``KeyFileError`` as ``sign`` does, and when the
        passphrase cannot be used.
        """
        return _written(self._key(public_key), passphrase, place="the exported key")

    def reencrypt(self, passphrase: Passphrase | None) -> KeyFiles:
        """Give each key the form that this passphrase, or none, asks for; returns the new opening.

        All are read before the first is written; raises ``KeyFileError`` as ``sign`` and ``add``
        do. Broken off, some files have the one form and some the other; a second call ends
        it, where the passphrase is known that opens the encrypted ones. From one passphrase to
        another go by way of plain files.
        """
        opened = KeyFiles(self._directory, passphrase)
        for key in [self._key(public_key) for public_key in self.public_keys()]:
            opened._keep(key)
        return opened

    # -------------------------------------------------------------------------------- reading

    def _paths(self, public_key: bytes) -> tuple[Path, Path]:
        """Where the key lies plain, and where encrypted."""
        name = public_key.hex()
        return self._directory / f"{name}{PLAIN}", self._directory / f"{name}{ENCRYPTED}"

    def _key(self, public_key: bytes) -> PrivateKey:
        path, key = self._look(public_key)
        if isinstance(key, PrivateKey):
            return key
        if key is not Refusal.NO_KEY:
            raise key.error(str(path))
        raise KeyFileError(
            "the file does not hold the private key that it is named for",
            place=str(path),
            remedy="Delete the file and import the right key.",
        )

    def _look(self, public_key: bytes) -> tuple[Path, PrivateKey | Refusal]:
        """The key's file and what it holds, after a look at who else may read it."""
        try:
            path, descriptor = self._open(public_key)
            try:
                _refuse_if_open_to_others(self._directory.stat(), self._directory, FOLDER_MODE)
                _refuse_if_open_to_others(os.fstat(descriptor), path, FILE_MODE)
                return path, self._held(public_key, descriptor)
            except OSError as error:
                raise _unusable("cannot be read", path, error) from error
            finally:
                os.close(descriptor)
        except KeyFileError:
            self._forget(public_key)
            raise

    def _held(self, public_key: bytes, descriptor: int) -> PrivateKey | Refusal:
        """What the file holds, read only if it is another file than last time."""
        status = os.fstat(descriptor)
        identity = (status.st_ino, status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._known.get(public_key)
        if known is None or known[0] != identity:
            known = identity, self._read(descriptor, public_key)
            with self._lock:
                self._known[public_key] = known
        return known[1]

    def _read(self, descriptor: int, public_key: bytes) -> PrivateKey | Refusal:
        text = os.pread(descriptor, LONGEST_TEXT + 1, 0)
        key = key_in(text)
        if key is Refusal.LOCKED and self._passphrase is not None:
            secret = self._passphrase()
            key = key_in(text, secret)
        if isinstance(key, PrivateKey) and key.public_key.format() != public_key:
            return Refusal.NO_KEY
        return key

    def _open(self, public_key: bytes) -> tuple[Path, int]:
        plain_file, encrypted_file = self._paths(public_key)
        # Twice, because the key may become plain between the first look and the second.
        for path in (plain_file, encrypted_file, plain_file):
            try:
                return path, os.open(path, READING)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _unusable("cannot be read", path, error) from error
        raise KeyFileError(
            "there is no file with this private key",
            place=str(plain_file.with_suffix("")),
            remedy="Import the key, or put its file back.",
        )

    def _forget(self, public_key: bytes) -> None:
        with self._lock:
            self._known.pop(public_key, None)

    # -------------------------------------------------------------------------------- writing

    def _keep(self, key: PrivateKey) -> bytes:
        """Write the key in this directory's form, and take away what it may have in the other."""
        public_key = key.public_key.format()
        other, path = self._paths(public_key)
        if self._passphrase is None:
            other, path = path, other
        try:
            if not self._directory.exists():
                self._directory.mkdir(parents=True, mode=FOLDER_MODE, exist_ok=True)
                _make_durable(self._directory.parent)
            _refuse_if_open_to_others(self._directory.stat(), self._directory, FOLDER_MODE)
            self._write(path, key)
            other.unlink(missing_ok=True)
            _make_durable(self._directory)
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
                    file.write(_written(key, self._passphrase, place=str(path)))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _make_durable(self._directory)


def _written(key: PrivateKey, passphrase: Passphrase | None, *, place: str) -> bytes:
    if passphrase is None:
        return plain(key)
    text = encrypted(key, passphrase)
    if isinstance(text, Refusal):
        raise text.error(place)
    return text


def _asked_once(ask: Passphrase) -> Passphrase:
    """The same passphrase without asking again, whichever thread is the first to need it."""
    lock = threading.Lock()
    answers: list[bytes] = []

    def answer() -> bytes:
        with lock:
            if not answers:
                answers.append(ask())
            return answers[0]

    return answer


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


def _make_durable(directory: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
