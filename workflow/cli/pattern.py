"""A regular expression that somebody gave: whatever it is, it ends."""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Final

import typer

SECONDS: Final = 1.0
"""How long one text may be searched."""


def pattern(text: str) -> Callable[[str], bool]:
    """Says whether the expression is found; capitals make no difference.

    ``typer.BadParameter`` comes for what is no expression, and from the search when it goes on for
    too long: some expressions take longer than anybody lives. Only the main thread may search, as
    the system's timer is what ends it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expression = re.compile(text, re.IGNORECASE | re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise typer.BadParameter(f"no regular expression: {error}", param_hint="--grep") from error
    signal.signal(signal.SIGALRM, _stop)

    def is_found(text: str) -> bool:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            return expression.search(text) is not None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return is_found


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise typer.BadParameter(
        f"the expression took longer than {SECONDS:g} second for one message; repetitions"
        " within repetitions are slow",
        param_hint="--grep",
    )
