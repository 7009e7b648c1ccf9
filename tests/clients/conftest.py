"""What the tests with other programs stand on: a network, a tracker, a generation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.clients.network import is_alone, network_of_its_own
from tests.clients.skipping import skip
from tests.clients.tracker import Tracker, tracking

TRACKER_PORT: Final = 6969


@pytest.fixture
def tracker(network: None) -> Iterator[Tracker]:
    with tracking(TRACKER_PORT) as tracker:
        yield tracker


@pytest.fixture
def network() -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(network_of_its_own())
        except OSError as error:
            skip(f"there is no network of its own for this test: {error}")
        assert is_alone()
        yield
