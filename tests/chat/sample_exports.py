"""Exports to damage: one good message, and what the reader makes of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workflow.chat.discord import read_export
from workflow.chat.post import Author, Post, Problem

TIME = "2022-07-18T09:51:43.953+00:00"
TIME_MS = 1658137903953
CHANNEL = {"id": "7", "type": "GuildTextChat", "category": None, "name": "talk", "topic": None}
MESSAGE: dict[str, Any] = {
    "id": "1",
    "type": "Default",
    "timestamp": TIME,
    "timestampEdited": None,
    "content": "hello",
    "author": {"id": "9", "name": "bob", "discriminator": "0000", "nickname": "B", "avatarUrl": ""},
    "attachments": [],
}
POST = Post("1", "7", Author("9", "bob", "B", "0000"), TIME_MS, "hello")


def message(**changed: Any) -> dict[str, Any]:
    return {**MESSAGE, **changed}


def export(*messages: Any, **changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"channel": CHANNEL, "messages": list(messages)}
    return {**whole, "messageCount": len(messages), **changed}


def read(file: Path, content: object) -> tuple[list[Post], list[Problem]]:
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = list(read_export(file))
    posts = [each for each in found if isinstance(each, Post)]
    return posts, [each for each in found if isinstance(each, Problem)]


def read_cleanly(file: Path, content: object) -> list[Post]:
    posts, problems = read(file, content)
    assert problems == []
    return posts
