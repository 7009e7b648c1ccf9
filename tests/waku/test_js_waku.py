"""js-waku opens what we sealed a moment ago, and we what it sealed.

``.ci/install-js-waku`` installs it. Where it is not, these tests are skipped, or fail when
CLIENTS=required.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.skipping import skip
from tests.waku.samples import ACCOUNT, KEY, LINKS, SENDER, SHARD, signed_by
from workflow.adapters.keys.memory import MemoryKeys
from workflow.waku.message import WakuMessage
from workflow.waku.payload import encode, encrypt
from workflow.waku.refusal import Refusal
from workflow.waku.sealing import Opened, Sealed, open_sealed, seal

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
NODE_MODULES: Final = Path(
    os.environ.get("JS_WAKU_MODULES") or CACHE / "community-archives" / "js-waku" / "node_modules"
)
SENT_AT: Final = 1_704_672_000_123_456_789
LENGTHS: Final = (0, 1, 187, 188, 189, 190, 253, 254, 255, 256, 257, 1000, 65_535, 65_536, 100_000)
RANDOM: Final = MemoryKeys().random

Answer = dict[str, Any]


def told(length: int) -> bytes:
    return bytes(number * 7 % 256 for number in range(length))


def ours(length: int, *, is_signed: bool) -> WakuMessage:
    if is_signed:
        return seal(LINKS, told(length), signed_by(ACCOUNT), RANDOM).stamped(SENT_AT)
    payload = encrypt(LINKS.key, encode(told(length), RANDOM), RANDOM)
    return Sealed(LINKS.content_topic, 1, payload).stamped(SENT_AT)


OURS: Final = [ours(length, is_signed=signed) for length in LENGTHS for signed in (True, False)]
CASES: Final = [(length, signed) for length in LENGTHS for signed in (True, False)]


@pytest.fixture(scope="module")
def answer() -> Answer:
    """All that js-waku is asked, at once: to start it takes a second."""
    package = NODE_MODULES / "@waku" / "message-encryption"
    lacking = [] if shutil.which("node") else ["node"]
    lacking += [] if package.is_dir() else ["@waku/message-encryption"]
    if lacking:
        skip(f"not installed: {', '.join(lacking)}; see .ci/install-js-waku")
    changed = bytearray(OURS[0].payload)
    changed[0] ^= 1
    question = {
        "chatId": LINKS.id,
        "pubsubTopic": SHARD,
        "signer": KEY.hex(),
        "seal": [{"data": told(length).hex(), "isSigned": signed} for length, signed in CASES],
        "open": [
            *(message.encode().hex() for message in OURS),
            Sealed(LINKS.content_topic, 1, bytes(changed)).stamped(SENT_AT).encode().hex(),
        ],
    }
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("js_waku.mjs")), str(NODE_MODULES)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Answer = json.loads(done.stdout)
    return found


def test_a_chat_is_called_the_same(answer: Answer) -> None:
    assert answer["contentTopic"] == LINKS.content_topic


def test_theirs_is_opened_here(answer: Answer) -> None:
    for (length, is_signed), theirs in zip(CASES, answer["sealed"], strict=True):
        message = WakuMessage(
            bytes.fromhex(theirs["payload"]),
            theirs["contentTopic"],
            theirs["version"],
            int(theirs["timestamp"]),
        )
        assert message.hash(SHARD).hex() == theirs["hash"]
        opened = open_sealed(message, [LINKS])
        if is_signed:
            assert isinstance(opened, Opened)
            assert (opened.payload, opened.sender) == (told(length), SENDER)
            assert 1 <= len(opened.padding) <= 256
        else:
            assert opened is Refusal.UNSIGNED


def test_ours_is_opened_there(answer: Answer) -> None:
    *good, changed = answer["opened"]
    assert changed is None
    for (length, is_signed), message, theirs in zip(CASES, OURS, good, strict=True):
        assert theirs["data"] == told(length).hex()
        assert theirs.get("sender") == (SENDER.hex() if is_signed else None)
        assert theirs["timestamp"] == str(SENT_AT)
        assert theirs["contentTopic"] == message.content_topic
        assert theirs["hash"] == message.hash(SHARD).hex()


def test_both_take_the_same_room(answer: Answer) -> None:
    """What is encoded differs in the fields that say nothing: ours are those of status-go."""
    for message, theirs in zip(OURS, answer["sealed"], strict=True):
        assert len(message.payload) == len(theirs["payload"]) // 2
        assert 0 <= len(message.encode()) - len(theirs["encoded"]) // 2 <= len(b"\x5a\0\xf8\x01\0")
