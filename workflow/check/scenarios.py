"""The worlds that are searched: small enough for a minute, together large enough for every row."""

from __future__ import annotations

from typing import Final

from states.community import State
from workflow.check.device import Device
from workflow.check.world import Fault, Scenario

NEWCOMER: Final = Device("m")
OWNER: Final = Device("a", has_key=True, is_control_device=True)

SCENARIOS: Final = (
    Scenario(
        name="a control node",
        devices=(OWNER._replace(announcements_left=1),),
        messages=0b11,
        faults=frozenset(
            {
                Fault.CRASH,
                Fault.ACTION_FAILS,
                Fault.FILE_ERROR,
                Fault.SWITCH_OFF,
                Fault.KEY_AWAY,
                Fault.DELETION,
            }
        ),
        budget=2,
    ),
    Scenario(
        name="a member",
        devices=(NEWCOMER,),
        messages=0b1,
        heard=frozenset({("x", 1, "x1"), ("x", 2, "x3")}),
        faults=frozenset(
            {Fault.CRASH, Fault.ACTION_FAILS, Fault.FILE_ERROR, Fault.DAMAGE, Fault.SWITCH_OFF}
        ),
        budget=2,
    ),
)
