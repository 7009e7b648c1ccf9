"""What a test of an application, or of an adapter of your own, needs; part of the wheel.

A world in one process, in which only the test moves time::

    clock = ManualClock()
    network, swarm = MessageNetwork(clock), Swarm(clock)
    clock.watch(lambda: swarm.is_busy)
    messaging, carrier, keys = InProcessMessaging(network), MemoryCarrier(swarm), MemoryKeys()

The promises of a port, to be kept by an adapter of your own (see ``contracts``)::

    class TestOurKeys(KeysContract):
        def open_keys(self, directory: Path) -> Keys:
            return OurKeys(directory)

The contracts need pytest and, but for ``KeysContract``, pytest-asyncio; nothing else here does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import (
    Acceptance,
    Faults,
    InProcessMessaging,
    MessageNetwork,
    Published,
    Question,
)

if TYPE_CHECKING:
    from workflow.testing.contracts import (
        CarrierContract,
        ClockContract,
        KeysContract,
        MessagingContract,
    )

__all__ = [
    "Acceptance",
    "CarrierContract",
    "ClockContract",
    "Faults",
    "InProcessMessaging",
    "KeysContract",
    "ManualClock",
    "MemoryCarrier",
    "MemoryKeys",
    "MessageNetwork",
    "MessagingContract",
    "Published",
    "Question",
    "Swarm",
]


def __getattr__(name: str) -> object:
    """The contracts, only when they are asked for: they import pytest."""
    if name.endswith("Contract") and name in __all__:
        from workflow.testing import contracts  # noqa: PLC0415 - that is the point.

        return getattr(contracts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
