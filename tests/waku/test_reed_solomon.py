"""Parity as Go's klauspost/reedsolomon computes it, which status-go uses."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waku.samples import parity_of
from workflow.waku.reed_solomon import recover


def data(count: int, size: int) -> list[bytes]:
    """Parts of a message that lacks two bytes of the last one."""
    length = count * size - 2
    whole = bytes((i * 31 + count) & 0xFF ^ i >> 8 & 0xFF for i in range(length)) + bytes(2)
    return [whole[start : start + size] for start in range(0, len(whole), size)]


@pytest.mark.parametrize(
    ("count", "parity_count", "size", "digest"),
    [
        (8, 1, 5, "edd62116e9b905884459b1c9d060c5b6fe45a4df69aa8a57e01b49674fb506bd"),
        (9, 1, 4, "2c6c35c1f115fa3e3ed1f7f4b3257d912e01d5fee1879521bf025d74fd9608ec"),
        (16, 2, 3, "ae5b83d6244083479c33767e5fb1e05abea1489b0876b17dec4fd59e3afa955f"),
        (24, 3, 7, "e57065abe767ac562e240e6ca9c160615cd13dab83f640b055639de2309a219e"),
        (100, 12, 33, "1c83061958a9d2b68e0efbae4962065ab282ba7cf5a0feaefdc2deca7ee17099"),
        (227, 28, 3, "f1319faee4fea6faee4042f4fb130377d0284b6b60bd651f2f9b342889c3ce4e"),
        (228, 28, 3, "28ef89fe98fbf3189bfc55b9d15bb91b4e5afdb29793f8c73c55154df35536f1"),
    ],
)
def test_parity_is_that_of_the_reference(
    count: int, parity_count: int, size: int, digest: str
) -> None:
    parity = b"".join(parity_of(data(count, size), parity_count))
    assert len(parity) == parity_count * size
    assert hashlib.sha256(parity).hexdigest() == digest


def test_parity_of_few_bytes() -> None:
    assert b"".join(parity_of(data(24, 7), 3)).hex() == "071af92014a0a210799cc227e7ba97f923f9dcbc04"


@given(st.data(), st.integers(1, 40), st.integers(1, 9))
def test_any_parts_are_recovered_from_as_many_others(
    draw: st.DataObject, count: int, size: int
) -> None:
    parity_count = draw.draw(st.integers(1, 8))
    parts = [draw.draw(st.binary(min_size=size, max_size=size)) for _ in range(count)]
    every = dict(enumerate([*parts, *parity_of(parts, parity_count)]))
    kept = draw.draw(st.permutations(list(every)))[:count]
    lost = [point for point in every if point not in kept]
    assert recover({point: every[point] for point in kept}, lost) == {
        point: every[point] for point in lost
    }
