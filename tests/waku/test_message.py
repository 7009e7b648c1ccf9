"""The network's message. The constants are the specification's, go-waku's and nwaku's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import MessageTooLongError
from workflow.waku.message import GO_WAKU_LIMIT, NWAKU_LIMIT, STATUS_LIMIT, WakuMessage

TEST_PAYLOAD = bytes.fromhex("010203045445535405060708")
TOPIC = "/waku/2/default-content/proto"
DEFAULT, ZERO, STATUS = "/waku/2/default-waku/proto", "/waku/2/rs/0/0", "/waku/2/rs/16/32"
SECRET = b"super-secret"
FIRST, SECOND = 1681964442000000000, 123456789123456789
CHAT = "/waku/1/0x75322a5a/rfc26"
SENT = WakuMessage(b"cipher", CHAT, 1, 1795328915799798161, b"", ephemeral=False)


@pytest.mark.parametrize(
    ("pubsub_topic", "message", "expected"),
    [
        (
            DEFAULT,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST, meta=SECRET),
            "64cce733fed134e83da02b02c6f689814872b1a0ac97ea56b76095c3c72bfe05",
        ),
        (
            DEFAULT,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST, meta=bytes(range(64))),
            "7158b6498753313368b9af8f6e0a0a05104f68f972981da42a43bc53fb0c1b27",
        ),
        (
            DEFAULT,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST),
            "a2554498b31f5bcdfcbf7fa58ad1c2d45f0254f3f8110a85588ec3cf10720fd8",
        ),
        (
            DEFAULT,
            WakuMessage(b"", TOPIC, timestamp=FIRST, meta=SECRET),
            "483ea950cb63f9b9d6926b262bb36194d3f40a0463ce8446228350bd44e96de4",
        ),
        (
            "test",
            WakuMessage(b"Hello World", "Test", timestamp=SECOND),
            "b659607f2aae18848dcaa7d51cb37e6cc6fc33402c704ff0c016337d83ad6150",
        ),
        (
            DEFAULT,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=SECOND, meta=b""),
            "f0183c2e370e473ff471bbe1028d0d8a940949c02f3007a1ccd21fed356852a0",
        ),
        (
            DEFAULT,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=SECOND, meta=SECRET),
            "f673cd2c9c973d685b52ca74c2559e001733a3a31a49ffc7b6e8713decba5a55",
        ),
        (
            DEFAULT,
            WakuMessage(b"", TOPIC, timestamp=SECOND, meta=SECRET),
            "978ccc9a665029f9829d42d84e3a49ad3a4791cce53fb5a8b581ef43ad6b4d2f",
        ),
        (
            DEFAULT,
            WakuMessage(b"", TOPIC, meta=SECRET),
            "58e2fc032a82c4adeb967a8b87086d0d6fb304912f120d4404e6236add8f1f56",
        ),
        (
            ZERO,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST),
            "cccab07fed94181c83937c8ca8340c9108492b7ede354a6d95421ad34141fd37",
        ),
        (
            ZERO,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST, meta=SECRET),
            "b9b4852f9d8c489846e8bfc6c5ca6a1a8d460a40d28832a966e029eb39619199",
        ),
        (
            ZERO,
            WakuMessage(TEST_PAYLOAD, TOPIC, timestamp=FIRST, meta=bytes(range(64))),
            "653460d04f66c5b11814d235152f4f246e6f03ef80a305a825913636fbafd0ba",
        ),
        (
            ZERO,
            WakuMessage(b"", TOPIC, timestamp=FIRST, meta=SECRET),
            "0f6448cc23b2db6c696aa6ab4b693eff4cf3549ff346fe1dbeb281697396a09f",
        ),
        (
            STATUS,
            WakuMessage(b"hi", CHAT),
            "761febcd7da8328388494c61483e516306ba2772f34bb303b9280f43da5069de",
        ),
        (STATUS, SENT, "4960ed7163fec2f4fb653172258f30869e77aeade593844dddb4de83a0ff61db"),
    ],
)
def test_the_hash_is_the_networks(pubsub_topic: str, message: WakuMessage, expected: str) -> None:
    assert message.hash(pubsub_topic).hex() == expected


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (
            WakuMessage(b"", TOPIC, timestamp=FIRST, meta=SECRET),
            (
                "121d2f77616b752f322f64656661756c742d636f6e74656e742f70726f746f508090fca3f4efc4d72e"
                "5a0c73757065722d736563726574"
            ),
        ),
        (
            WakuMessage(b"hi", CHAT),
            "0a02686912182f77616b752f312f307837353332326135612f7266633236",
        ),
        (
            WakuMessage(b"typing", CHAT, 1, 1795328915799798162, ephemeral=True),
            (
                "0a06747970696e6712182f77616b752f312f307837353332326135612f7266633236180150a4c6df93e188"
                "a5ea31f80101"
            ),
        ),
        (
            SENT,
            (
                "0a0663697068657212182f77616b752f312f307837353332326135612f7266633236180150a2c6df93e188"
                "a5ea315a00f80100"
            ),
        ),
        (WakuMessage(b"", "", timestamp=-1), "5001"),
        (WakuMessage(b"", "", timestamp=-(2**63)), "50ffffffffffffffffff01"),
    ],
)
def test_the_encoding_is_the_networks(message: WakuMessage, encoded: str) -> None:
    assert message.encode().hex() == encoded


class TestWhatNodesTake:
    def test_a_message_of_the_limit_and_none_longer(self) -> None:
        around = len(WakuMessage(bytes(100_000), CHAT, 1, FIRST, b"", ephemeral=False).encode())
        longest = bytes(GO_WAKU_LIMIT - (around - 100_000))
        WakuMessage(longest, CHAT, 1, FIRST, b"", ephemeral=False).check(GO_WAKU_LIMIT)
        longer = WakuMessage(longest + b"x", CHAT, 1, FIRST, b"", ephemeral=False)
        with pytest.raises(MessageTooLongError, match="of 150001 bytes is longer than 150000"):
            longer.check(GO_WAKU_LIMIT)
        longer.check(NWAKU_LIMIT)
        longer.check(STATUS_LIMIT)

    @pytest.mark.parametrize(
        ("message", "complaint"),
        [
            (WakuMessage(b"", CHAT, 1, FIRST), "without payload"),
            (WakuMessage(b"a", "", 1, FIRST), "without payload or content topic"),
            (WakuMessage(b"a", CHAT, 1), "without timestamp"),
            (WakuMessage(b"a", CHAT, 1, 0), "without timestamp"),
            (WakuMessage(b"a", CHAT, 1, FIRST, bytes(65)), "meta is longer than 64"),
        ],
    )
    def test_what_no_node_takes(self, message: WakuMessage, complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            message.check(STATUS_LIMIT)


class TestNumbersOutOfRange:
    @pytest.mark.parametrize("timestamp", [2**63, -(2**63) - 1, 10**400])
    def test_a_timestamp(self, timestamp: int) -> None:
        with pytest.raises(ValueError, match="timestamp"):
            WakuMessage(b"a", CHAT, timestamp=timestamp)

    @pytest.mark.parametrize("version", [-1, 2**32])
    def test_a_version(self, version: int) -> None:
        with pytest.raises(ValueError, match="version"):
            WakuMessage(b"a", CHAT, version=version)

    def test_a_character_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="surrogates"):
            WakuMessage(b"a", "\ud800")

    @given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1))
    def test_all_else_has_a_hash(self, topic: str, timestamp: int) -> None:
        message = WakuMessage(b"a", topic, timestamp=timestamp)
        assert len(message.hash(STATUS)) == 32
        assert message.encode().startswith(b"\x0a\x01a")
