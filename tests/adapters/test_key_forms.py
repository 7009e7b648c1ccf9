from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.leaks import diagnosed, shows
from workflow.adapters.keys import forms
from workflow.adapters.keys.forms import (
    Passphrase,
    Refusal,
    encrypted,
    key_in,
    plain,
    private_key_from,
)
from workflow.errors import KeyFileError

SECRET = sha256(b"a secret of the tests").digest()
KEY = PrivateKey(SECRET)
PHRASE = "a päßphrase of the tests".encode()
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NUMBER = ec.derive_private_key(int.from_bytes(SECRET), ec.SECP256K1())
PLAIN_FORMS = [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]

few_rounds = pytest.mark.usefixtures("few_rounds")
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
private_keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))


def phrase() -> bytes:
    return PHRASE


def never() -> bytes:
    raise AssertionError("nobody needed the passphrase")


def pem(
    key: PrivateKeyTypes = NUMBER,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def encrypted_key(passphrase: Passphrase = phrase) -> bytes:
    text = encrypted(KEY, passphrase)
    assert isinstance(text, bytes)
    return text


# -- what is written can be read -------------------------------------------------------------------


@given(private_keys)
def test_digits_come_back(secret: bytes) -> None:
    text = plain(PrivateKey(secret))
    assert text == secret.hex().encode() + b"\n"
    assert private_key_from(text, never) == secret


@few_rounds
@quick
@given(private_keys, st.text("aZ 0é€😀\n", min_size=1))
def test_an_encrypted_key_comes_back(secret: bytes, text: str) -> None:
    written = encrypted(PrivateKey(secret), text.encode)
    assert isinstance(written, bytes)
    assert private_key_from(written, text.encode) == secret
    assert not shows(repr(written), secret)


def test_guessing_is_expensive() -> None:
    text = encrypted_key()
    assert text.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    lines = text.splitlines()
    assert max(map(len, lines[1:-1])) == 64
    der = base64.b64decode(b"".join(lines[1:-1]))
    assert b"\x02\x03" + (600_000).to_bytes(3) in der
    assert private_key_from(text, phrase) == SECRET


@few_rounds
def test_the_same_key_is_never_encrypted_to_the_same_text() -> None:
    assert encrypted_key() != encrypted_key()


@few_rounds
@pytest.mark.parametrize("unfit", [b"", b"\xff\xfe", b"zero\0within"])
def test_a_passphrase_that_others_could_not_use_is_refused(unfit: bytes) -> None:
    assert encrypted(KEY, lambda: unfit) is Refusal.UNFIT_PASSPHRASE


@few_rounds
@pytest.mark.parametrize("foreign", [b"", b"\x30" * 300, forms.PBES2 + bytes(300)])
def test_what_cannot_be_opened_again_is_never_handed_out(
    monkeypatch: pytest.MonkeyPatch, foreign: bytes
) -> None:
    """Should the library one day write its bags in another order."""
    monkeypatch.setattr(pkcs12, "serialize_key_and_certificates", lambda *_: bytes(300) + foreign)
    assert encrypted(KEY, phrase) is Refusal.UNFIT_PASSPHRASE


# -- what people have can be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex(), SECRET.hex().upper(), "0x" + SECRET.hex(), "0X" + SECRET.hex().upper(),
        f"  {SECRET.hex()}\r\n\n",
    ],
)  # fmt: skip
def test_digits_of_any_look(text: str) -> None:
    assert private_key_from(text.encode(), never) == SECRET


@pytest.mark.parametrize("form", PLAIN_FORMS)
def test_pem_of_either_form(form: PrivateFormat) -> None:
    assert private_key_from(pem(form=form), never) == SECRET
    locked = pem(form=form, encryption=BestAvailableEncryption(PHRASE))
    assert private_key_from(locked, phrase) == SECRET


