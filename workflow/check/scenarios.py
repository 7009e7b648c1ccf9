"""The worlds that are searched: small enough for a minute, together large enough for every row."""

from __future__ import annotations

from typing import Final

from states.community import State
from states.instance import Instance
from workflow.check.device import NOW, Announcement, Device
from workflow.check.world import Fault, Scenario

IDLE: Final = Instance("c", State.IDLE)
OWNER: Final = Device("a", has_key=True, is_control_device=True)
MEMBER: Final = Device("m")
ESTABLISHED: Final = OWNER._replace(
    locator="a1",
    messages=0b1,
    announcement=Announcement(1, "a1", sent_at=0.0),
    announced=frozenset({(1, "a1")}),
    was_seeded=True,
    is_live=True,
)
"""A control node with archives that are announced."""

X1, X3, Y3 = ("x", 1, "x1"), ("x", 2, "x3"), ("y", 3, "y3")
"""What devices that are gone have announced; y3 holds what x3 holds, under another name."""


def _faults(*faults: Fault) -> frozenset[Fault]:
    return frozenset(faults)


def _in_vain(state: State, device: Device, messages: int = 0) -> Scenario:
    """One action never succeeds and gives up at once: only the back-off keeps it from racing."""
    return Scenario(
        name=f"{state.value} that never succeeds, by {device.name}",
        devices=(device,),
        messages=messages,
        heard=frozenset() if messages else frozenset({X1, X3}),
        always_fails=frozenset({state}),
        attempts_allowed=1,
    )


SCENARIOS: Final = (
    *(_in_vain(state, MEMBER) for state in (State.FETCHING, State.DOWNLOADING, State.SEEDING)),
    *(
        _in_vain(state, OWNER, messages=1)
        for state in (State.CREATING, State.SEEDING, State.ANNOUNCING)
    ),
    Scenario(
        name="a control node that is disturbed",
        devices=(OWNER._replace(is_caught_up=False, catch_up_deadline=NOW + 1),),
        messages=0b1,
        faults=_faults(Fault.STRAY, Fault.DUPLICATE, Fault.DELETION),
        budget=2,
    ),
    Scenario(
        name="a member that is disturbed",
        devices=(MEMBER,),
        heard=frozenset({X1, X3}),
        faults=_faults(Fault.STRAY, Fault.DUPLICATE),
        budget=2,
    ),
    Scenario(
        name="links whose index is encrypted",
        devices=(MEMBER._replace(has_index_key=False),),
        heard=frozenset({X1, X3, Y3}),
        encrypted=frozenset({"x3", "y3"}),
        faults=_faults(Fault.CRASH),
        budget=1,
    ),
    Scenario(
        name="archives that nobody offers any more",
        devices=(MEMBER,),
        heard=frozenset({X1, X3, Y3}),
        gone=frozenset({"x1", "y3"}),
        faults=_faults(Fault.DAMAGE),
        budget=1,
    ),
    Scenario(
        name="a control node that fails and crashes",
        devices=(OWNER,),
        messages=0b11,
        faults=_faults(Fault.CRASH, Fault.ACTION_FAILS, Fault.FILE_ERROR, Fault.SWITCH_OFF),
        budget=2,
    ),
    Scenario(
        name="a control node whose key comes and goes",
        devices=(OWNER._replace(announcements_left=1),),
        messages=0b1,
        faults=_faults(Fault.CRASH, Fault.KEY_AWAY, Fault.DELETION, Fault.DAMAGE),
        budget=2,
    ),
    Scenario(
        name="a member that fails and crashes",
        devices=(MEMBER,),
        messages=0b1,
        heard=frozenset({X1, X3}),
        faults=_faults(
            Fault.CRASH, Fault.ACTION_FAILS, Fault.FILE_ERROR, Fault.DAMAGE, Fault.SWITCH_OFF
        ),
        budget=2,
    ),
    Scenario(
        name="a member that becomes control node, and ceases to be",
        devices=(MEMBER._replace(has_key=True),),
        messages=0b10,
        heard=frozenset({Y3}),
        faults=_faults(Fault.TAKE_OVER, Fault.HAND_OVER, Fault.CRASH),
        budget=3,
    ),
    Scenario(
        name="a restored owner without its data",
        devices=(OWNER,),
        messages=0b10,
        heard=frozenset({X1, X3}),
        faults=_faults(Fault.CRASH, Fault.KEY_AWAY),
        budget=2,
    ),
    Scenario(
        name="a control node and a member",
        devices=(OWNER._replace(place=IDLE), MEMBER._replace(place=IDLE)),
        messages=0b1,
        copies_stay=False,
        faults=_faults(Fault.CRASH),
        budget=1,
    ),
    Scenario(
        name="two devices with one key",
        devices=(ESTABLISHED._replace(place=IDLE), OWNER._replace(place=IDLE, name="b")),
        messages=0b10,
        heard=frozenset({("a", 1, "a1")}),
        faults=_faults(Fault.TAKE_OVER),
        budget=2,
    ),
)
