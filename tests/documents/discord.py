"""A small chat, as DiscordChatExporter writes it: two weeks that are long over."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chat.sample_exports import export, message

SAID = (
    ("2022-07-04T09:00:00+00:00", "ann", "Good morning, gardeners"),
    ("2022-07-04T09:05:00+00:00", "bob", "Are the tomatoes in?"),
    ("2022-07-05T18:30:00+00:00", "ann", "Since Sunday. The beans, too."),
    ("2022-07-12T07:45:00+00:00", "bob", "Rain at last"),
    ("2022-07-13T20:10:00+00:00", "eve", "Who has seeds of the black tomatoes?"),
)


def write_export(path: Path) -> None:
    """Write it, with the folders that lead there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    messages = [
        message(id=str(number), timestamp=at, content=text,
                author={"id": str(ord(name[0])), "name": name, "nickname": name})
        for number, (at, name, text) in enumerate(SAID, 1)
    ]  # fmt: skip
    path.write_text(json.dumps(export(*messages)), "utf-8")
