"""Text of strangers, so that a terminal only shows it.

Control characters move the cursor or change what stands there already; marks of direction let a
text be read otherwise than it is written.
"""

from __future__ import annotations

import json
import re

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


def safe(text: str) -> str:
    """``text`` without anything that a terminal obeys; tabs become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return _OBEYED.sub("\ufffd", text.replace("\t", "    "))


def escaped(document: str) -> str:
    """The same JSON document, with everything that a terminal obeys told by its number."""
    if document.isascii():  # JSON itself escapes the control characters among these.
        return document
    return _OBEYED.sub(
        lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], document
    )
