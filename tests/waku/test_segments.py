"""Long messages in parts, cut as status-go cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.test_announcement import BUNDLE, INSTALLATION_FIELD, MESSAGE
from tests.waku.samples import parity_of, pattern, segment, segmented
from workflow.archive.hashing import keccak256
from workflow.archive.wire import field, varint
from workflow.waku.refusal import Refusal
from workflow.waku.segments import Reassembly

SENDER, OTHER = b"\x04" * 65, b"\x05" * 65
NOW = 1_704_672_000.0
DAY = 86_400.0
LONG = pattern(100, 7)  # its last byte is not zero
HASH = keccak256(LONG)


def taken(
    reassembly: Reassembly, segments: list[bytes], now: float = NOW
) -> list[bytes | Refusal | None]:
    return [reassembly.take(SENDER, one, now) for one in segments]


class TestWholeMessages:
    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"hello",
            MESSAGE,
            field(102, MESSAGE),
            INSTALLATION_FIELD + field(3, BUNDLE) + field(102, MESSAGE),
            field(1, bytes(32)),
            segment(bytes(32), (0, 1, 0, 0), b"one of one"),
            segment(bytes(31), (0, 2, 0, 0), b"short hash"),
            segment(bytes(65), (0, 43, 0, 0), b"a signature, and a type"),
            segment(bytes(32), (0, 2, 0, 0), b"")[:-1],
            field(1, bytes(32)) + bytes([3 << 3, 2]) + field(9, b"") * 63,
            field(1, bytes(32)) + b"\x18\x02\x22\x05cut",
        ],
    )
    def test_what_is_no_segment_passes(self, payload: bytes) -> None:
        assert Reassembly().take(SENDER, payload, NOW) == payload

    @given(st.binary(max_size=100))
    def test_anything_passes_is_held_or_is_refused(self, payload: bytes) -> None:
        assert Reassembly().take(SENDER, payload, NOW) in (payload, None, *Refusal)


class TestPuttingTogether:
    @given(
        st.data(),
        st.binary(min_size=2, max_size=300),
        st.integers(1, 30),
        st.booleans(),
    )
    def test_in_any_order_with_as_many_lost_as_there_is_parity_for(
        self, draw: st.DataObject, message: bytes, size: int, tells_length: bool
    ) -> None:
        message += b"\x01"  # so that the end can be told where no length is
        segments = segmented(message, min(size, len(message) - 1), tells_length=tells_length)
        count = -(-len(message) // min(size, len(message) - 1))
        if count > 256:
            return
        arriving = draw.draw(st.permutations(segments))[:count]
        if not any(one in segments[:count] for one in arriving):
            arriving[-1] = segments[0]
        reassembly = Reassembly()
        *waiting, whole = taken(reassembly, arriving)
        assert waiting == [None] * (count - 1)
        assert whole == message
        assert reassembly.held == 0

    def test_two_parts_of_which_one_comes_twice(self) -> None:
        first, second = segmented(LONG, 50)
        reassembly = Reassembly()
        assert taken(reassembly, [first, first, second]) == [None, Refusal.SEGMENT_REPEATED, LONG]

    def test_what_was_given_is_not_given_again_until_it_is_forgotten(self) -> None:
        *segments, parity = segmented(LONG, 12)
        reassembly = Reassembly()
        assert taken(reassembly, segments)[-1] == LONG
        assert taken(reassembly, [parity, *segments]) == [Refusal.SEGMENT_REPEATED] * 10
        assert reassembly.held == 0
        assert taken(reassembly, segments, NOW + DAY + 1)[-1] == LONG

    def test_each_sender_has_messages_of_its_own(self) -> None:
        first, second = segmented(LONG, 50)
        reassembly = Reassembly()
        assert reassembly.take(SENDER, first, NOW) is None
        assert reassembly.take(OTHER, second, NOW) is None
        assert reassembly.take(OTHER, first, NOW) == LONG
        assert reassembly.take(SENDER, second, NOW) == LONG

    def test_two_messages_between_each_other(self) -> None:
        other = pattern(100, 8)
        reassembly = Reassembly()
        mixed = [
            one
            for pair in zip(segmented(LONG, 50), segmented(other, 50), strict=True)
            for one in pair
        ]
        assert taken(reassembly, mixed) == [None, None, LONG, other]

    def test_more_parts_than_parity_can_be_for(self) -> None:
        message = pattern(256, 1)
        segments = segmented(message, 1)
        assert len(segments) == 256
        assert taken(Reassembly(), segments)[-1] == message

    @pytest.mark.parametrize("zeros", range(4))
    def test_a_lost_end_without_a_length_may_end_in_some_zeros(self, zeros: int) -> None:
        message = pattern(90, 1) + b"\x01" + bytes(zeros)
        *segments, parity = segmented(message, 11, tells_length=False)
        assert len(segments) == 9
        assert taken(Reassembly(), [*segments[:-1], parity])[-1] == message

    def test_but_not_in_very_many(self) -> None:
        message = pattern(90, 1) + b"\x01" + bytes(4)
        *segments, parity = segmented(message, 11, tells_length=False)
        assert taken(Reassembly(), [*segments[:-1], parity])[-1] is Refusal.SEGMENTS_DIFFER
        *segments, parity = segmented(message, 11)
        assert taken(Reassembly(), [*segments[:-1], parity])[-1] == message

    def test_a_lost_end_of_zeros_only(self) -> None:
        message = b"\x01" * 88 + bytes(11)
        *segments, parity = segmented(message, 11)
        assert taken(Reassembly(), [*segments[:-1], parity])[-1] == message


class TestReadingBelievesNothing:
    def only(self, *segments: bytes) -> bytes | Refusal | None:
        return taken(Reassembly(max_length=1000), list(segments))[-1]

    @pytest.mark.parametrize(
        "numbers",
        [
            (2, 2, 0, 0),
            (0, 257, 0, 0),
            (0, 2**32 - 1, 0, 0),
            (2**32 - 1, 2, 0, 0),
            (0, 0, 1, 1),
            (0, 0, 0, 33),
        ],
    )
    def test_impossible_numbers(self, numbers: tuple[int, int, int, int]) -> None:
        assert self.only(segment(HASH, numbers, b"a")) is Refusal.SEGMENT_NUMBERS

    def test_an_empty_part(self) -> None:
        assert self.only(segment(HASH, (0, 2, 0, 0), b"")) is Refusal.SEGMENT_NUMBERS

    @pytest.mark.parametrize(("count", "length"), [(3, 7), (4, 8), (4, 0)])
    def test_parts_that_tell_different_numbers(self, count: int, length: int) -> None:
        first = segment(HASH, (0, 4, 0, 0), b"a", 7)
        second = segment(HASH, (1, count, 0, 0), b"a", length)
        assert self.only(first, second) is Refusal.SEGMENT_CONTRADICTS

    def test_parity_that_tells_different_numbers(self) -> None:
        first, second = (segment(HASH, (0, 0, n, 2 + n), b"a") for n in range(2))
        assert self.only(first, second) is Refusal.SEGMENT_CONTRADICTS

    def test_parts_of_another_message(self) -> None:
        first, second = (segment(HASH, (n, 2, 0, 0), b"a") for n in range(2))
        assert self.only(first, second) is Refusal.SEGMENTS_DIFFER

    def test_parts_of_another_length_than_they_say(self) -> None:
        first, second = (segment(HASH, (n, 2, 0, 0), LONG[:50], 51) for n in range(2))
        assert self.only(first, second) is Refusal.SEGMENTS_DIFFER

    def test_after_wrong_parts_the_right_ones_are_taken(self) -> None:
        reassembly = Reassembly()
        wrong = [segment(HASH, (n, 2, 0, 0), b"a") for n in range(2)]
        assert taken(reassembly, wrong)[-1] is Refusal.SEGMENTS_DIFFER
        assert reassembly.held == 0
        assert taken(reassembly, segmented(LONG, 50))[-1] == LONG

    def test_parity_alone_is_nothing(self) -> None:
        *_, parity = segmented(LONG, 12)
        assert self.only(parity) is None

    @pytest.mark.parametrize(
        "parts",
        [
            ((0, b"ab"), (1, b"a"), (-1, b"aa")),  # data that is shorter than the parity
            ((0, b"aa"), (2, b"aaa"), (-1, b"aa")),  # a last part that is longer
            ((0, b"aa"), (-1, b"aa"), (-2, b"a")),  # parity of two lengths
        ],
    )
    def test_parts_that_do_not_fit_together(self, parts: tuple[tuple[int, bytes], ...]) -> None:
        segments = [
            segment(HASH, (index, 3, 0, 0) if index >= 0 else (0, 0, -1 - index, 2), part)
            for index, part in parts
        ]
        assert self.only(*segments) is Refusal.SEGMENTS_DIFFER

    def test_more_points_than_there_are(self) -> None:
        data = [segment(HASH, (n, 256, 0, 0), b"a") for n in range(255)]
        parity = segment(HASH, (0, 0, 0, 1), b"a")
        assert self.only(*data, parity) is Refusal.SEGMENTS_DIFFER

    def test_more_parity_than_is_needed(self) -> None:
        """It came before anything told how many parts there are."""
        parts = [LONG[:50], LONG[50:]]
        parity = [
            segment(HASH, (0, 0, index, 8), part) for index, part in enumerate(parity_of(parts, 8))
        ]
        assert self.only(*parity, segment(HASH, (0, 2, 0, 0), parts[0])) == LONG

    def test_parity_that_lies(self) -> None:
        *segments, _ = segmented(LONG, 12)
        forged = segment(HASH, (0, 0, 0, 1), bytes(12), len(LONG))
        assert self.only(*segments[1:], forged) is Refusal.SEGMENTS_DIFFER


class TestBounds:
    def test_a_message_that_says_that_it_is_too_long(self) -> None:
        reassembly = Reassembly(max_length=99)
        assert taken(reassembly, segmented(LONG, 50)) == [Refusal.SEGMENTS_TOO_LONG] * 2
        assert reassembly.held == 0

    def test_a_message_that_is_too_long(self) -> None:
        reassembly = Reassembly(max_length=99)
        segments = segmented(LONG, 50, tells_length=False)
        assert taken(reassembly, segments) == [None, Refusal.SEGMENTS_TOO_LONG]
        assert reassembly.held == 0
        assert taken(Reassembly(max_length=100), segments)[-1] == LONG

    def test_the_oldest_goes_when_memory_is_full(self) -> None:
        reassembly = Reassembly(max_held=2 * (50 + 1024))
        halves = [segmented(pattern(100, seed), 50) for seed in range(3)]
        for first, _ in halves:
            assert reassembly.take(SENDER, first, NOW) is None
        assert reassembly.held == 2 * (50 + 1024)
        wholes = [reassembly.take(SENDER, second, NOW) for _, second in reversed(halves)]
        assert wholes == [pattern(100, 2), pattern(100, 1), None]

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.floats(0, 3 * DAY))))
    def test_no_more_is_held_than_allowed(self, arriving: list[tuple[int, int, float]]) -> None:
        reassembly = Reassembly(max_held=5000)
        for seed, index, later in arriving:
            segments = segmented(pattern(500, seed), 100)
            reassembly.take(SENDER, segments[index], NOW + later)
            assert 0 <= reassembly.held <= 5000

    def test_one_that_is_larger_than_memory_is_not_held(self) -> None:
        reassembly = Reassembly(max_held=100)
        assert taken(reassembly, segmented(LONG, 40)) == [None, None, None]
        assert reassembly.held == 0

    def test_what_is_never_completed_ends_with_time(self) -> None:
        first, second, third = segmented(LONG, 40)
        reassembly = Reassembly(max_age=60)
        assert reassembly.take(SENDER, first, NOW) is None
        assert reassembly.take(SENDER, second, NOW + 60) is None
        assert reassembly.take(SENDER, third, NOW + 61) is None
        assert taken(reassembly, [first, second], NOW + 61)[-1] == LONG

    def test_of_messages_that_were_given_some_thousands_are_known(self) -> None:
        reassembly = Reassembly()
        cut = [segmented(b"ab" + varint(1000 + number), 2) for number in range(4098)]
        for segments in cut:
            assert taken(reassembly, segments)[-1] is not None
        assert taken(reassembly, cut[-1]) == [Refusal.SEGMENT_REPEATED] * 2
        assert taken(reassembly, cut[0])[-1] == b"ab" + varint(1000)


def test_the_parity_of_a_cut_message_is_of_whole_parts() -> None:
    """What the tests cut with: the last part counts as filled up with zeros."""
    parts = [b"abc", b"def", b"g"]
    assert parity_of(parts, 1) == parity_of([b"abc", b"def", b"g\0\0"], 1)
