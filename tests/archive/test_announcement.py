"""The signed announcement. The constants were made by status-go."""

from __future__ import annotations

import re

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.archive.announcement import (
    MAX_CHANNELS,
    MAX_NAME_LENGTH,
    Announcement,
    describe,
    from_line,
    names_another,
    open_announcement,
    open_description,
    open_join_response,
    sign,
    to_line,
)
from workflow.archive.hashing import keccak256
from workflow.archive.wire import field, varint
from workflow.errors import AnnouncementInvalidError

PRIVATE_KEY = PrivateKey(
    bytes.fromhex("8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63")
)
COMMUNITY = bytes.fromhex("0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792")
CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
MAGNET_LINK = (
    "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567"
    "&dn=0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
    "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce"
    "&tr=udp%3A%2F%2Ftracker.openbittorrent.com%3A6969%2Fannounce"
)
ANNOUNCEMENT = Announcement(1704672000123, MAGNET_LINK)
PAYLOAD = bytes.fromhex("08fbf0f9b2ce3112f801") + MAGNET_LINK.encode()
SIGNATURE = bytes.fromhex(
    "8034972847ddd51d6c91c77f6739f42f3f1e08bd4700c3febb1de9adf1492330"
    "3f4ce4703da66cb86179505c4529bf41759805db7e736c91d5c25c7a79369230"
    "01"
)
MESSAGE = b"\x0a\x41" + SIGNATURE + b"\x12\x82\x02" + PAYLOAD + b"\x18\x2b"
BUNDLE = bytes.fromhex(
    "0a21033d5c2875c9bd116875a71a5db64cffcb13396b163d039b1d9327824891804334123a0a0f7a776972652d"
    "696e7374616c6c2d3112270a2103a4894a1a0266c7e49d50d6e8701cd1e25321df48cf512acc44db8b7e49dc06"
    "5f100118012241ba5dba2c223a8b1d867d1fbac8fe18f29aaa033aaa00fc5e4214a3588880b63f64d7ed549c23"
    "ce4a237f694370f73cb99953e172e4538755aee8a45c4d8310f50128d6a6cfe69cb692f518"
)
INSTALLATION_FIELD = field(2, b"zwire-install-1")


def sign_digest(digest: bytes) -> bytes:
    return PRIVATE_KEY.sign_recoverable(digest, hasher=None)


def envelope(payload: bytes, signature: bytes | None = None, type_: int = 43) -> bytes:
    signed = sign_digest(keccak256(payload)) if signature is None else signature
    return field(1, signed) + field(2, payload) + b"\x18" + varint(type_)


def link(clock: int, locator: bytes) -> bytes:
    return b"\x08" + varint(clock) + field(2, locator)


class TestGoldenAnnouncement:
    def test_is_signed_to_the_same_bytes(self) -> None:
        assert sign(ANNOUNCEMENT, sign_digest) == MESSAGE

    def test_is_opened(self) -> None:
        opened = open_announcement(MESSAGE)
        assert opened.signer == COMMUNITY
        assert opened.announcement == ANNOUNCEMENT
        assert opened.message == MESSAGE
        assert opened.id == "0xc8f271ce0ccca7922cdb5fa42edf1d697d86fd697164e6fee4eb1126db37f718"

    def test_is_opened_in_the_wrapper_with_or_without_bundle(self) -> None:
        bare = INSTALLATION_FIELD + field(102, MESSAGE)
        bundled = INSTALLATION_FIELD + field(3, BUNDLE) + field(102, MESSAGE)
        assert open_announcement(bare) == open_announcement(MESSAGE)
        assert open_announcement(bundled) == open_announcement(MESSAGE)


LOCATORS = st.text(min_size=1, max_size=1000)


@given(st.integers(1, 2**63 - 1), LOCATORS, st.integers(1, CURVE_ORDER - 1))
def test_round_trip(clock: int, locator: str, secret: int) -> None:
    key = PrivateKey.from_int(secret)
    signed = sign(
        Announcement(clock, locator), lambda digest: key.sign_recoverable(digest, hasher=None)
    )
    opened = open_announcement(signed)
    assert opened.signer == key.public_key.format()
    assert opened.announcement == Announcement(clock, locator)


