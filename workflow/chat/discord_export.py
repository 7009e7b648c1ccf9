"""Posts as files of the JSON that DiscordChatExporter writes, one for each channel.

Reading them again gives equal posts. What the form has no place for stands in fields that other
readers pass over: an attachment's media type, and its address where ``url`` is the path of the
saved file. Nothing is said about when it was exported, so equal posts give equal files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow.chat.folder import new_folder
from workflow.chat.media import safe_name, stored_name
from workflow.chat.post import Attachment, Channel, Post, clean, time_text


class DiscordExport:
    """An export that is being written. Made by ``discord_export``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_channel(self, channel: Channel, posts: Iterable[Post]) -> int:
        """Write a channel and all its posts, in the order given; how many there were.

        A channel is written once; a second time ends the export with ``DataDirectoryError``.
        """
        name = f"{safe_name(channel.id)}.json"
        count = 0
        with (self._folder / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write('{\n"guild": ')
            file.write(_json({"id": channel.guild, "name": channel.guild_name, "iconUrl": ""}))
            file.write(',\n"channel": ')
            file.write(_json(_channel(channel)))
            file.write(',\n"dateRange": {"after": null, "before": null},\n"messages": [')
            for post in posts:
                file.write(",\n" if count else "\n")
                file.write(_json(self._message(post, f"{name}_Files")))
                count += 1
            file.write(f'\n],\n"messageCount": {count}\n}}\n')
        return count

    def _message(self, post: Post, media: str) -> dict[str, Any]:
        author = post.author
        message: dict[str, Any] = {
            "id": post.id,
            "type": post.kind,
            "timestamp": time_text(post.time_ms),
            "timestampEdited": None if post.edited_ms is None else time_text(post.edited_ms),
            "callEndedTimestamp": None,
            "isPinned": False,
            "content": post.text,
            "author": {
                "id": author.id,
                "name": author.name,
                "discriminator": author.discriminator,
                "nickname": author.nickname,
                "color": None,
                "isBot": False,
                "roles": [],
                "avatarUrl": author.avatar_url,
            },
            "attachments": [self._attachment(each, media) for each in post.attachments],
            "embeds": [],
            "stickers": [],
            "reactions": [],
            "mentions": [],
        }
        if post.reference is not None:
            message["reference"] = {
                "messageId": post.reference.message,
                "channelId": post.reference.channel,
                "guildId": post.reference.guild,
            }
        message["inlineEmojis"] = []
        return message

    def _attachment(self, attachment: Attachment, media: str) -> dict[str, Any]:
        described: dict[str, Any] = {
            "id": attachment.id,
            "url": attachment.url,
            "fileName": attachment.name,
            "fileSizeBytes": attachment.size,
            "contentType": attachment.content_type,
        }
        if attachment.payload:
            file = stored_name(attachment)
            (self._folder / media).mkdir(exist_ok=True)
            (self._folder / media / file).write_bytes(attachment.payload)
            described |= {"url": f"{media}/{file}", "canonicalUrl": attachment.url}
        return described


@contextmanager
def discord_export(target: Path) -> Iterator[DiscordExport]:
    """Write an export into the folder ``target``, which appears when the block ends well.

    Raises ``DataDirectoryError`` when ``target`` is there and not an empty folder, or cannot be
    written.
    """
    with new_folder(target) as folder:
        yield DiscordExport(folder)


def _channel(channel: Channel) -> dict[str, str | None]:
    return {
        "id": channel.id,
        "type": channel.kind,
        "categoryId": channel.category_id or None,
        "category": channel.category or None,
        "name": channel.name,
        "topic": channel.topic or None,
    }


def _json(value: dict[str, Any]) -> str:
    return clean(json.dumps(value, ensure_ascii=False))
