"""A question and an answer over HTTP, and the ASGI application around whatever answers.

Paths stay percent-encoded until an endpoint takes its segment apart, as nodes have it: there
``%2F`` is no separator.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TEXT: Final = "text/plain"


class HangupError(ConnectionError):
    """The connection ends in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """``segments`` is the path between its slashes, still encoded; ``query`` is decoded."""

    method: str
    segments: tuple[str, ...]
    query: dict[str, str]
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``missing`` is how many bytes of ``body`` are announced and never come."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0


def text(status: int, sentence: str, content_type: str = TEXT) -> Answer:
    return Answer(status, sentence.encode(), content_type)


def in_json(value: object) -> bytes:
    """As both dialects write it: without spaces, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def application(answer: Callable[[Request], Awaitable[Answer]]) -> App:
    """Raises what ``answer`` raises, and ``HangupError`` when part of a body is missing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        path = scope["raw_path"].decode("ascii")
        request = Request(
            scope["method"],
            tuple(path.removeprefix("/").split("/")),
            dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)),
            await _body(receive),
            headers.get(b"content-type", b"").decode("latin-1"),
        )
        given = await answer(request)
        told = {"content-length": str(len(given.body) + given.missing), **given.headers}
        if given.content_type is not None:
            told["content-type"] = given.content_type
        await send(
            {
                "type": "http.response.start",
                "status": given.status,
                "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            }
        )
        is_half = given.missing > 0
        await send({"type": "http.response.body", "body": given.body, "more_body": is_half})
        if is_half:
            raise HangupError(f"{given.missing} bytes of the answer are missing")

    return app


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise HangupError("the question was cut off")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
