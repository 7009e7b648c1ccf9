"""Messages as lines for a terminal: time, channel, author, text, in columns.

Strangers wrote all of it. Nothing that moves the cursor, changes colours or turns the direction of
writing round reaches the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from workflow.chat.plain import safe
from workflow.chat.post import (
    DEFAULT,
    DELETE,
    EDIT,
    PINNED,
    REACTION,
    REPLY,
    RETRACTED,
    UNPINNED,
    Attachment,
    Channel,
    Post,
)
from workflow.cli.words import size

if TYPE_CHECKING:
    from workflow.archive.message import ArchivedMessage

CHANNEL_WIDTH: Final = 20
"""Columns of a channel's name, at most."""
AUTHOR_WIDTH: Final = 16
"""Columns of an author's name, at most."""
REMEMBERED: Final = 20_000
"""Posts whose beginnings are known to those that reply to them."""

_AHEAD = 200  # lines whose columns are measured before the first one is shown
_QUOTED = 40  # characters of what a reply replies to
_DIM, _BOLD, _CYAN, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"
_TEXTS: Final = {
    EDIT: "edits {}",
    DELETE: "deletes {}",
    PINNED: "pins {}",
    UNPINNED: "unpins {}",
    REACTION: "reacts to {}",
    RETRACTED: "takes back a reaction to {}",
    REPLY: "to {}",
}
_EMOJI = re.compile("<a?(:\\w{2,32}:)\\d{1,20}>")  # Discord's own, by name and id
_LINE_ENDS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


class Transcript:
    """Lines of posts, whose channels are looked up in ``channels`` when they come."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self._beginnings: dict[str, str] = {}
        self._widths = [0, 0]

    def remember(self, post: Post) -> None:
        """Posts that reply to this one will say so."""
        beginning = post.text[: 2 * _QUOTED].strip().partition("\n")[0]
        cut = beginning[:_QUOTED] + ("…" if len(beginning) > _QUOTED else "")
        self._beginnings[post.id] = f"{post.author.shown[:AUTHOR_WIDTH]}: {cut or 'a message'}"
        if len(self._beginnings) > REMEMBERED:
            del self._beginnings[next(iter(self._beginnings))]

    def lines(
        self, said: Iterable[tuple[ArchivedMessage, Post]], *, is_coloured: bool
    ) -> Iterator[str]:
        """A line for each, and one for each further line of its text."""
        rest = iter(said)
        ahead = list(islice(rest, _AHEAD))
        for _, post in ahead:
            self._fit(post)
        for message, post in chain(ahead, rest):
            yield self._line(message.timestamp, post, is_coloured)

    def _line(self, seconds: int, post: Post, is_coloured: bool) -> str:
        names = self._fit(post)
        cells = [_cell(name, width) for name, width in zip(names, self._widths, strict=True)]
        time = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
        indent = "\n" + " " * (len(time) + sum(self._widths) + 6)
        text = indent.join(safe(line) for line in _LINE_ENDS.split(self._text(post)))
        if is_coloured:
            time, cells = (
                f"{_DIM}{time}{_PLAIN}",
                [
                    f"{_CYAN}{cells[0]}{_PLAIN}",
                    f"{_BOLD}{cells[1]}{_PLAIN}",
                ],
            )
        return "  ".join((time, *cells, text)).rstrip(" ")

    def _fit(self, post: Post) -> tuple[str, str]:
        """The names of channel and author, for which there is room from now on."""
        channel, author = safe(f"#{self._channels[post.channel].name}"), safe(post.author.shown)
        self._widths = [
            max(self._widths[0], min(cell_len(channel), CHANNEL_WIDTH)),
            max(self._widths[1], min(cell_len(author), AUTHOR_WIDTH)),
        ]
        return channel, author

    def _text(self, post: Post) -> str:
        parts = []
        if post.kind in _TEXTS:
            about = self._beginnings.get(post.reply_to, "an earlier message")
            parts.append(f"({_TEXTS[post.kind].format(about)})")
        elif not post.text and not post.attachments:
            parts.append("(no text)" if post.kind == DEFAULT else f"({post.kind})")
        parts.append(_EMOJI.sub(r"\1", post.text))
        parts += [_attached(each) for each in post.attachments]
        if post.edited_ms is not None:
            parts.append("(edited)")
        return " ".join(filter(None, parts))


def _attached(attachment: Attachment) -> str:
    return f"[{_LINE_ENDS.sub(' ', attachment.name) or 'attachment'}, {size(attachment.size)}]"


def _cell(text: str, width: int) -> str:
    """``text`` in so many columns."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"