@pytest.mark.parametrize("lead", ["", "Bag Attributes\n    friendlyName: community\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_pem_as_editors_and_tools_leave_it(lead: str, end: str) -> None:
    text = (lead + pem().decode()).replace("\n", end) + end
    assert private_key_from(text.encode(), never) == SECRET


# -- all else is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\n", SECRET, SECRET.hex().encode()[:-1], b"0x" + SECRET.hex().encode()[2:],
        b"0x0x" + SECRET.hex().encode(), b"0" * 64, b"%x" % ORDER, b"f" * 64, b"g" * 64,
        SECRET.hex().encode() * 2, SECRET.hex().encode() + b"\n" * 5000, "é".encode() * 32,
        pem()[:-40], pem().replace(b"PRIVATE KEY", b"CERTIFICATE"),
        pem().replace(b"PRIVATE KEY", b"OPENSSH PRIVATE KEY"),
        pem(ec.derive_private_key(int.from_bytes(SECRET), ec.SECP256R1())),
        pem(ed25519.Ed25519PrivateKey.from_private_bytes(SECRET)),
        pem(rsa.generate_private_key(65537, 2048)),
        NUMBER.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    ],
)  # fmt: skip
def test_what_holds_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(KeyFileError, match="no private key") as caught:
        private_key_from(text, never, place="from somewhere")
    assert caught.value.place == "from somewhere"
    assert "64 hexadecimal digits" in caught.value.advice
    assert caught.value.__cause__ is caught.value.__context__ is None


@few_rounds
@pytest.mark.parametrize("wrong", [b"wrong", b"", PHRASE + b"\n", PHRASE[:-1]])
def test_a_wrong_passphrase_is_told_as_such(wrong: bytes) -> None:
    with pytest.raises(KeyFileError, match="does not open") as caught:
        private_key_from(encrypted_key(), lambda: wrong)
    assert caught.value.__cause__ is caught.value.__context__ is None


@few_rounds
def test_a_missing_passphrase_is_told_as_such() -> None:
    with pytest.raises(KeyFileError, match="no passphrase was given"):
        private_key_from(encrypted_key())


DAMAGED = pem()[:-40]
OF_ANOTHER_CURVE = pem(ec.derive_private_key(int.from_bytes(SECRET), ec.SECP256R1()))


def damaged() -> bytes:
    return DAMAGED


def of_another_curve() -> bytes:
    return OF_ANOTHER_CURVE


def too_short() -> bytes:
    return SECRET.hex().encode()[:-1]


@pytest.mark.parametrize("text", [damaged, of_another_curve, too_short])
def test_no_refusal_shows_what_it_refuses(text: Callable[[], bytes]) -> None:
    shown = diagnosed(lambda: private_key_from(text(), phrase))
    assert not shows(shown, SECRET)
    assert SECRET.hex()[:20] not in shown
    assert text().splitlines()[-1].decode() not in shown


def right_but_failing() -> bytes:
    raise KeyFileError("the passphrase cannot be asked for")


def wrong() -> bytes:
    return b"another passphrase of the tests"


@few_rounds
@pytest.mark.parametrize("ask", [wrong, right_but_failing, None])
def test_neither_the_passphrase_nor_the_encrypted_form_is_shown(ask: Passphrase | None) -> None:
    text = encrypted_key()

    def locked() -> bytes:
        return text

    shown = diagnosed(lambda: private_key_from(locked(), ask))
    assert "another passphrase" not in shown
    assert not [line for line in text.splitlines() if line[:20].decode() in shown]


texts = st.one_of(
    st.binary(max_size=300),
    st.text("0123456789abcdefABCDEFx \n", min_size=60, max_size=70).map(str.encode),
    st.binary(max_size=300).map(
        lambda der: (
            b"-----BEGIN PRIVATE KEY-----\n"
            + base64.encodebytes(der)
            + b"-----END PRIVATE KEY-----\n"
        )
    ),
)


@given(texts)
def test_arbitrary_bytes_are_refused_or_are_a_key(text: bytes) -> None:
    assert isinstance(key_in(text), PrivateKey | Refusal)