def test_no_changed_bit_leaves_the_signer() -> None:
    for place in range(8 * len(MESSAGE)):
        changed = bytearray(MESSAGE)
        changed[place // 8] ^= 1 << place % 8
        try:
            opened = open_announcement(bytes(changed))
        except AnnouncementInvalidError:
            continue
        assert opened.signer != COMMUNITY, f"bit {place}"


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_opened_or_refused_by_name(data: bytes) -> None:
    with pytest.raises(AnnouncementInvalidError):
        open_announcement(data)


class TestReadingBelievesNothing:
    def refused(self, data: bytes, complaint: str) -> None:
        with pytest.raises(AnnouncementInvalidError, match=complaint):
            open_announcement(data)

    def test_no_signature(self) -> None:
        self.refused(envelope(PAYLOAD, b""), "a signature of 0 bytes")
        self.refused(field(2, PAYLOAD) + b"\x18\x2b", "a signature of 0 bytes")

    @pytest.mark.parametrize("length", [1, 64, 66])
    def test_a_signature_of_another_length(self, length: int) -> None:
        self.refused(envelope(PAYLOAD, (SIGNATURE + b"\x00")[:length]), "a signature of")

    @pytest.mark.parametrize("v", [2, 3, 4, 27, 28, 255])
    def test_another_v(self, v: int) -> None:
        self.refused(envelope(PAYLOAD, SIGNATURE[:64] + bytes([v])), f"v is {v}, neither")

    def test_the_twin_of_a_signature(self) -> None:
        """(r, n - s) with the other v is recovered to the same signer, in other bytes."""
        s = CURVE_ORDER - int.from_bytes(SIGNATURE[32:64], "big")
        twin = SIGNATURE[:32] + s.to_bytes(32, "big") + b"\x00"
        self.refused(envelope(PAYLOAD, twin), "upper half")

    @pytest.mark.parametrize("r", [0, CURVE_ORDER, 2**256 - 1, 5])
    def test_a_signature_that_is_none(self, r: int) -> None:
        signature = r.to_bytes(32, "big") + SIGNATURE[32:]
        self.refused(envelope(PAYLOAD, signature), "not on the curve")

    @pytest.mark.parametrize("type_", [0, 1, 42, 44])
    def test_another_type(self, type_: int) -> None:
        self.refused(envelope(PAYLOAD, type_=type_), f"of type {type_} is not an announcement")

    def test_an_empty_locator(self) -> None:
        self.refused(envelope(link(1, b"")), "locator is empty")

    def test_a_locator_of_more_than_four_kibibytes(self) -> None:
        assert open_announcement(envelope(link(1, b"m" * 4096))).announcement.clock == 1
        self.refused(envelope(link(1, b"m" * 4097)), "a locator of 4097 bytes")
        self.refused(envelope(link(1, "ü".encode() * 2049)), "a locator of 4098 bytes")

    def test_a_locator_that_is_no_text(self) -> None:
        self.refused(envelope(link(1, b"\xff")), "not an announcement")

    def test_a_clock_beyond_every_database(self) -> None:
        self.refused(envelope(link(2**63, b"magnet:")), "is out of range")

    def test_no_clock(self) -> None:
        """0 is the clock of an unsigned link, so that every signed one is newer."""
        self.refused(envelope(field(2, b"magnet:")), "the clock 0 is out of range")

    def test_more_than_eight_kibibytes_without_the_wrapper(self) -> None:
        """They are kept and passed on by hand; only the community itself could sign so many."""
        bundle = field(3, bytes(500_000))
        assert open_announcement(bundle + field(102, MESSAGE)).message == MESSAGE
        long = envelope(link(1, b"magnet:") + field(9, bytes(8192)))
        self.refused(long, "an announcement of 8[0-9]{3} bytes is longer than 8192")

    def test_the_same_message_in_another_envelope(self) -> None:
        """Nobody needs a key to write these, and each would be a message of its own."""
        signature, payload, kind = MESSAGE[:67], MESSAGE[67:-2], MESSAGE[-2:]
        assert signature + payload + kind == MESSAGE
        for other in (
            MESSAGE + field(99, b"x"),
            MESSAGE + b"\x20\x01",
            field(99, b"") + MESSAGE,
            payload + signature + kind,
            kind + signature + payload,
            signature + signature + payload + kind,
            field(1, bytes(65)) + MESSAGE,
            MESSAGE + kind,
            signature + payload + b"\x18\xab\x00",
            b"\x0a\xc1\x00" + MESSAGE[2:],
            b"\x8a\x00" + MESSAGE[1:],
        ):
            self.refused(other, "has not its only form")

    def test_too_many_bytes(self) -> None:
        self.refused(bytes(1024 * 1024 + 1), "is longer than")

    def test_too_many_fields(self) -> None:
        self.refused(field(9, b"") * 65, "more than 64 fields")

    def test_broken_bytes(self) -> None:
        self.refused(MESSAGE[:-1], "not an announcement")
        self.refused(field(102, b"\x0a\x05"), "not an announcement")
        self.refused(envelope(b"\x12\x05"), "not an announcement")

    def test_the_wrapper_in_a_wrapper(self) -> None:
        self.refused(field(102, field(102, MESSAGE)), "of type 0")


class TestWhatNobodyWouldRead:
    @pytest.mark.parametrize(
        ("announcement", "complaint"),
        [
            (Announcement(1, ""), "locator is empty"),
            (Announcement(1, "m" * 4097), "a locator of 4097 bytes"),
            (Announcement(-1, "magnet:"), "is out of range"),
            (Announcement(0, "magnet:"), "is out of range"),
            (Announcement(2**63, "magnet:"), "is out of range"),
        ],
    )
    def test_is_not_signed(self, announcement: Announcement, complaint: str) -> None:
        with pytest.raises(AnnouncementInvalidError, match=complaint):
            sign(announcement, sign_digest)

    def test_is_not_sent_with_another_form_of_signature(self) -> None:
        with pytest.raises(AnnouncementInvalidError, match="a signature of 64 bytes"):
            sign(ANNOUNCEMENT, lambda _: SIGNATURE[:64])


ID = "0x" + COMMUNITY.hex()
LINE = to_line(ID, MESSAGE)


class TestLines:
    def test_a_line_is_ascii_without_anything_that_a_copy_would_change(self) -> None:
        assert re.fullmatch(
            r"community-archives:announcement:0x[0-9a-f]{66}:[\w-]+", LINE, re.ASCII
        )
        assert from_line(LINE) == (ID, MESSAGE)

    def test_white_space_around_it_is_cut_off(self) -> None:
        assert from_line(f" \t\r\n{LINE}\r\n") == (ID, MESSAGE)

    @given(st.binary(min_size=1, max_size=8192))
    def test_round_trip(self, message: bytes) -> None:
        assert from_line(to_line(ID, message)) == (ID, message)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            MAGNET_LINK,
            LINE[1:],
            LINE.upper(),
            LINE + "=",
            LINE + "A",  # as many characters as no bytes give
            LINE[:-1] + "\u00e4",
            LINE.replace(":0x", ":"),
            LINE.replace(":0x02", ":0x04"),
            LINE.replace(ID, ID[:-1]),
            LINE[:100] + "\n" + LINE[100:],
            LINE[:150] + " " + LINE[150:],
            f"{LINE} {LINE}",
            "\u00a0" + LINE,
            LINE[: LINE.rindex(":") + 1],
            to_line(ID, b"a")[:-1] + "R",  # bits that mean nothing
            f"community-archives:announcement:{ID}:" + "A" * 10_924,
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(AnnouncementInvalidError):
            from_line(text)

    @given(st.text())
    def test_any_text_is_read_or_refused_by_name(self, text: str) -> None:
        with pytest.raises(AnnouncementInvalidError):
            from_line(text)

    @pytest.mark.parametrize(
        ("community", "message"),
        [(ID.upper(), MESSAGE), ("chess", MESSAGE), (ID, b""), (ID, bytes(8193))],
    )
    def test_what_could_not_be_read_is_not_written(self, community: str, message: bytes) -> None:
        with pytest.raises(AnnouncementInvalidError):
            to_line(community, message)


OTHER_ID = "0x03" + "ab" * 32


@pytest.mark.parametrize(
    ("locator", "expected"),
    [
        (MAGNET_LINK, False),
        (MAGNET_LINK.replace(ID, OTHER_ID), True),
        (MAGNET_LINK.replace(ID, OTHER_ID.upper().replace("X", "x")), True),
        (MAGNET_LINK.replace(ID, "archives"), False),
        (MAGNET_LINK.replace(f"&dn={ID}", ""), False),
        (f"memory:{OTHER_ID}", False),
    ],
)
def test_a_magnet_link_may_name_another_community(locator: str, expected: bool) -> None:
    assert names_another(locator, ID) is expected


class TestOtherMessagesThatSpeakOfLinks:
    def join_response(self, clock: int, *, accepted: bool = True, magnet: bytes = b"m") -> bytes:
        flag = b"\x18\x01" if accepted else b""
        rest = field(4, b"grant") + field(5, COMMUNITY) + field(6, magnet) + field(7, bytes(32))
        return envelope(b"\x08" + varint(clock) + flag + rest, type_=48)

    def test_a_join_response_carries_a_link_under_its_own_clock(self) -> None:
        opened = open_join_response(self.join_response(5))
        assert (opened.signer, opened.community) == (COMMUNITY, ID)
        assert opened.announcement == Announcement(5, "m")

    def test_a_join_response_may_carry_none(self) -> None:
        for message in (self.join_response(5, accepted=False), self.join_response(0, magnet=b"")):
            assert open_join_response(message).announcement is None

    @pytest.mark.parametrize(
        "payload",
        [b"", b"\x0a\x05", field(5, bytes(33)), field(5, COMMUNITY[1:]), field(6, b"\xff")],
    )
    def test_a_join_response_without_sense(self, payload: bytes) -> None:
        with pytest.raises(AnnouncementInvalidError, match="join response"):
            open_join_response(envelope(payload, type_=48))
        with pytest.raises(AnnouncementInvalidError, match="is not a join response"):
            open_join_response(envelope(payload, type_=43))

    def test_a_description_names_the_clock_of_the_newest_link(self) -> None:
        members = field(2, bytes(1000))
        message = envelope(b"\x08\x05" + members + b"\x48" + varint(1704672000123), type_=25)
        opened = open_description(field(102, message))
        assert (opened.signer, opened.magnetlink_clock) == (COMMUNITY, 1704672000123)
        assert open_description(envelope(b"\x08\x05", type_=25)).magnetlink_clock == 0

    @pytest.mark.parametrize("payload", [b"\x0a\x05", b"\x48" + varint(2**63)])
    def test_a_description_without_sense(self, payload: bytes) -> None:
        with pytest.raises(AnnouncementInvalidError):
            open_description(envelope(payload, type_=25))
        with pytest.raises(AnnouncementInvalidError, match="of type 48 is not a description"):
            open_description(envelope(payload, type_=48))

    def test_a_description_is_given_the_clock_and_keeps_all_else(self) -> None:
        members = field(2, bytes(1000)) + field(77, b"of a later version")
        payload = b"\x08\x05" + members
        for one in (
            payload,
            envelope(payload, type_=25),
            field(102, envelope(payload, type_=25)),
        ):
            message = describe(one, 1704672000123, sign_digest)
            opened = open_description(message)
            assert (opened.signer, opened.magnetlink_clock) == (COMMUNITY, 1704672000123)
            for kept in (field(2, bytes(1000)), field(77, b"of a later version"), b"\x08\x05"):
                assert kept in message
            again = describe(message, 1704672000122, sign_digest)
            assert open_description(again).magnetlink_clock == 1704672000123

    @pytest.mark.parametrize(
        "given", [b"", b"\x0a\x05", b"\x48\x01", envelope(b"\x08\x05", type_=43)]
    )
    def test_what_is_no_description_is_not_described(self, given: bytes) -> None:
        with pytest.raises(AnnouncementInvalidError):
            describe(given, 5, sign_digest)

    def test_channels_are_read_up_to_a_limit(self) -> None:
        def channel(number: int) -> bytes:
            uuid = f"00000000-0000-0000-0000-{number:012x}"
            return field(6, field(1, uuid.encode()) + field(2, field(3, field(4, b"n" * 200))))

        channels = b"".join(map(channel, range(MAX_CHANNELS)))
        opened = open_description(envelope(b"\x08\x05" + channels, type_=25))
        assert len(opened.channels) == MAX_CHANNELS
        assert set(opened.channels.values()) == {"n" * MAX_NAME_LENGTH}
        with pytest.raises(AnnouncementInvalidError, match="more than 1000 channels"):
            open_description(envelope(b"\x08\x05" + channels + channel(-1 % 2**40), type_=25))
