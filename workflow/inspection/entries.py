"""The entries of an index, as far as each of them is sound; and that of an archive without one.

``decode_index`` takes an index as a whole or not at all, as it must. Here it is asked for one
entry after the other, and what it refuses becomes a problem.
"""

from __future__ import annotations

from contextlib import suppress

from google.protobuf.message import DecodeError

from workflow.archive.codec import MAX_MESSAGES
from workflow.archive.index import MAX_ENTRIES, MAX_INDEX_SIZE, IndexEntry, decode_index
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchiveMetadata
from workflow.archive.windows import Window
from workflow.archive.wire import WireError, field, fields
from workflow.errors import ArchiveInvalidError, IndexInvalidError
from workflow.inspection.findings import Problem

_METADATA = 2


def sound_entries(index: bytes, problems: list[Problem]) -> list[IndexEntry]:
    """The entries of an index that is not sound as a whole, as far as each of them is."""
    try:
        return list(decode_index(index))
    except IndexInvalidError as error:
        whole = Problem.of(error)
    found: list[Problem] = []
    entries: dict[str, IndexEntry] = {}
    if len(index) <= MAX_INDEX_SIZE:
        try:
            for place, (number, start, end) in enumerate(fields(index, at_most=MAX_ENTRIES)):
                where = f"entry {place}, at byte {start}"
                try:
                    (entry,) = decode_index(field(number, index[start:end]))
                except IndexInvalidError as error:
                    found.append(Problem.of(error, where))
                    continue
                if entry.id in entries:
                    found.append(
                        Problem(whole.code, f"{entry.id} stands twice in the index", where)
                    )
                entries[entry.id] = entry
        except WireError as error:
            found.append(Problem(IndexInvalidError.code, f"not an index: {error}", ""))
    sound = _apart(sorted(entries.values(), key=lambda entry: entry.offset), found)
    problems += found or [whole]
    return sound


def stated_entries(
    plain: bytes, raw_size: int, place: str, problems: list[Problem]
) -> list[IndexEntry]:
    """The entry of an archive that has none: what it states of itself."""
    try:
        for number, start, end in fields(plain, at_most=1 + MAX_MESSAGES):
            if number == _METADATA and end - start <= MAX_INDEX_SIZE:
                stated = WakuMessageArchiveMetadata.FromString(plain[start:end])
                window = Window(stated.start, stated.end)
                topics = tuple(stated.content_topic)
                return [IndexEntry.at(0, window=window, topics=topics, raw_size=raw_size)]
        complaint = "it does not state its metadata"
    except (WireError, DecodeError) as error:
        complaint = f"not an archive: {error}"
    problems.append(Problem(ArchiveInvalidError.code, complaint, place))
    return []


def end_of_archive(content: bytes) -> int:
    """Where the padding begins, if it was copied along: zero is the tag of no field."""
    end = 0
    with suppress(WireError):
        for _, _, after in fields(content, at_most=1 + MAX_MESSAGES):
            end = after
    return end if content.count(0, end) == len(content) - end else len(content)


def _apart(by_offset: list[IndexEntry], problems: list[Problem]) -> list[IndexEntry]:
    """Without those that begin inside another: so no byte is read twice, however they lie."""
    sound: list[IndexEntry] = []
    for entry in by_offset:
        if sound and sound[-1].offset + sound[-1].size > entry.offset:
            problems.append(
                Problem(
                    IndexInvalidError.code,
                    f"the archive begins inside {sound[-1].id}",
                    entry.id,
                )
            )
        else:
            sound.append(entry)
    return sound
