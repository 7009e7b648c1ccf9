"""What a folder of chat exports says, read by nothing of this project, and what came out again."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

PINNED: Final = "ChannelPinnedMessage"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Said:
    """Messages by channel and id: of each its milliseconds, and a digest of author and text.

    A message that comes twice counts as the one that was edited last. ``pins`` are told apart: the
    specification's pin has no author and no text.
    """

    messages: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    pins: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)

    def add(self, channel: str, id: str, kind: str, time_ms: int, *author_and_text: str) -> None:
        is_pin = kind == PINNED
        text = json.dumps([] if is_pin else [kind, *author_and_text], ensure_ascii=True)
        kept = self.pins if is_pin else self.messages
        kept[sys.intern(channel), id] = time_ms, hashlib.sha256(text.encode()).digest()[:16]

    def since(self, time_ms: int) -> Said:
        """What was said from this moment on."""
        return Said(
            {key: said for key, said in self.messages.items() if said[0] >= time_ms},
            {key: said for key, said in self.pins.items() if said[0] >= time_ms},
        )

    @property
    def oldest_ms(self) -> int:
        return min(said[0] for said in (*self.messages.values(), *self.pins.values()))

    @property
    def newest_ms(self) -> int:
        return max(said[0] for said in (*self.messages.values(), *self.pins.values()))


def said_by_exports(folder: Path) -> Said:
    said = Said()
    edited: dict[tuple[str, str], str] = {}
    for file in sorted(folder.rglob("*.json")):
        export = json.loads(file.read_bytes())
        channel = export["channel"]["id"]
        for one in export["messages"]:
            key, when = (channel, one["id"]), one["timestampEdited"] or ""
            if key in edited and when <= edited[key]:
                continue
            edited[key] = when
            author = one["author"]
            said.add(
                channel,
                one["id"],
                one["type"],
                (datetime.fromisoformat(one["timestamp"]) - _EPOCH) // timedelta(milliseconds=1),
                *(author.get(name) or "" for name in ("id", "name", "nickname", "discriminator")),
                one["content"],
            )
    return said


def said_by_lines(path: Path, channels: dict[str, str]) -> Said:
    """What an export in lines says; ``channels`` are its ids, and those where they came from."""
    said = Said()
    for one in _lines(path):
        if "channel" in one and "id" in one:
            author = one.get("author") or {}
            said.add(
                channels.get(one["channel"], one["channel"]),
                one["id"],
                one.get("kind", "Default"),
                (datetime.fromisoformat(one["time"]) - _EPOCH) // timedelta(milliseconds=1),
                *(author.get(name) or "" for name in ("id", "name", "nickname", "discriminator")),
                one.get("text", ""),
            )
    return said


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def differences(source: Said, found: Said) -> list[str]:
    """Everything that is not there, not the same, or too much; empty for nothing."""
    told = []
    kinds = (
        ("messages", source.messages, found.messages),
        ("pins", source.pins, found.pins),
    )
    for name, before, after in kinds:
        lacking = before.keys() - after.keys()
        extra = after.keys() - before.keys()
        other = [key for key in before.keys() & after.keys() if before[key] != after[key]]
        for what, keys in (("lacking", lacking), ("too many", extra), ("different", other)):
            if keys:
                told.append(f"{len(keys)} {name} are {what}, such as {min(keys)}")
    return told
