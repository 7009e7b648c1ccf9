"""The hash ratchet. The constants were made by status-go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.archive.codec import decode_archive, encode_archive
from workflow.archive.index import IndexEntry, decode_index
from workflow.archive.message import ArchivedMessage
from workflow.archive.pieces import MAX_RAW_SIZE
from workflow.archive.ratchet import KeyReference, RatchetKey, decrypt, encrypt, is_encrypted
from workflow.archive.windows import Window
from workflow.archive.wire import field, varint
from workflow.errors import ArchiveInvalidError, RatchetKeyMissingError

COMMUNITY = bytes.fromhex("0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792")
KEY = RatchetKey(
    bytes.fromhex("0726456483a2c1e0ff1e3d5c7b9ab9d8f71635547392b1d0ef0e2d4c6b8aa9c8"),
    1704067200010,
    COMMUNITY,
)
KEY_ID = "501e5881afd43d89fbc511665c28459bc6c02f1ef51904b38d58bbdcbaaf0b8f"
INSTALLATION = "zwire-install-1"
INSTALLATION_FIELD = "120f7a776972652d696e7374616c6c2d31"
GROUP_AND_KEY_ID = f"1a21{COMMUNITY.hex()}2220{KEY_ID}"

FIRST = bytes.fromhex(
    INSTALLATION_FIELD + "aa067b0a046e6f6e6512731a21"
    "e0d66d3f94eb87fb55d9c16ae142005aa50dd594f270a6606ff63c5fbce3498e46"
    "b2064d088ae8c7920c1001" + GROUP_AND_KEY_ID
)
SECOND = bytes.fromhex(
    INSTALLATION_FIELD + "aa0684010a046e6f6e65127c1a2a"
    "b962e6a48b29259dc66c8904b1c1a06dfdc699c023fc45d1982cc45aea3db72fe9a0f7d5f952996f2749"
    "b2064d088ae8c7920c1002" + GROUP_AND_KEY_ID
)
ENCRYPTED_ARCHIVE = bytes.fromhex(
    INSTALLATION_FIELD + "aa0694030a046e6f6e65128b031ab802"
    "13fa0a839ae102fbd8ae756d92fb71b6b1008054bddc2317112065a76c390833c33d5b47151c1b46c8b28a1e"
    "e1449dcdebd01ad3323bb3236ace7be6d5f4fc87c6d54aa4f970c8bafd00b4ad71b74d36a28996f342644ac9"
    "cca8a3d44da3f75f8ccd421822c3c63fa826e2e60b9f257a63c3c2be4aacbb7b14ac658411c8c9e5ba271ba9"
    "7385306d64f40f1cdb02ac0d3e10a91e0548b5c990ceff9f078a41475f8089cf119b8bebc14040fb9bc77f88"
    "c0f5fa0c79c74dcb3809c393961cf44fa2f0a5c68ac20f0b3f934741b8d181e689e8340138866dfdb37d447f"
    "acaf2ae7cfabb44d4feffea152e549b242403294545bc20496e7ba82a0f67fa32617ced70e75bb2fff7948a3"
    "23a79a3b9cc9118b09ccbdaac8f57af723d2b5dd2b592bf436d79415e7e2aed5028f0147ea5183fd5d3d8c1a"
    "0a4fdffc"
    "b2064d088ae8c7920c1001" + GROUP_AND_KEY_ID
)
ENCRYPTED_INDEX = bytes.fromhex(
    INSTALLATION_FIELD + "aa06dc010a046e6f6e6512d3011a8001"
    "de120b4fd20adc726a0c096d3ff4461148b9d8ee97cdc9f174a324ed12e8cce56ea32baecf45904dbbc069f3"
    "ac0d34c0f218a654b6bd260a3d17e755a13c34e3f44983fb6664fb8b00875e4300fd5c4d3ac442ec47efebf6"
    "1eb86c2e5ea53ad1a4d63d6c629eba4a3f62d6def61f8a21a45e7688b0f5b1be08fac89103d3bcc0"
    "b2064d088ae8c7920c1002" + GROUP_AND_KEY_ID
)
NONCE = bytes(range(12))


def the_key(reference: KeyReference) -> RatchetKey | None:
    return KEY if KEY.answers(reference) else None


def any_key(reference: KeyReference) -> RatchetKey | None:
    return KEY


def sealed(header: str, payload: bytes = b"", entry: bytes = b"none") -> bytes:
    """A ProtocolMessage with the header's bytes as given."""
    message = field(3, payload) + field(102, bytes.fromhex(header))
    return field(101, field(1, entry) + field(2, message))


