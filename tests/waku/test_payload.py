"""The encrypted payload. The vectors were made by go-waku and js-waku."""

from __future__ import annotations

import hashlib

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.waku.samples import ACCOUNT, KEY, SENDER, Vector, counted, drawn, signed_by, vectors
from workflow.archive.hashing import keccak256
from workflow.waku.payload import MAX_DATA_LENGTH, Decoded, decode, decrypt, encode, encrypt
from workflow.waku.refusal import Refusal

SIGN = signed_by(ACCOUNT)
NONCE = bytes(range(12))
OVERHEAD = 16 + 12
FLAGS_OF_ALL = {0b001, 0b010, 0b011, 0b101, 0b110, 0b111}

every_vector = pytest.mark.parametrize(
    "vector",
    [
        pytest.param(one, id=f"{maker} {len(one.data)}{' signed' if one.is_signed else ''}")
        for maker in ("go-waku", "js-waku")
        for one in vectors(maker)
    ],
)


def plaintext_of(payload: bytes) -> bytes:
    plaintext = decrypt(KEY, payload)
    assert isinstance(plaintext, bytes)
    return plaintext


def decoded(plaintext: bytes) -> Decoded:
    found = decode(plaintext)
    assert isinstance(found, Decoded)
    return found


class TestOthersAndOurs:
    @every_vector
    def test_theirs_is_read(self, vector: Vector) -> None:
        found = decoded(plaintext_of(vector.encrypted))
        assert found.data == vector.data
        assert 1 <= len(found.padding) <= 256
        assert found.sender == (SENDER if vector.is_signed else None)

    @every_vector
    def test_ours_is_theirs_to_the_byte(self, vector: Vector) -> None:
        """Given what they drew."""
        found = decoded(plaintext_of(vector.encrypted))
        sign = SIGN if vector.is_signed else None
        plaintext = encode(vector.data, drawn(found.padding), sign)
        assert encrypt(KEY, plaintext, drawn(vector.encrypted[-12:])) == vector.encrypted

    @pytest.mark.parametrize(
        ("data", "is_signed", "digest"),
        [
            (b"", False, "33e5d65faf1cc2fa258418a98ebd20eb9e02d9ca769adf7e4daf6b6a91f107a7"),
            (b"", True, "f1feca5e1b2d93a9ac69fb68563c168d5a59fb7431fa37d858a15b60175ac4fd"),
            (
                b"hello waku",
                True,
                "81091db50bf180eb10c2517f8a4f0cda5e5d9e23a25b8241f66c105a9a21b284",
            ),
            (b"x" * 190, True, "fb2d8602ff2dee4facb017175e8248c68a15997d7bd5c1f3f3d5d07234c4616f"),
            (b"x" * 254, False, "147b83fc729ec056caebcb0227c6b372a63e5a0c6a52955d90046f7382e7cd0a"),
            (b"x" * 256, True, "273dc042016b88458fd7ed9b6731c57ab6321979114aff883e1198ed85eb0026"),
        ],
    )
    def test_equal_draws_give_equal_bytes(self, data: bytes, is_signed: bool, digest: str) -> None:
        plaintext = encode(data, lambda length: b"\x5a" * length, SIGN if is_signed else None)
        encrypted = encrypt(KEY, plaintext, drawn(NONCE))
        assert hashlib.sha256(encrypted).hexdigest() == digest


class TestForm:
    @given(st.binary(max_size=700), st.booleans())
    def test_what_is_sealed_is_opened(self, data: bytes, is_signed: bool) -> None:
        plaintext = encode(data, counted, SIGN if is_signed else None)
        encrypted = encrypt(KEY, plaintext, counted)
        assert len(plaintext) % 256 == 0
        assert len(encrypted) == len(plaintext) + OVERHEAD
        assert plaintext[0] in FLAGS_OF_ALL
        found = decoded(plaintext_of(encrypted))
        assert found.data == data
        assert found.sender == (SENDER if is_signed else None)
        assert found.padding == counted(len(found.padding))

    @pytest.mark.parametrize(
        ("length", "padding"), [(187, 2), (188, 1), (189, 256), (190, 255), (444, 256)]
    )
    def test_padding_is_never_empty(self, length: int, padding: int) -> None:
        assert len(decoded(encode(bytes(length), counted, SIGN)).padding) == padding

    @pytest.mark.parametrize(
        ("length", "width"), [(0, 1), (255, 1), (256, 2), (0xFFFF, 2), (0x10000, 3), (0x12345, 3)]
    )
    def test_the_length_takes_as_few_bytes_as_it_can(self, length: int, width: int) -> None:
        plaintext = encode(bytes(length), counted)
        assert plaintext[0] == width
        assert plaintext[1 : 1 + width] == length.to_bytes(width, "little")
        assert decoded(plaintext).data == bytes(length)

    def test_a_plaintext_of_another_writer_need_not_be_whole_blocks(self) -> None:
        assert decode(b"\x03\x02\0\0ab") == Decoded(b"ab", b"", None)
        assert decode(b"\xf9\x02abc") == Decoded(b"ab", b"c", None)

    @pytest.mark.parametrize("v", [0, 27])
    def test_both_ways_to_end_a_signature_are_read(self, v: int) -> None:
        signed = b"\x05\x02ab"
        signature = SIGN(keccak256(signed))
        plaintext = signed + signature[:-1] + bytes([signature[-1] + v])
        assert decode(plaintext) == Decoded(b"ab", b"", SENDER)

    def test_a_signature_in_its_other_form_is_read(self) -> None:
        order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
        signed = b"\x05\x02ab"
        signature = SIGN(keccak256(signed))
        s = order - int.from_bytes(signature[32:64], "big")
        twin = signature[:32] + s.to_bytes(32, "big") + bytes([1 - signature[64]])
        assert decode(signed + twin) == Decoded(b"ab", b"", SENDER)


