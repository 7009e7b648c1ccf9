"""The forms in which a private key is written down: hexadecimal digits, or PEM.

Written is what others read: 64 digits, or PKCS#8 (RFC 5958) in PEM, encrypted with PBES2 (RFC 8018:
PBKDF2 with SHA-256, AES-256-CBC), which ``openssl pkey`` opens. Read is what people have besides:
``0x`` before the digits, SEC1 (RFC 5915) as ``openssl ecparam -genkey`` makes it, and whatever
encryption the library opens, scrypt for one.

Nothing here raises on a line that names a secret, and no exception of the library's gets out: it
could quote what it was given.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Callable
from enum import Enum
from typing import Final

from coincurve import PrivateKey

from workflow.adapters.keys.secp256k1 import PRIVATE_BYTES, private_key_of
from workflow.errors import KeyFileError

LONGEST_TEXT: Final = 4096
"""Bytes; an encrypted key in PEM has 430."""
ROUNDS: Final = 600_000
"""Of PBKDF2 with SHA-256, as OWASP advises: about 0.15 s, for us and for each guess."""

DIGITS: Final = re.compile(rb"(?:0[xX])?([0-9a-fA-F]{64})")
PEM: Final = "-----{} ENCRYPTED PRIVATE KEY-----\n"
PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
"""The object identifier in DER; it stands behind two headers, of 3 and of 2 bytes."""

Passphrase = Callable[[], bytes]
"""Where a passphrase comes from: UTF-8, without a line end. It is asked only when it is needed, and
passed on as a function because a traceback may show what a variable holds."""


class Refusal(Enum):
    """Why there is no key: what is wrong, and what to do."""

    NO_KEY = (
        "there is no private key in it that is known here",
        "Give 64 hexadecimal digits, or a PEM file (PKCS#8 or SEC1) with a key of secp256k1.",
    )
    LOCKED = ("the private key is encrypted, and no passphrase was given", "Give its passphrase.")
    WRONG_PASSPHRASE = (
        "the passphrase does not open the private key",
        "Try again with the passphrase that it was encrypted with.",
    )
    UNFIT_PASSPHRASE = (
        "nothing can be encrypted with this passphrase and be opened again",
        "Give a passphrase of one or more characters in UTF-8, none of them zero.",
    )

    def error(self, place: str) -> KeyFileError:
        """The error to raise, with ``place`` for where the text lies."""
        message, remedy = self.value
        return KeyFileError(message, place=place, remedy=remedy)


def private_key_from(
    text: bytes, passphrase: Passphrase | None = None, *, place: str = ""
) -> bytes:
    """The private key (32 bytes) in what was exported here or made elsewhere; see the module.

    ``passphrase`` is asked only when the text is encrypted; ``place`` tells an error where the text
    came from. Raises ``KeyFileError``, which does not quote the text. Whoever calls this leaves the
    text out of variables on the line: ``private_key_from(path.read_bytes(), ask)``.
    """
    key = key_in(text)
    if key is Refusal.LOCKED and passphrase is not None:
        secret = passphrase()
        key = key_in(text, secret)
    if isinstance(key, Refusal):
        raise key.error(place)
    return key.secret


def key_in(text: bytes, secret: bytes | None = None) -> PrivateKey | Refusal:
    """The private key in a text of any form, opened with this passphrase, or why there is none.

    Raises nothing: the caller asks for the passphrase on a line of its own, when it is ``LOCKED``.
    """
    if len(text) > LONGEST_TEXT:
        return Refusal.NO_KEY
    if digits := DIGITS.fullmatch(text.strip()):
        return private_key_of(bytes.fromhex(digits[1].decode())) or Refusal.NO_KEY
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as the next: slow to load.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        loaded = load_pem_private_key(text, secret)
    except TypeError:  # Encrypted; an empty passphrase is none, too.
        return Refusal.LOCKED if secret is None else Refusal.WRONG_PASSPHRASE
    except Exception:  # noqa: BLE001 - whatever it is, it must not carry the text away.
        return Refusal.NO_KEY if secret is None else Refusal.WRONG_PASSPHRASE
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and isinstance(loaded.curve, ec.SECP256K1):
        number = loaded.private_numbers().private_value
        return private_key_of(number.to_bytes(PRIVATE_BYTES)) or Refusal.NO_KEY
    return Refusal.NO_KEY


def plain(key: PrivateKey) -> bytes:
    """64 hexadecimal digits and a line end."""
    return key.to_hex().encode() + b"\n"


def encrypted(key: PrivateKey, passphrase: Passphrase) -> bytes | Refusal:
    """The key as an encrypted PEM file, read back once, or why the passphrase cannot be used.

    The library encrypts PKCS#8 with 2048 rounds and lets nobody choose; in PKCS#12 it does, and a
    key's bag there is the same structure (RFC 7292, 4.2.2): so it is taken out of one.

    Raises nothing but what ``passphrase`` raises.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as all here: slow to load.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12  # noqa: PLC0415

    secret = passphrase()
    number = ec.derive_private_key(int.from_bytes(key.secret), ec.SECP256K1())
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(ROUNDS).hmac_hash(SHA256())
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    try:
        encryption = builder.build(secret)
        bag = pkcs12.serialize_key_and_certificates(None, number, None, None, encryption)
    except ValueError:  # Empty, or no UTF-8.
        return Refusal.UNFIT_PASSPHRASE
    start = bag.find(PBES2) - 5
    length = 3 + bag[start + 2]
    body = textwrap.fill(base64.b64encode(bag[start : start + length]).decode(), 64)
    text = (PEM.format("BEGIN") + body + "\n" + PEM.format("END")).encode()
    # Other programs end a passphrase at a zero. And nobody has the key if this cannot be opened.
    back = key_in(text, secret)
    if b"\0" in secret or isinstance(back, Refusal) or back.secret != key.secret:
        return Refusal.UNFIT_PASSPHRASE
    return text
