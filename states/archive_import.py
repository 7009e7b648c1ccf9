"""The import of one archive: wanted, verified, imported; one bad archive never holds up another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from states.lifecycle import AGAIN, Level, Lifecycle, Rule, otherwise, row


class State(Enum):
    """What is being done with an archive that the index lists."""

    WANTED = "wanted"
    IMPORTING = "importing"
    WAITING_FOR_KEY = "waiting_for_key"
    QUARANTINED = "quarantined"
    IMPORTED = "imported"


class Event(Enum):
    """What has happened to it."""

    PIECES_VERIFIED = "pieces_verified"
    IMPORT_COMMITTED = "import_committed"
    KEY_MISSING = "key_missing"
    KEY_ARRIVED = "key_arrived"
    ARCHIVE_INVALID = "archive_invalid"
    RETRIED = "retried"
    ACTION_FAILED = "action_failed"


class Action(Enum):
    """What is done in a state."""

    WAIT_FOR_PIECES = "wait_for_pieces"
    IMPORT_MESSAGES = "import_messages"
    WAIT_FOR_KEY = "wait_for_key"
    HOLD = "hold"


class Signal(Enum):
    """What is told to listeners: the reference's names on the wire."""

    DOWNLOADED = "community.historyArchiveDownloaded"
    IMPORTING = "community.importingHistoryArchiveMessages"
    FINISHED = "community.downloadingHistoryArchivesFinished"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guards know, read in the deciding transaction. Times are seconds (UTC epoch)."""

    now: float = 0.0
    key_is_here: bool = False
    others_unfinished: int = 0


def is_last(facts: Facts) -> bool:
    """No other archive of this community is still on its way into the message store."""
    return facts.others_unfinished == 0


def key_here_since(facts: Facts) -> float | None:
    """From the moment on at which the community's key is known."""
    return 0.0 if facts.key_is_here else None


# fmt: off
S, E, G = State, Event, Signal

RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    #   in                 on                  if         go to              and tell
    row(S.WANTED,          E.PIECES_VERIFIED,  otherwise, S.IMPORTING,       (G.DOWNLOADED, G.IMPORTING)),
    row(S.IMPORTING,       E.IMPORT_COMMITTED, is_last,   S.IMPORTED,        G.FINISHED),
    row(S.IMPORTING,       E.IMPORT_COMMITTED, otherwise, S.IMPORTED),
    row(S.IMPORTING,       E.KEY_MISSING,      otherwise, S.WAITING_FOR_KEY),
    row(S.IMPORTING,       E.ARCHIVE_INVALID,  is_last,   S.QUARANTINED,     G.FINISHED),
    row(S.IMPORTING,       E.ARCHIVE_INVALID,  otherwise, S.QUARANTINED),
    row(S.IMPORTING,       E.ACTION_FAILED,    otherwise, AGAIN),
    row(S.WAITING_FOR_KEY, E.KEY_ARRIVED,      otherwise, S.IMPORTING,       G.IMPORTING),
    row(S.QUARANTINED,     E.RETRIED,          otherwise, S.IMPORTING,       G.IMPORTING),
)

ACTS: dict[State, Action] = {
    S.WANTED:          Action.WAIT_FOR_PIECES,
    S.IMPORTING:       Action.IMPORT_MESSAGES,
    S.WAITING_FOR_KEY: Action.WAIT_FOR_KEY,
    S.QUARANTINED:     Action.HOLD,
}

LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {
    S.WANTED:          (),
    S.WAITING_FOR_KEY: (Level(E.KEY_ARRIVED, key_here_since),),
    S.QUARANTINED:     (),
}
# fmt: on

ARCHIVE_IMPORT: Final = Lifecycle(
    name="archive",
    states=State,
    events=Event,
    actions=Action,
    facts=Facts,
    initial=State.WANTED,
    acts=ACTS,
    rules=RULES,
    levels=LEVELS,
    final=(State.IMPORTED,),
    failed=Event.ACTION_FAILED,
    main_path=(State.WANTED, State.IMPORTING, State.IMPORTED),
)