class TestReadingBelievesNothing:
    SEALED = encrypt(KEY, encode(b"hello", counted, SIGN), counted)

    @given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
    def test_a_changed_bit(self, byte: int, bit: int) -> None:
        changed = bytearray(self.SEALED)
        changed[byte] ^= 1 << bit
        assert decrypt(KEY, bytes(changed)) is Refusal.OTHER_KEY

    @given(st.integers(1, len(SEALED)), st.booleans())
    def test_cut_off_at_either_end(self, cut: int, at_the_end: bool) -> None:
        part = self.SEALED[:-cut] if at_the_end else self.SEALED[cut:]
        expected = Refusal.CUT_OFF if len(part) < OVERHEAD else Refusal.OTHER_KEY
        assert decrypt(KEY, part) is expected

    @given(st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY))
    def test_another_key(self, key: bytes) -> None:
        assert decrypt(key, self.SEALED) is Refusal.OTHER_KEY

    def test_nothing_at_all_may_be_encrypted(self) -> None:
        assert decrypt(KEY, encrypt(KEY, b"", counted)) == b""
        assert decode(b"") is Refusal.CUT_OFF

    @pytest.mark.parametrize(
        ("plaintext", "refusal"),
        [
            (b"\x00" + bytes(255), Refusal.NO_SIZE),
            (b"\x04" + bytes(255), Refusal.NO_SIZE),
            (b"\x01", Refusal.CUT_OFF),
            (b"\x03\x01\x00", Refusal.CUT_OFF),
            (b"\x05" + bytes(65), Refusal.CUT_OFF),
            (b"\x04" + bytes(64), Refusal.CUT_OFF),
            (b"\x01\x02a", Refusal.PAST_THE_END),
            (b"\x03\xff\xff\xff" + bytes(100), Refusal.PAST_THE_END),
            (b"\x05\x01" + bytes(65), Refusal.PAST_THE_END),
            (b"\x05\x00" + bytes(65), Refusal.SIGNATURE),
            (b"\x05\x00" + b"\xff" * 64 + b"\x00", Refusal.SIGNATURE),
            (b"\x05\x00" + bytes(range(1, 65)) + b"\x02", Refusal.SIGNATURE),
            (b"\x05\x00" + bytes(range(1, 65)) + b"\x1d", Refusal.SIGNATURE),
        ],
    )
    def test_a_plaintext_that_lies(self, plaintext: bytes, refusal: Refusal) -> None:
        assert decode(plaintext) is refusal

    @given(st.binary(max_size=200))
    def test_any_plaintext_is_read_within_itself_or_refused(self, plaintext: bytes) -> None:
        found = decode(plaintext)
        if isinstance(found, Decoded):
            signature = 65 if found.sender else 0
            width = plaintext[0] & 3
            assert 1 + width + len(found.data) + len(found.padding) + signature == len(plaintext)

    @given(st.integers(0, len(SEALED) - OVERHEAD - 66))
    def test_what_is_changed_under_a_signature_has_another_sender(self, byte: int) -> None:
        plaintext = bytearray(plaintext_of(self.SEALED))
        plaintext[byte] ^= 0x80
        found = decode(bytes(plaintext))
        assert isinstance(found, Refusal) or found.sender != SENDER


class TestWritingIsStrict:
    def test_a_key_of_another_length_or_of_zeros(self) -> None:
        for key in (b"", bytes(16), bytes(range(16)), bytes(32)):
            with pytest.raises(ValueError, match="32 bytes"):
                encrypt(key, b"", counted)

    def test_random_bytes_that_are_none(self) -> None:
        with pytest.raises(ValueError, match="all zero"):
            encrypt(KEY, b"", bytes)
        with pytest.raises(ValueError, match="all zero"):
            encode(b"", bytes)
        with pytest.raises(ValueError, match="1 random bytes were drawn, not 12"):
            encrypt(KEY, b"", lambda length: b"x")

    def test_few_zeros_may_be_drawn(self) -> None:
        assert encode(bytes(254 - 11), bytes)[-11:] == bytes(11)

    @pytest.mark.parametrize("signature", [b"", bytes(64), bytes(66), bytes(64) + b"\x1b"])
    def test_a_signature_in_another_form(self, signature: bytes) -> None:
        with pytest.raises(ValueError, match="65 bytes"):
            encode(b"", counted, lambda digest: signature)

    def test_more_than_a_length_can_say(self) -> None:
        assert decoded(encode(bytes(MAX_DATA_LENGTH), counted)).data == bytes(MAX_DATA_LENGTH)
        with pytest.raises(ValueError, match="16777216 bytes are more"):
            encode(bytes(MAX_DATA_LENGTH + 1), counted)

    def test_every_signer_is_recovered(self) -> None:
        """Both values of v are among them."""
        ends = set()
        for number in range(1, 17):
            key = PrivateKey.from_int(number)
            plaintext = encode(b"a", counted, signed_by(key))
            assert decoded(plaintext).sender == key.public_key.format(compressed=False)
            ends.add(plaintext[-1])
        assert ends == {0, 1}
