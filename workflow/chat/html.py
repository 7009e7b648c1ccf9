"""Chats as pages for people: a page for every thousand messages of a channel, and an index.

The pages are complete in themselves. They run nothing and ask no network for anything, and their
content security policy tells the browser so; whatever people wrote is escaped, and an address in a
text stays text. Attachments whose content is known lie in a folder beside the pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, TextIO

from workflow.chat.folder import new_folder
from workflow.chat.html_style import STYLE
from workflow.chat.media import safe_name, stored_name
from workflow.chat.post import (
    DELETE,
    EDIT,
    MAX_TIME_MS,
    PINNED,
    REACTION,
    RETRACTED,
    UNPINNED,
    Attachment,
    Channel,
    Post,
    time_text,
)

POSTS_ON_A_PAGE: Final = 1000
"""Messages of a page, at most: browsers show so many at once."""

TEXT_ON_A_PAGE: Final = 2_000_000
"""Characters after which a page takes no further message."""

_FILES = "files"
_HUES = 8
_PAUSE_MS = 7 * 60 * 1000  # after so long the author's name is told again
_QUOTED = 120  # characters of what a reply replies to
_TOLD: Final = {
    PINNED: "pinned a message",
    UNPINNED: "unpinned a message",
    DELETE: "deleted a message",
    EDIT: "edited a message:",
    REACTION: "reacted with",
    RETRACTED: "took back the reaction",
}
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(slots=True)
class _Tally:
    """What the index tells of a channel's posts."""

    count: int = 0
    first_ms: int = MAX_TIME_MS
    last_ms: int = 0

    def add(self, post: Post) -> None:
        self.count += 1
        self.first_ms = min(self.first_ms, post.time_ms)
        self.last_ms = max(self.last_ms, post.time_ms)


@dataclass(frozen=True, slots=True)
class _Written:
    """A channel of the index."""

    channel: Channel
    tally: _Tally


