from __future__ import annotations

import pytest

from tests.waku.rest import Waku, chat_of
from workflow.adapters.messaging.waku import dialects
from workflow.waku.chats import Chat


@pytest.fixture
def waku(monkeypatch: pytest.MonkeyPatch) -> Waku:
    """Nodes and a clock; the keys of chats are derived at once."""
    monkeypatch.setattr(Chat, "of", chat_of)
    return Waku()


@pytest.fixture
def small_pages(waku: Waku, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what stores tell; what is delivered is not what this is about."""
    monkeypatch.setattr(dialects, "MAX_PAGE_SIZE", 10)
    waku.poll_every = 20.0
