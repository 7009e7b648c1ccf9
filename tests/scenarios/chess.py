"""Signed messages as the community of these scenarios writes them, and who lives in it."""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey

from tests.scenarios.forging import signed_by
from workflow.archive.announcement import Announcement, sign, to_line
from workflow.archive.hashing import keccak256
from workflow.archive.wire import field, varint
from workflow.node import Node
from workflow.testing.world import HOUR, WEEK, World, text_message

KEY: Final = PrivateKey.from_int(7)
NEW_KEY: Final = PrivateKey.from_int(8)
ID: Final = "0x" + KEY.public_key.format().hex()
TOPIC: Final = b"\x01\x02\x03\x04"


async def owner_in(world: World) -> Node:
    """A control node with one archived and announced week."""
    node = await world.start("owner")
    await node.enable()
    await node.create_community("chess", private_key=KEY.secret, reannounce_after=None)
    await node.add_topic(ID, TOPIC)
    await node.add_messages(ID, [text_message(TOPIC, world.clock.now(), "one")])
    await world.advance(WEEK + 2 * HOUR)
    return node


async def member_in(world: World, name: str = "member") -> Node:
    node = await world.start(name)
    await node.enable()
    await node.join(ID, "chess")
    await world.advance(1)
    return node


async def refused(node: Node) -> dict[str, int]:
    return dict((await node.status(ID)).refusals)


def now_of(world: World) -> int:
    return int(world.clock.now() * 1000)


def announced(clock: int, locator: str, key: PrivateKey = KEY) -> str:
    return to_line(ID, sign(Announcement(clock, locator), signed_by(key)))


def message_of(kind: int, payload: bytes, key: PrivateKey = KEY) -> bytes:
    signature = key.sign_recoverable(keccak256(payload), hasher=None)
    return field(1, signature) + field(2, payload) + b"\x18" + varint(kind)


def join_response(
    clock: int, magnet: str, *, key: PrivateKey = KEY, accepted: bool = True, id: str = ID
) -> bytes:
    """As status-go writes it, with fields that are none of our business."""
    return message_of(
        48,
        b"\x08" + varint(clock)
        + (b"\x18\x01" if accepted else b"")
        + field(4, b"grant")
        + field(5, bytes.fromhex(id[2:]))
        + (field(6, magnet.encode()) if magnet else b"")
        + field(7, bytes(32)),
        key,
    )  # fmt: skip


def description(
    magnetlink_clock: int, key: PrivateKey = KEY, channels: dict[str, str] | None = None
) -> bytes:
    """As status-go writes it; ``channels`` are names by UUID."""
    parts = [b"\x08\x05", field(2, bytes(1000))]
    for uuid, name in (channels or {}).items():
        identity = b"\x08\x01" + field(4, name.encode()) + field(6, b"#4360df")
        chat = field(1, b"member") + field(3, identity)
        parts.append(field(6, field(1, uuid.encode()) + field(2, chat)))
    return message_of(25, b"".join(parts) + b"\x48" + varint(magnetlink_clock), key)
