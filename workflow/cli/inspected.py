"""What ``inspect`` prints: at most 100 columns wide, but for a magnet link."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from workflow.archive.index import IndexEntry
from workflow.archive.windows import Window
from workflow.cli.words import hanging
from workflow.inspection import (
    ByteDifference,
    Comparison,
    Inspection,
    Problem,
    SeenArchive,
    SeenMessage,
    SeenTorrent,
    WindowDifference,
)
from workflow.inspection.positions import SHORT_ID

SHOWN: Final = 20
"""Lines of a list of complaints or differences; all of them are in the JSON."""

KINDS: Final = {
    "folder": "A folder of archives",
    "index": "An index",
    "torrent": "A .torrent",
    "archive": "One archive",
}

_DAY: Final = 86_400
_LAST_TIME: Final = 253_402_300_799  # of the year 9999
_NARROW: Final = 28
_BATCH: Final = 1000

# ----------------------------------------------------------------------------------------- one path


def inspection_lines(seen: Inspection) -> Iterator[str]:
    """What was found at a path, and what is wrong with it."""
    is_locked = seen.form == "encrypted" or any(one.form == "encrypted" for one in seen.archives)
    well = "nothing is wrong with what can be read without a key" if is_locked else "all is well"
    count = len(seen.problems)
    yield f"{KINDS[seen.kind]}: {_count(count, 'problem') if count else well}."
    yield ""
    for label, value in _facts(seen):
        yield f"  {label:<10} {value}"
    if seen.archives and seen.kind != "archive":
        yield ""
        yield from _archive_table(seen.archives)
    yield from problem_lines(seen.problems, seen.path)


def message_lines(messages: Iterable[SeenMessage]) -> Iterator[str]:
    """A line for each message; columns are as wide as those of a thousand messages need."""
    head = [("#", "TIME (UTC)", "TOPIC", "SENDER", "BYTES", "KIND", "FOREIGN ID")]
    left = iter(messages)
    while batch := [_message_row(one) for one in islice(left, _BATCH)]:
        if head:
            yield ""
        yield from _aligned([*head, *batch], right=(0, 4))
        head = []


def problem_lines(problems: Sequence[Problem], path: Path, title: str = "") -> Iterator[str]:
    """What is wrong, one after the other; places below ``path`` are told without it."""
    if not problems:
        return
    yield ""
    yield title or _count(len(problems), "problem").capitalize()
    for problem in problems[:SHOWN]:
        place = problem.place.removeprefix(f"{path}/")
        where = f" ({place})" if place and place != str(path) else ""
        yield hanging(f"  [{problem.code}] ", problem.message + where)
    if len(problems) > SHOWN:
        yield f"  … and {len(problems) - SHOWN} more; --json has them all"


def _facts(seen: Inspection) -> Iterator[tuple[str, str]]:
    yield "path", str(seen.path)
    if seen.community:
        yield "community", seen.community
    if seen.torrent is not None:
        yield from _torrent_facts(seen.torrent)
    if seen.form is not None and seen.form != "plain":
        what = "archive" if seen.kind == "archive" else "index"
        yield "encrypted", f"the {what}; {_READ[seen.form]}"
        yield "key", seen.key or "none is named"
    time = seen.time
    if seen.kind == "archive" and time is not None:
        yield "window", window_words(time)
        yield "messages", _number(seen.messages)
        yield "topics", ", ".join(topic.hex() for topic in seen.archives[0].entry.topics[:_BATCH])
        yield "bytes", f"{seen.archives[0].entry.raw_size:,}"
        return
    if time is not None:
        yield "archives", f"{len(seen.archives):,}, {window_words(time)}"
        locked = sum(archive.form == "encrypted" for archive in seen.archives)
        unread = f"; {_count(locked, 'archive')} not readable without a key" if locked else ""
        if seen.data_length is not None:
            yield "messages", _number(seen.messages) + unread
    if seen.data_length is not None:
        share = f", {seen.padding / seen.size:.1%} of it padding" if seen.size else ""
        yield "data", f"{seen.data_length:,} bytes{share}"
        unused = seen.data_length - seen.size
        if time is not None and unused > 0:
            yield "", f"{unused:,} bytes of it are in no archive"
    if seen.index_length is not None:
        yield "index", f"{seen.index_length:,} bytes"


_READ: Final = {
    "decrypted": "it was read with its key",
    "encrypted": "its key was not given: --ratchet-key",
    "unreadable": "it cannot be decrypted",
}


def _torrent_facts(torrent: SeenTorrent) -> Iterator[tuple[str, str]]:
    made = "" if torrent.path is not None else ", made of the files: there is no .torrent"
    yield "info-hash", torrent.info_hash + made
    yield "magnet", torrent.magnet
    if torrent.path is not None:
        yield "torrent", str(torrent.path)
    if torrent.creation_date is not None or torrent.created_by is not None:
        date = "" if torrent.creation_date is None else f"{_minute(torrent.creation_date)} UTC"
        by = "" if torrent.created_by is None else f"by {_shortened(torrent.created_by)}"
        yield "created", " ".join(filter(None, (date, by)))
    if torrent.path is not None:
        sound = torrent.pieces - len(torrent.damaged or ()) - torrent.absent
        absent = f"; {torrent.absent:,} are not here" if torrent.absent else ""
        compared = f"{sound:,} of {torrent.pieces:,} verified{absent}"
        unknown = f"{torrent.pieces:,}, not verified: data or index is not here"
        yield "pieces", unknown if torrent.damaged is None else compared


def _archive_table(archives: Sequence[SeenArchive]) -> Iterator[str]:
    head = ("WINDOW", "MESSAGES", "BYTES", "PADDING", "OFFSET", "ID", "FORM", "")
    yield from _aligned([head, *map(_archive_row, archives)], right=(1, 2, 3, 4))


def _archive_row(archive: SeenArchive) -> tuple[str, ...]:
    entry = archive.entry
    wrong = "damaged" if archive.damaged else "invalid" if archive.problems else ""
    return (
        window_words(entry.window),
        _number(archive.messages),
        f"{entry.size:,}",
        f"{entry.padding:,}",
        f"{entry.offset:,}",
        entry.id[:SHORT_ID],
        archive.form,
        f"! {wrong}" if wrong else "",
    )


def _message_row(one: SeenMessage) -> tuple[str, ...]:
    return (
        str(one.number),
        _moment(one.time, "%Y-%m-%d %H:%M:%S"),
        one.topic[:4].hex(),
        "0x" + one.sender[:5].hex(),
        f"{one.payload_length:,}",
        one.kind,
        _shortened(one.third_party_id),
    )


# ---------------------------------------------------------------------------------------- two paths


def comparison_lines(found: Comparison) -> Iterator[str]:
    """In one sentence how two differ, and then in detail."""
    yield hanging("", summary(found)[:1].upper() + summary(found)[1:] + ".")
    yield ""
    for side, path, files in (("A", found.a, found.files_a), ("B", found.b, found.files_b)):
        yield f"  {side}  {path}"
        yield f"     {_listed(files) or 'no file that could be read'}"
    if found.both or found.only_a or found.only_b:
        yield ""
        yield from _indented(_aligned(_count_rows(found), right=(1, 2, 3)))
    if found.bytes:
        yield "\nFirst byte that differs"
        for byte in found.bytes:
            yield from _byte_lines(byte)
    if found.windows:
        yield "\nWindows that differ"
        yield from _indented(_window_lines(found.windows))
    yield from _only_lines("A", found.only_a)
    yield from _only_lines("B", found.only_b)
    yield from problem_lines(found.problems_a, found.a, "Problems of A")
    yield from problem_lines(found.problems_b, found.b, "Problems of B")


def _count_rows(found: Comparison) -> list[tuple[str, ...]]:
    windows = len(found.windows_only_a), len(found.windows_only_b), found.windows_both
    archives = len(found.only_a), len(found.only_b), found.both
    return [
        ("", "ONLY A", "ONLY B", "BOTH"),
        ("windows", *(f"{count:,}" for count in windows)),
        ("archives", *(f"{count:,}" for count in archives)),
    ]


def _only_lines(side: str, entries: Sequence[IndexEntry]) -> Iterator[str]:
    if entries:
        yield f"\nArchives only in {side}"
        yield from _indented(
            _aligned(
                [
                    (window_words(entry.window), f"{entry.size:,} bytes", entry.id[:SHORT_ID])
                    for entry in entries[:SHOWN]
                ],
                right=(1,),
            )
        )
    if len(entries) > SHOWN:
        yield f"  … and {len(entries) - SHOWN:,} more; --json has them all"


def summary(found: Comparison) -> str:
    """How two differ, in one sentence without its full stop."""
    shared = [name for name in found.files_a if name in found.files_b]
    if found.are_identical:
        return f"identical, every byte of {_listed(shared)}"
    if not shared and not found.windows_both:
        return f"A has {_listed(found.files_a)}, B has {_listed(found.files_b)}: nothing to compare"
    locked = [*_unread(found)]
    parts = [] if locked else [*_more_archives(found), *_more_messages(found)]
    if not parts and any(window.count_a is None for window in found.windows):
        parts = ["other bytes, and messages that cannot be compared"]
    if not parts and (found.windows or found.bytes):
        where = found.bytes[0] if found.bytes else found.windows[0].byte
        at = "" if where is None else f": {where.file} byte {where.offset_a:,}, {where.field_a}"
        parts = [("same messages, other bytes" if _had_messages(found) else "other bytes") + at]
    if not parts:
        parts = [f"the same {_listed(shared)}" if shared else "the same archives in other files"]
    for side, files in (("A", found.files_a), ("B", found.files_b)):
        alone = [name for name in files if name not in shared] if shared else []
        parts += [f"only {side} has {_listed(alone)}"] if alone else []
    return "; ".join(locked + parts)


def _unread(found: Comparison) -> Iterator[str]:
    for side, form in (("A", found.form_a), ("B", found.form_b)):
        if form == "encrypted":
            yield f"{side} cannot be read without its key"


def _had_messages(found: Comparison) -> bool:
    """Whether both have bytes of the same windows, so that messages were compared."""
    sides = found.files_a, found.files_b
    return bool(found.windows_both) and all({"data", "archive"} & set(files) for files in sides)


def _more_archives(found: Comparison) -> Iterator[str]:
    for side, entries, windows in (
        ("A", found.only_a, frozenset(found.windows_only_a)),
        ("B", found.only_b, frozenset(found.windows_only_b)),
    ):
        more = sum(entry.window in windows for entry in entries)
        if more:
            yield f"{side} has {_count(more, 'archive')} more"


def _more_messages(found: Comparison) -> Iterator[str]:
    only_a = sum(window.count_a or 0 for window in found.windows)
    only_b = sum(window.count_b or 0 for window in found.windows)
    for side, only in (("A", only_a), ("B", only_b)):
        if only:
            yield f"{_count(only, 'message')} only in {side}"


def window_words(window: Window) -> str:
    """``2024-01-01 – 2024-01-08``; with hours when it does not begin and end at midnight."""
    form = "%Y-%m-%d %H:%M" if window.start % _DAY or window.end % _DAY else "%Y-%m-%d"
    return f"{_moment(window.start, form)} – {_moment(window.end, form)}"


def _byte_lines(byte: ByteDifference) -> Iterator[str]:
    at = f"{byte.file} byte {byte.offset_a:,}"
    if byte.offset_a != byte.offset_b:
        at += f" of A, {byte.offset_b:,} of B"
    if byte.field_a == byte.field_b:
        yield hanging(f"  {at}: ", byte.field_a)
    else:
        yield f"  {at}:"
        yield hanging("    A  ", byte.field_a)
        yield hanging("    B  ", byte.field_b)


def _window_lines(windows: Sequence[WindowDifference]) -> Iterator[str]:
    for found in windows[:SHOWN]:
        if found.count_a is None or found.count_b is None:
            words = "messages cannot be compared"
        elif found.count_a or found.count_b:
            words = f"{_count(found.count_a, 'message')} only in A, {found.count_b:,} only in B"
        else:
            words = "same messages, other bytes"
        yield f"{window_words(found.window)}  {words}"
        if found.byte is not None:
            yield from _byte_lines(found.byte)
        rows = [("A", *_message_row(one)) for one in found.only_a]
        rows += [("B", *_message_row(one)) for one in found.only_b]
        if rows:
            yield from _indented(_aligned(rows, right=(1, 5)))
    if len(windows) > SHOWN:
        yield f"… and {len(windows) - SHOWN} more; --json has them all"


# -------------------------------------------------------------------------------------------- words


def _aligned(rows: Sequence[tuple[str, ...]], right: Collection[int] = ()) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _moment(time: int, form: str) -> str:
    """A time of archives, which may be any number."""
    return f"{datetime.fromtimestamp(time, UTC):{form}}" if time <= _LAST_TIME else f"{time} s"


def _minute(time: int) -> str:
    return _moment(time, "%Y-%m-%d %H:%M")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _listed(words: Sequence[str]) -> str:
    """``index, data and .torrent``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _shortened(text: str) -> str:
    """Somebody's text on one line: the end of it tells more than its beginning."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in text[-_BATCH:])
    return shown if len(shown) <= _NARROW else "…" + shown[1 - _NARROW :]
