"""The node's own switch: whether archives are kept at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from states.lifecycle import Level, Lifecycle, Rule, otherwise, row


class State(Enum):
    """The switch's two positions."""

    DISABLED = "disabled"
    ENABLED = "enabled"


class Event(Enum):
    """Somebody turned it."""

    PROTOCOL_ENABLED = "protocol_enabled"
    PROTOCOL_DISABLED = "protocol_disabled"


class Action(Enum):
    """Nothing is done but to wait for the next turn."""

    WAIT = "wait"


class Signal(Enum):
    """What is told to listeners: the reference's names on the wire."""

    ENABLED = "community.historyArchivesProtocolEnabled"
    DISABLED = "community.historyArchivesProtocolDisabled"


@dataclass(frozen=True, slots=True)
class Facts:
    """Nothing needs to be known."""


# fmt: off
S, E, G = State, Event, Signal

RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    #   in          on                   if         go to       and tell
    row(S.DISABLED, E.PROTOCOL_ENABLED,  otherwise, S.ENABLED,  G.ENABLED),
    row(S.ENABLED,  E.PROTOCOL_DISABLED, otherwise, S.DISABLED, G.DISABLED),
)

ACTS: dict[State, Action] = {S.DISABLED: Action.WAIT, S.ENABLED: Action.WAIT}
# fmt: on

NO_LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {S.DISABLED: (), S.ENABLED: ()}

NODE: Final = Lifecycle(
    name="node",
    states=State,
    events=Event,
    actions=Action,
    facts=Facts,
    initial=State.DISABLED,
    acts=ACTS,
    rules=RULES,
    levels=NO_LEVELS,
)
