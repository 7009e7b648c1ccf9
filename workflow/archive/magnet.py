"""Magnet links: how an announcement names a torrent.

A link is written exactly as status-go writes it. It is read as what a stranger wrote: one
info-hash is taken from it, name and trackers are kept to be shown, and whatever else could make a
program connect somewhere (web seeds, peers, nodes) is not kept at all.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workflow.errors import MagnetInvalidError

MAX_MAGNET_LENGTH: Final = 4 * 1024
"""Characters in a magnet link, at most."""

MAX_TRACKERS: Final = 64
"""Trackers in a magnet link, at most."""

_PREFIX: Final = "magnet:?"
_VERSION_1, _VERSION_2 = "urn:btih:", "urn:btmh:"
_NUMBERED: Final = re.compile(r"\.[0-9]+$")  # tr.1, tr.2: the number means nothing
_HEX: Final = re.compile(r"[0-9A-Fa-f]{40}")
_BASE32: Final = re.compile(r"[2-7A-Za-z]{32}")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNESCAPED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


@dataclass(frozen=True, slots=True)
class Magnet:
    """``info_hash`` is 40 lower-case hex digits; ``name`` and ``trackers`` are for display only."""

    info_hash: str
    name: str = ""
    trackers: tuple[str, ...] = ()


def magnet_uri(info_hash: str, name: str, trackers: Iterable[str]) -> str:
    """The magnet link of a torrent: the hash (40 lower-case hex digits), then name, then trackers.

    Raises ``MagnetInvalidError`` when ``parse_magnet`` would not give back the same three.
    """
    magnet = Magnet(info_hash, name, tuple(trackers))
    for text in (name, *magnet.trackers):
        _check_printable(text)
    parameters = [("dn", name)] if name else []
    parameters += [("tr", tracker) for tracker in magnet.trackers]
    uri = f"{_PREFIX}xt={_VERSION_1}{info_hash}" + "".join(
        f"&{key}={_escaped(value)}" for key, value in parameters
    )
    if parse_magnet(uri) != magnet:
        raise MagnetInvalidError("no magnet link can say this")
    return uri


def parse_magnet(text: str) -> Magnet:
    """What a magnet link names.

    Raises ``MagnetInvalidError`` for more than 4 KiB, characters outside printable ASCII, another
    scheme, escapes that are broken or not UTF-8, more than 64 trackers, and unless it has one
    info-hash of version 1 (40 hex or 32 base32 digits, not all zero): none, a second one, or one of
    version 2 beside it is refused. Parameters of other names, and hashes of other networks, are
    ignored.
    """
    if len(text) > MAX_MAGNET_LENGTH:
        raise MagnetInvalidError(
            f"a magnet link of {len(text)} characters is longer than {MAX_MAGNET_LENGTH}"
        )
    if not text.isascii():
        raise MagnetInvalidError("a magnet link has other characters than ASCII")
    _check_printable(text)
    if text[: len(_PREFIX)].lower() != _PREFIX:
        raise MagnetInvalidError(f"a magnet link begins with '{_PREFIX}'")
    hashes, names, trackers = set[str](), list[str](), list[str]()
    for parameter in text[len(_PREFIX) :].split("&"):
        key, _, value = parameter.partition("=")
        match _NUMBERED.sub("", _unescaped(key)):
            case "xt":
                hashes.update(_read_topic(_unescaped(value)))
            case "dn":
                names.append(_unescaped(value))
            case "tr" if value:
                trackers.append(_unescaped(value))
    if len(hashes) != 1:
        raise MagnetInvalidError(f"a magnet link names {len(hashes)} info-hashes instead of one")
    if len(trackers) > MAX_TRACKERS:
        raise MagnetInvalidError(f"a magnet link names more than {MAX_TRACKERS} trackers")
    return Magnet(hashes.pop(), "".join(names[:1]), tuple(trackers))


def _read_topic(topic: str) -> tuple[str, ...]:
    """The info-hash in an ``xt``, in hex; none in that of another network."""
    prefix, digits = topic[: len(_VERSION_1)].lower(), topic[len(_VERSION_1) :]
    if prefix == _VERSION_2:
        raise MagnetInvalidError("a magnet link names an info-hash of version 2")
    if prefix != _VERSION_1:
        return ()
    if _BASE32.fullmatch(digits):
        digits = base64.b32decode(digits.upper()).hex()
    if not _HEX.fullmatch(digits) or not int(digits, 16):
        raise MagnetInvalidError("a magnet link's info-hash is not one of version 1")
    return (digits.lower(),)


def _escaped(text: str) -> str:
    """As the fields of web forms are escaped."""
    return "".join(
        chr(byte) if byte in _UNESCAPED else f"%{byte:02X}" for byte in text.encode()
    ).replace("%20", "+")


def _unescaped(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise MagnetInvalidError("an escape in a magnet link has not two hex digits")
    encoded = text.replace("+", " ").encode()
    try:
        unescaped = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), encoded).decode()
    except UnicodeDecodeError as error:
        raise MagnetInvalidError("a magnet link is not text in UTF-8") from error
    _check_printable(unescaped)
    return unescaped


def _check_printable(text: str) -> None:
    if not text.isprintable():
        raise MagnetInvalidError("a magnet link has characters that cannot be shown")
