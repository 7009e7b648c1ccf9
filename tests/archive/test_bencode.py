"""Bencoding: one notation per value, and no more work than the caps allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.archive.bencode import Caps, Value, decode, encode
from workflow.errors import TorrentInvalidError

CAPS = Caps(length=100_000, depth=8, items=1_000)
INTEGERS = st.integers(-(10**19) + 1, 10**19 - 1)


def values() -> st.SearchStrategy[Value]:
    def deeper(value: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
        return st.lists(value, max_size=4) | st.dictionaries(st.binary(), value, max_size=4)

    return st.recursive(INTEGERS | st.binary(max_size=20), deeper, max_leaves=8).filter(
        lambda value: depth_of(value) <= CAPS.depth
    )


def depth_of(value: Value) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case _:
            return 0


@pytest.mark.parametrize(
    ("value", "notation"),
    [
        (0, b"i0e"),
        (-7, b"i-7e"),
        (102400, b"i102400e"),
        (b"", b"0:"),
        (b"data", b"4:data"),
        (b"\x00e:", b"3:\x00e:"),
        ([], b"le"),
        ([b"data", [1]], b"l4:datali1eee"),
        ({}, b"de"),
        ({b"b": 1, b"a": [], b"B": {}}, b"d1:Bde1:ale1:bi1ee"),
    ],
)
def test_each_kind_of_value_has_its_notation(value: Value, notation: bytes) -> None:
    assert encode(value) == notation
    assert decode(notation, CAPS) == value


@given(values())
def test_what_is_written_is_read(value: Value) -> None:
    assert decode(encode(value), CAPS) == value


@given(
    st.binary(max_size=40)
    | st.lists(st.sampled_from([b"i", b"e", b"l", b"d", b"0", b"1", b"-", b":", b"a"])).map(
        b"".join
    )
)
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    try:
        value = decode(data, CAPS)
    except TorrentInvalidError:
        return
    assert encode(value) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "neither"),
        (b"x", "neither"),
        (b"e", "neither"),
        (b":", "neither"),
        (b"-1:", "neither"),
        (b"01:a", "neither"),
        (b"+1:a", "neither"),
        (b"1 :a", "neither"),
        ("١:a".encode(), "neither"),
        (b"99999999999:", "neither"),
        (b"2:a", "cut off"),
        (b"9999999999:a", "cut off"),
        (b"i", "only notation"),
        (b"ie", "only notation"),
        (b"i-e", "only notation"),
        (b"i-0e", "only notation"),
        (b"i01e", "only notation"),
        (b"i+1e", "only notation"),
        (b"i 1e", "only notation"),
        (b"i1_0e", "only notation"),
        (b"i12345678901234567890e", "only notation"),
        (b"i" + b"9" * 99_000 + b"e", "only notation"),
        (b"l", "neither"),
        (b"li1e", "neither"),
        (b"d", "neither"),
        (b"d1:a", "neither"),
        (b"di1ei2ee", "neither"),
        (b"d1:ae", "neither"),
        (b"d1:bi1e1:ai2ee", "not sorted"),
        (b"d1:ai1e1:ai2ee", "stands twice"),
        (b"i1e\n", "follows the end"),
        (b"i1ei2e", "follows the end"),
        (b"l" * 9 + b"e" * 9, "deeper than 8"),
        (b"d1:a" * 9 + b"i1e" + b"e" * 9, "deeper than 8"),
        (b"l" * 100_000, "deeper than 8"),
        (b"l" + b"0:" * 1_000 + b"e", "more than 1000 values"),
        (b"0" * 100_001, "longer than 100000"),
    ],
)
def test_another_notation_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(TorrentInvalidError, match=complaint):
        decode(data, CAPS)


@pytest.mark.parametrize(
    "data",
    [
        b"l" * 8 + b"e" * 8,
        b"l" + b"0:" * 999 + b"e",
        b"99994:" + b"\x00" * 99_994,
        b"i-9999999999999999999e",
    ],
)
def test_what_just_keeps_within_the_caps_is_read(data: bytes) -> None:
    assert encode(decode(data, CAPS)) == data
