"""What a log would show of a failure in which secrets have a part."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

from loguru import logger

from workflow.errors import KeyFileError


def shows(text: str, secret: bytes) -> bool:
    """True when a good part of it can be read there."""
    return secret.hex()[:20] in text.lower() or repr(secret)[2:20] in text


def diagnosed(attempt: Callable[[], object]) -> str:
    """What loguru shows of a failure when it shows everything."""
    shown = io.StringIO()
    sink = logger.add(shown, backtrace=False, diagnose=True, format="{message}")
    try:
        with suppress(KeyFileError), logger.catch(reraise=True):
            attempt()
    finally:
        logger.remove(sink)
    assert "KeyFileError" in shown.getvalue()
    return shown.getvalue()