class TestKey:
    def test_its_ids(self) -> None:
        assert KEY.id.hex() == KEY_ID
        assert KEY.deprecated_id == 3260150794

    def test_a_message_names_it_in_one_way_or_the_other(self) -> None:
        assert KEY.answers(KeyReference(COMMUNITY, KEY.id, 3260150794))
        assert KEY.answers(KeyReference(b"", KEY.id, 0))
        assert KEY.answers(KeyReference(COMMUNITY, b"", 3260150794))
        assert not KEY.answers(KeyReference(COMMUNITY, bytes(32), 3260150794))
        assert not KEY.answers(KeyReference(COMMUNITY, b"", 1))
        assert not KEY.answers(KeyReference(b"", b"", 3260150794))

    @pytest.mark.parametrize(
        ("seq_no", "turned"),
        [
            (1, "dc7b69b8512dce347cacd51f7cff541905fdb5fabb71b37dc6b271c152bc8efc"),
            (2, "374249b5bb28bef8af048d08c628267151dd27784ce1c1db7d53e3a6da23f998"),
        ],
    )
    def test_it_is_turned_once_per_message(self, seq_no: int, turned: str) -> None:
        assert KEY.turned(seq_no).hex() == turned

    def test_it_is_turned_a_hundred_thousand_times_at_most(self) -> None:
        assert len(KEY.turned(100_000)) == 32
        for seq_no in (100_001, 0, -1):
            with pytest.raises(ArchiveInvalidError, match="sequence number"):
                KEY.turned(seq_no)

    def test_it_is_not_shown(self) -> None:
        assert repr(KEY) == f"RatchetKey(id={KEY_ID})"


class TestGoldenMessages:
    def test_are_decrypted_in_any_order(self) -> None:
        assert decrypt(SECOND, the_key) == b"second message"
        assert decrypt(FIRST, the_key) == b"first"

    @pytest.mark.parametrize(
        ("encrypted", "seq_no", "plaintext"),
        [(FIRST, 1, b"first"), (SECOND, 2, b"second message")],
    )
    def test_are_encrypted_to_the_same_bytes(
        self, encrypted: bytes, seq_no: int, plaintext: bytes
    ) -> None:
        nonce = encrypted[-77 - 3 - 12 : -77 - 3]
        assert encrypt(KEY, seq_no, nonce, INSTALLATION, plaintext) == encrypted

    def test_archive_and_index_are_read(self) -> None:
        assert is_encrypted(ENCRYPTED_INDEX)
        (entry,) = decode_index(decrypt(ENCRYPTED_INDEX, the_key))
        assert entry == IndexEntry(
            1704067200, 1704672000, (bytes.fromhex("50ce5327"),), 0, 102400, 101975
        )
        assert entry.id == "0xc635365615b43b3ad2981b99c1a6bafe525876a56653c3371b318c0a543faa22"
        assert entry.raw_size == len(ENCRYPTED_ARCHIVE)
        assert is_encrypted(ENCRYPTED_ARCHIVE)
        messages = decode_archive(decrypt(ENCRYPTED_ARCHIVE, the_key), entry)
        assert [message.payload for message in messages] == [b"secret one", b"secret two"]


@settings(max_examples=50)
@given(st.binary(), st.integers(1, 300), st.binary(min_size=12, max_size=12), st.text(max_size=40))
def test_round_trip(plaintext: bytes, seq_no: int, nonce: bytes, installation: str) -> None:
    encrypted = encrypt(KEY, seq_no, nonce, installation, plaintext)
    assert is_encrypted(encrypted)
    assert decrypt(encrypted, the_key) == plaintext


@given(st.permutations(range(1, 9)))
def test_the_order_of_reading_does_not_matter(order: list[int]) -> None:
    encrypted = {n: encrypt(KEY, n, NONCE, INSTALLATION, bytes([n])) for n in range(1, 9)}
    assert [decrypt(encrypted[n], the_key) for n in order] == [bytes([n]) for n in order]


