"""What the tests of the nodes ask them, and how."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests.waku.nodes.node import Dialect
from tests.waku.samples import SHARD
from workflow.waku.message import WakuMessage

AT: Final = 1_795_328_000
"""When the tests begin (seconds, UTC epoch)."""
NOW: Final = AT * 1_000_000_000
TOPIC: Final = "/waku/1/0x5c56d6b8/rfc26"
OTHER_SHARD: Final = "/waku/2/rs/16/64"
SUBSCRIPTIONS: Final = "/relay/v1/subscriptions"
STORE: Final = "/store/v3/messages"
OLDER_STORE: Final = "/store/v1/messages"
GO_JSON: Final = "application/json; charset=UTF-8"
GO_TEXT: Final = "text/plain; charset=utf-8"

is_go = pytest.mark.parametrize("dialect", [Dialect.GO_WAKU])
is_nwaku = pytest.mark.parametrize("dialect", [Dialect.NWAKU])


def messages_at(shard: str = SHARD) -> str:
    """The path of its messages."""
    return f"/relay/v1/messages/{quote(shard, safe='')}"


def message(number: int = 0, **fields: Any) -> WakuMessage:
    """Sent so many nanoseconds after the tests began."""
    return WakuMessage(b"%d" % number, TOPIC, timestamp=NOW + number, **fields)


def said(**fields: Any) -> dict[str, Any]:
    """A message, as clients send it."""
    return {"payload": "aGVsbG8=", "contentTopic": TOPIC, "timestamp": NOW, **fields}


def told(answer: httpx.Response) -> tuple[int, str | None, str]:
    return answer.status_code, answer.headers.get("content-type"), answer.text


async def polled(client: httpx.AsyncClient, shard: str = SHARD) -> list[bytes]:
    answer = await client.get(messages_at(shard))
    assert answer.status_code == 200
    return [base64.b64decode(one["payload"]) for one in answer.json() or ()]