class HtmlExport:
    """Pages that are being written. Made by ``html_export``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[_Written] = []

    def write_channel(self, channel: Channel, posts: Iterable[Post]) -> int:
        """Write the pages of a channel, its posts in the order given; how many posts there were.

        A channel is written once; a second time ends the export with ``DataDirectoryError``.
        """
        rest = iter(posts)
        following = next(rest, None)
        tally = _Tally()
        number = 0
        while following is not None or number == 0:
            number += 1
            following = self._write_page(channel, number, following, rest, tally)
        self._written.append(_Written(channel, tally))
        return tally.count

    def write_index(self) -> None:
        """Write the page that leads to all channels, sorted by category and name."""
        channels = sorted(self._written, key=lambda each: _place(each.channel))
        title = next((each.channel.guild_name for each in channels), "") or "Archive"
        total = sum(each.tally.count for each in channels)
        with self._new("index.html") as file:
            file.write(_beginning(title))
            file.write(f"<header><h1>{_bidi(title)}</h1><p>{_number(len(channels), 'channel')}, ")
            file.write(f"{_number(total, 'message')}</p></header>\n<main>")
            category = None
            for each in channels:
                if each.channel.category != category:
                    category = each.channel.category
                    file.write(f"<h2>{_bidi(category or 'Channels')}</h2>\n")
                file.write(_entry(each))
            file.write("</main>\n</body></html>\n")

    def _write_page(
        self, channel: Channel, number: int, post: Post | None, rest: Iterator[Post], tally: _Tally
    ) -> Post | None:
        """Write ``post`` and what follows it until the page is full; the first that has no room."""
        quotes: dict[str, str] = {}
        previous: Post | None = None
        with self._new(_page_name(channel, number)) as file:
            file.write(_beginning(f"{_name(channel)}, page {number}"))
            file.write(_navigation(channel, earlier=number - 1))
            topic = f"<p>{_bidi(channel.topic)}</p>" if channel.topic else ""
            file.write(f"<header><h1>{_bidi(_name(channel))}</h1>{topic}</header>\n<main>\n")
            shown = length = 0
            while post is not None and shown < POSTS_ON_A_PAGE and length < TEXT_ON_A_PAGE:
                if previous is None or _day(previous) != _day(post):
                    file.write(f"<h2>{_day(post)}</h2>\n")
                    previous = None
                file.write(self._message(post, previous, quotes.get(post.reply_to)))
                tally.add(post)
                quotes[post.id] = _quote(post)
                shown, length = shown + 1, length + len(post.text)
                previous = replace(post, text="", attachments=())
                post = next(rest, None)
            later = 0 if post is None else number + 1
            file.write(f"</main>\n{_navigation(channel, number - 1, later)}")
            file.write("<small>Times are in UTC.</small>\n</body></html>\n")
        return post

    def _message(self, post: Post, previous: Post | None, quote: str | None) -> str:
        goes_on = (
            previous is not None
            and previous.author == post.author
            and not post.reply_to
            and previous.kind not in _TOLD
            and 0 <= post.time_ms - previous.time_ms < _PAUSE_MS
        )
        time = time_text(post.time_ms)
        parts = [f"<article{' class=on' if goes_on else ''}>"]
        if post.reply_to:
            parts.append(f"<blockquote dir=auto>{quote or 'an earlier message'}</blockquote>")
        if not goes_on:
            parts.append(f"<b class=a{_hue(post)}>{_bidi(post.author.shown)}</b> ")
        parts.append(f'<time datetime="{time}">{time[11:16]}</time>')
        if post.kind in _TOLD:
            parts.append(f" <i>{_TOLD[post.kind]}</i>")
        if post.text:
            parts.append(f"<p dir=auto>{_escaped(post.text)}</p>")
        if post.edited_ms is not None:
            parts.append("<small>edited</small>")
        parts.extend(self._attached(each) for each in post.attachments)
        return "".join(parts) + "</article>\n"

    def _attached(self, attachment: Attachment) -> str:
        name = _bidi(attachment.name or "attachment")
        size = f"<small>{attachment.size:,} bytes</small>"
        if not attachment.payload:
            return f"<div class=file>{name} {size}</div>"
        file = stored_name(attachment)
        (self._folder / _FILES).mkdir(exist_ok=True)
        (self._folder / _FILES / file).write_bytes(attachment.payload)
        return f'<div class=file><a href="{_FILES}/{file}">{name}</a> {size}</div>'

    def _new(self, name: str) -> TextIO:
        return (self._folder / name).open("x", encoding="utf-8", newline="\n")


@contextmanager
def html_export(target: Path) -> Iterator[HtmlExport]:
    """Write pages into the folder ``target``, which appears, with its index, when the block ends.

    Raises ``DataDirectoryError`` when ``target`` is there and not an empty folder, or cannot be
    written.
    """
    with new_folder(target) as folder:
        export = HtmlExport(folder)
        yield export
        export.write_index()


def _page_name(channel: Channel, number: int) -> str:
    return f"channel-{safe_name(channel.id)}-{number}.html"


def _beginning(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{STYLE}</style></head><body>\n"
    )


def _navigation(channel: Channel, earlier: int, later: int = 0) -> str:
    """Links to the index and to the pages of these numbers, where 0 is none."""
    links = ['<a href="index.html">All channels</a>']
    if earlier:
        links.append(f'<a href="{_page_name(channel, earlier)}">Earlier</a>')
    if later:
        links.append(f'<a href="{_page_name(channel, later)}">Later</a>')
    return f"<nav>{' '.join(links)}</nav>\n"


def _entry(written: _Written) -> str:
    channel, tally = written.channel, written.tally
    span = ""
    if tally.count:
        first, last = time_text(tally.first_ms)[:10], time_text(tally.last_ms)[:10]
        span = f", {first}" if first == last else f", {first} to {last}"
    topic = f"<p>{_bidi(channel.topic)}</p>" if channel.topic else ""
    return (
        f'<section><a href="{_page_name(channel, 1)}">{_bidi(_name(channel))}</a> '
        f"<small>{_number(tally.count, 'message')}{span}</small>{topic}</section>\n"
    )


def _place(channel: Channel) -> tuple[str, str, str]:
    return (channel.category, channel.name.casefold(), channel.id)


def _name(channel: Channel) -> str:
    return f"# {channel.name or channel.id}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _day(post: Post) -> str:
    return time_text(post.time_ms)[:10]


def _hue(post: Post) -> int:
    """A colour for the author, the same on every page."""
    return sha256(post.author.id.encode(errors="replace")).digest()[0] % _HUES


def _quote(post: Post) -> str:
    """The beginning of a post, for the posts that reply to it."""
    text = post.text[: 2 * _QUOTED].strip().partition("\n")[0]
    cut = text[:_QUOTED] + ("…" if len(text) > _QUOTED else "")
    return f"{_bidi(post.author.shown[:_QUOTED])} {_bidi(cut or 'a message')}"


def _bidi(text: str) -> str:
    """Escaped, and kept from turning round what stands beside it."""
    return f"<bdi>{_escaped(text)}</bdi>"


def _escaped(text: str) -> str:
    return escape(_CONTROLS.sub("\ufffd", text))
