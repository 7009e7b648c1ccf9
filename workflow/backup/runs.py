"""Runs of bytes: what of a file is there, where the rest of it is a hole."""

from __future__ import annotations

from collections.abc import Iterable

Run = tuple[int, int]
"""From this byte on, before that one."""


def merged(runs: Iterable[Run]) -> list[Run]:
    """The same bytes in as few runs as can be, in their order."""
    found: list[Run] = []
    for start, end in sorted(runs):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def without(runs: Iterable[Run], others: Iterable[Run]) -> list[Run]:
    """What is in the runs and in none of the others, which are in their order."""
    found = []
    others = list(others)
    for start, end in runs:
        at = start
        for first, last in others:
            if last <= at or first >= end:
                continue
            if first > at:
                found.append((at, first))
            at = last
        if at < end:
            found.append((at, end))
    return found