class TestTellingPlainFromEncrypted:
    @pytest.mark.parametrize(
        "installation",
        [
            "c91752a3-3d58-4cab-b01b-a9880a3efb80",
            "00000000-0000-4000-8000-000000000000",
            INSTALLATION,
        ],
    )
    def test_not_by_whether_parsing_fails(self, installation: str) -> None:
        """With the first two, status-go reads the archive as a plain and empty one."""
        message = ArchivedMessage(
            b"\x04" * 65, 1704067201, b"\x50\xce\x53\x27", b"secret one", b"\x01", b"\x01" * 32
        )
        window, topics = Window(1704067200, 1704672000), (message.topic,)
        plain = encode_archive(window, topics, [message.encode()])
        encrypted = encrypt(KEY, 1, NONCE, installation, plain)
        assert not is_encrypted(plain)
        assert is_encrypted(encrypted)
        assert decrypt(encrypted, the_key) == plain
        entry = IndexEntry.at(0, window=window, topics=topics, raw_size=len(encrypted))
        with pytest.raises(ArchiveInvalidError):
            decode_archive(encrypted, entry)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            field(1, b"an index's entry"),
            field(2, b"metadata") + field(3, b"a message"),
            field(2, b"metadata only"),
            b"\xff",
            field(2, b"") * 65 + field(101, b"too late"),
        ],
    )
    def test_all_else_is_not_encrypted(self, data: bytes) -> None:
        assert not is_encrypted(data)


class TestReadingBelievesNothing:
    def refused(self, data: bytes, complaint: str) -> None:
        with pytest.raises(ArchiveInvalidError, match=complaint):
            decrypt(data, any_key)

    def test_a_key_that_is_not_here_yet_may_come(self) -> None:
        with pytest.raises(RatchetKeyMissingError) as caught:
            decrypt(FIRST, lambda _: None)
        assert caught.value.place == f"key {KEY_ID}"
        with pytest.raises(RatchetKeyMissingError) as caught:
            decrypt(sealed("0807"), lambda _: None)
        assert caught.value.place == "key deprecated id 7"

    def test_another_key(self) -> None:
        other = RatchetKey(bytes(32), 1, COMMUNITY)
        with pytest.raises(ArchiveInvalidError, match="not encrypted with the key they name"):
            decrypt(FIRST, lambda _: other)

    @given(st.integers(0, 32), st.integers(0, 7))
    def test_a_changed_bit(self, byte: int, bit: int) -> None:
        changed = bytearray(FIRST)
        changed[len(FIRST) - 80 - 33 + byte] ^= 1 << bit
        self.refused(bytes(changed), "not encrypted with the key they name")

    @pytest.mark.parametrize("length", [0, 1, 8, 12, 27])
    def test_too_few_bytes_for_a_ciphertext(self, length: int) -> None:
        self.refused(sealed("1001", bytes(length)), "not encrypted with the key they name")

    def test_a_key_exchange_encrypts_nothing(self) -> None:
        self.refused(sealed("", b"payload in clear"), "sequence number 0")

    def test_a_sequence_number_out_of_reach(self) -> None:
        self.refused(sealed("10" + varint(2**32 - 1).hex()), "sequence number 4294967295")

    def test_a_key_id_of_another_length(self) -> None:
        self.refused(sealed("2201ff"), "an id of 1 bytes")

    def test_a_message_for_one_device_only(self) -> None:
        self.refused(sealed("1001", entry=b"some-device"), "not for every member")
        self.refused(b"", "not for every member")

    def test_broken_bytes(self) -> None:
        self.refused(FIRST[:-1], "not an encrypted message")
        self.refused(field(101, b"\x0a\x05"), "not an encrypted message")
        self.refused(field(2, b"") * 65, "more than 64 fields")

    def test_too_many_bytes(self) -> None:
        self.refused(bytes(MAX_RAW_SIZE + 1), "is longer than")

    @pytest.mark.parametrize("length", [0, 11, 13])
    def test_a_nonce_that_no_reader_would_find(self, length: int) -> None:
        with pytest.raises(ArchiveInvalidError, match=f"a nonce of {length} bytes"):
            encrypt(KEY, 1, bytes(length), INSTALLATION, b"")

    def test_a_message_that_no_reader_would_reach(self) -> None:
        with pytest.raises(ArchiveInvalidError, match="sequence number 100001"):
            encrypt(KEY, 100_001, NONCE, INSTALLATION, b"")
