"""The promises of the ports as tests: subclass one, say how to make the adapter, run pytest.

Each contract is a class whose abstract methods make the adapter and let its time pass. Nothing is
assumed about what time is: a test waits with ``wait(seconds)``, which sleeps for a real network and
moves the clock of a simulated one. ``patience`` is how many such seconds the network may need for
whatever it does at last, and is yours to set.
"""

import pytest

for _name in ("carrier", "carrier_parts", "carrying", "clock", "keys", "messaging"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

# After the lines above, or a failing assertion would not show its values.
from workflow.testing.contracts.carrier import CarrierContract  # noqa: E402
from workflow.testing.contracts.clock import ClockContract  # noqa: E402
from workflow.testing.contracts.keys import KeysContract  # noqa: E402
from workflow.testing.contracts.messaging import MessagingContract  # noqa: E402

__all__ = ["CarrierContract", "ClockContract", "KeysContract", "MessagingContract"]
