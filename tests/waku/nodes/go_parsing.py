"""What Go's parsers take from a question to go-waku, and the words with which they refuse."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, Final

from workflow.waku.message import MAX_META_LENGTH, WakuMessage

_KINDS: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_ORDINARY: Final = re.compile(r"[A-Za-z0-9+/]*")
_URL_SAFE: Final = re.compile(r"[A-Za-z0-9_-]*")


class RefusedError(Exception):
    """A question that they do not take; the text is theirs."""


def parsed_message(body: bytes) -> WakuMessage:
    """Raises ``RefusedError`` with the words of encoding/json and of the message's own check."""
    try:
        told = json.loads(body)
    except ValueError:
        raise RefusedError("invalid character looking for beginning of value") from None
    if not isinstance(told, dict):
        raise RefusedError(f"json: cannot unmarshal {_kind(told)} into Go value of type ...")
    payload = _payload(_field(told, "payload", str, "string"))
    topic = _field(told, "contentTopic", str, "string")
    version = _field(told, "version", int, "uint32")
    timestamp = _field(told, "timestamp", int, "int64")
    meta = _base64(_field(told, "meta", str, "string") or "", _ORDINARY)
    ephemeral = _field(told, "ephemeral", bool, "bool")
    if not payload:
        raise RefusedError("missing Payload field")
    if not topic:
        raise RefusedError("missing ContentTopic field")
    if len(meta) > MAX_META_LENGTH:
        raise RefusedError("invalid length for Meta field")
    try:
        return WakuMessage(payload, topic, version, timestamp, meta or None, ephemeral)
    except ValueError as error:
        raise RefusedError(f"json: cannot unmarshal number: {error}") from None


def _field(told: dict[str, Any], name: str, kind: type, go: str) -> Any:
    value = told.get(name)
    if value is None or type(value) is kind:
        return value
    place = f"Go struct field RestWakuMessage.{name} of type {go}"
    raise RefusedError(f"json: cannot unmarshal {_kind(value)} into {place}")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "object")


def _payload(said: str | None) -> bytes:
    """In either alphabet, padded or not."""
    letters = (said or "").rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    return _base64(letters + "=" * (-len(letters) % 4), _ORDINARY)


def url_safe(said: str) -> bytes:
    """Hashes and cursors come in url-safe only, padded; they go out in the ordinary alphabet."""
    return _base64(said, _URL_SAFE)


def _base64(said: str, alphabet: re.Pattern[str]) -> bytes:
    letters = said.rstrip("=")
    matched = alphabet.match(letters)
    wrong = matched.end() if matched else 0
    if wrong < len(letters) or len(said) % 4:
        raise RefusedError(f"illegal base64 data at input byte {wrong}")
    try:
        return base64.b64decode(said, altchars=b"-_" if alphabet is _URL_SAFE else None)
    except binascii.Error:
        raise RefusedError(f"illegal base64 data at input byte {wrong}") from None


def ordinary(data: bytes | None) -> str:
    return base64.b64encode(data or b"").decode()


def number(asked: dict[str, str], name: str) -> int | None:
    said = asked.get(name, "")
    if not said:
        return None
    if not _INTEGER.fullmatch(said):
        raise RefusedError(f'strconv.ParseInt: parsing "{said}": invalid syntax')
    if not -(1 << 63) <= int(said) < 1 << 63:
        raise RefusedError(f'strconv.ParseInt: parsing "{said}": value out of range')
    return int(said)


def flag(asked: dict[str, str], name: str, *, unsaid: bool = False) -> bool:
    said = asked.get(name, "")
    if not said:
        return unsaid
    if said not in {"true", "false"}:
        raise RefusedError(f'strconv.ParseBool: parsing "{said}": invalid syntax')
    return said == "true"