@given(st.binary(max_size=300).filter(lambda text: not forms.DIGITS.fullmatch(text.strip())))
def test_every_refusal_has_the_same_words(text: bytes) -> None:
    with pytest.raises(KeyFileError) as caught:
        private_key_from(text, never)
    assert caught.value.explained() == Refusal.NO_KEY.error("").explained()


@given(
    st.sampled_from(
        [NUMBER.private_bytes(Encoding.DER, form, NoEncryption()) for form in PLAIN_FORMS]
    ),
    st.integers(min_value=0),
    st.integers(1, 255),
    st.sampled_from(["PRIVATE KEY", "EC PRIVATE KEY"]),
)
def test_a_changed_byte_gives_a_refusal_or_a_key(der: bytes, at: int, by: int, name: str) -> None:
    changed = bytearray(der)
    changed[at % len(der)] ^= by
    text = (
        f"-----BEGIN {name}-----\n{base64.encodebytes(changed).decode()}-----END {name}-----\n"
    ).encode()
    assert isinstance(key_in(text, PHRASE), PrivateKey | Refusal)


@few_rounds
@quick
@given(st.integers(-144, -1), st.integers(1, 255))
def test_a_changed_byte_of_the_ciphertext_never_gives_another_key(at: int, by: int) -> None:
    """PBES2 has no checksum; but the public key lies beside the private one."""
    lines = encrypted_key().splitlines()
    der = bytearray(base64.b64decode(b"".join(lines[1:-1])))
    der[at] ^= by
    text = b"\n".join([lines[0], base64.b64encode(der), lines[-1], b""])
    key = key_in(text, PHRASE)
    assert isinstance(key, Refusal) or key.secret == SECRET


# -- openssl ---------------------------------------------------------------------------------------


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., bytes]:
    """Runs it in a folder where ``phrase`` holds the passphrase; returns what it writes."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the command openssl is not installed, so it cannot read what is written here")
    (tmp_path / "phrase").write_bytes(PHRASE)

    def run(*arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [program, *arguments], cwd=tmp_path, input=given, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def test_openssl_opens_what_is_written_here(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_bytes(encrypted_key())
    shown = openssl("pkey", "-in", "x.pem", "-passin", "file:phrase", "-noout", "-text").decode()
    assert "secp256k1" in shown
    digits = "".join(shown.split("priv:")[1].split("pub:")[0].split()).replace(":", "")
    assert digits == SECRET.hex()


def test_what_openssl_makes_is_read(openssl: Callable[..., bytes]) -> None:
    made = openssl("ecparam", "-name", "secp256k1", "-genkey")
    secret = private_key_from(made, never)
    for arguments in (
        ("pkcs8", "-topk8", "-nocrypt"),
        ("pkcs8", "-topk8", "-passout", "file:phrase"),
        ("pkcs8", "-topk8", "-scrypt", "-passout", "file:phrase"),
        ("pkcs8", "-topk8", "-iter", "10000", "-passout", "file:phrase"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "file:phrase"),
        ("ec", "-aes256", "-passout", "file:phrase"),
        ("ec", "-no_public"),
    ):
        assert private_key_from(openssl(*arguments, given=made), phrase) == secret, arguments
    public = openssl("ec", "-pubout", "-conv_form", "compressed", "-outform", "DER", given=made)
    assert public.endswith(PrivateKey(secret).public_key.format())


@pytest.mark.parametrize(
    "arguments",
    [
        ("ecparam", "-name", "secp256k1", "-genkey", "-param_enc", "explicit"),
        ("ecparam", "-name", "prime256v1", "-genkey"),
        ("ecparam", "-name", "sect283k1", "-genkey"),
        ("genpkey", "-algorithm", "ed25519"),
        ("ecparam", "-name", "secp256k1"),
    ],
)
def test_what_openssl_makes_for_other_ends_is_refused(
    openssl: Callable[..., bytes], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(KeyFileError, match="no private key"):
        private_key_from(openssl(*arguments), never)
