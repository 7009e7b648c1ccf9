from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from workflow.adapters.messaging.waku.settings import WakuSettings, node_address, shown
from workflow.errors import ConfigurationError


@pytest.mark.parametrize(
    ("node", "address", "credentials"),
    [
        ("http://127.0.0.1:8645", "http://127.0.0.1:8645", None),
        ("http://127.0.0.1:8645/", "http://127.0.0.1:8645", None),
        ("https://Waku.example.org/node/1/", "https://waku.example.org/node/1", None),
        ("http://[::1]:8645", "http://[::1]:8645", None),
        ("https://me:p%40ss@waku.example.org", "https://waku.example.org", ("me", "p@ss")),
        ("https://me@waku.example.org", "https://waku.example.org", ("me", "")),
    ],
)
def test_an_address_is_taken_apart(
    node: str, address: str, credentials: tuple[str, str] | None
) -> None:
    assert node_address(node) == (address, credentials)
    assert WakuSettings((node,)).addresses == (address,)


@pytest.mark.parametrize(
    "node",
    [
        "",
        "127.0.0.1:8645",
        "ftp://me:secret@127.0.0.1",
        "http://",
        "http://me:secret@",
        "http://me:secret@host:port",
        "http://me:secret@host:99999",
        "http://me:secret@host/?a=b",
        "http://me:secret@host#here",
        "http://me:secret@host?",
        "http://me:secret@ho st",
        "http://me:secret@höst",
        "http://me:secret@[::1",
        "me:secret@host",
        "http:me:secret@host",
        "http://me:secret@@host:x",
        "http://me/secret@host",
        "http://me:12/secret@host",
        "/ip4/127.0.0.1/tcp/60000",
    ],
)
def test_what_is_no_address_is_refused_and_keeps_its_secret(node: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        WakuSettings((node,))
    assert "secret" not in refused.value.explained()
    assert "http://127.0.0.1:8645" in refused.value.advice


def test_credentials_are_not_shown() -> None:
    assert shown("https://me:se/cr@et@host/path") == "https://host/path"
    assert "secret" not in repr(WakuSettings(("http://me:secret@host",)))


@pytest.mark.parametrize(
    "settings",
    [
        {"nodes": ()},
        {"nodes": ("http://host", "http://HOST/")},
        {"nodes": ("http://host", "http://me:secret@host")},
        {"pubsub_topics": ()},
        {"pubsub_topics": ("/waku/2/default-waku/proto",)},
        {"pubsub_topics": ("/waku/2/rs/16",)},
        {"pubsub_topics": ("/waku/2/rs/16/032",)},
        {"pubsub_topics": ("/waku/2/rs/16/65536",)},
        {"pubsub_topics": ("/waku/2/rs/16/32\n",)},
        {"pubsub_topics": ("/waku/2/rs/16/32", "/waku/2/rs/16/32")},
        {"poll_every": 0.0},
        {"poll_every": float("nan")},
        {"ask_every": float("inf")},
        {"ask_every": -1.0},
        {"limit": 0},
        {"confirm_after": (-1.0,)},
        {"confirm_after": (3.0, 1.0)},
        {"confirm_after": (float("nan"),)},
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        WakuSettings(**{"nodes": ("http://host",), **settings})
    assert "secret" not in refused.value.explained()


def test_settings_are_those_of_status_today() -> None:
    settings = WakuSettings(("http://host",))
    assert settings.pubsub_topics == ("/waku/2/rs/16/32", "/waku/2/rs/16/64")
    assert settings.limit == 150_000


def test_settings_are_checked_without_loading_httpx() -> None:
    program = (
        "import sys; import workflow.adapters.messaging.waku.settings;"
        " sys.exit('httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
