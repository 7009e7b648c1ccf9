"""A community's archives on this node: everything that may happen to them, in one table.

Read it from top to bottom. The rule at the heart stands in one row: only the control node
announces, and only from ``seeding``, where the archives have just been checked to be live; there
is no other way into ``announcing``, neither after creating nor after downloading.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from states.lifecycle import AGAIN, STAY, Level, Lifecycle, Rule, otherwise, row

DAY: Final = 86_400
"""Seconds."""


class State(Enum):
    """What is being done for a community."""

    OFF = "off"
    IDLE = "idle"
    CREATING = "creating"
    SEEDING = "seeding"
    ANNOUNCING = "announcing"
    SETTLING = "settling"
    FETCHING = "fetching"
    DOWNLOADING = "downloading"


class Event(Enum):
    """What has happened."""

    SWITCHED_ON = "switched_on"
    SWITCHED_OFF = "switched_off"
    TORRENT_DROPPED = "torrent_dropped"
    TORRENT_MISSING = "torrent_missing"
    WINDOW_CLOSED = "window_closed"
    ARCHIVES_WRITTEN = "archives_written"
    NOTHING_TO_WRITE = "nothing_to_write"
    TORRENT_SEEDED = "torrent_seeded"
    PIECES_MISSING = "pieces_missing"
    ANNOUNCE_DUE = "announce_due"
    LINK_SENT = "link_sent"
    CONTROL_LOST = "control_lost"
    LINK_WAITING = "link_waiting"
    LINK_RECEIVED = "link_received"
    SETTLED = "settled"
    INDEX_FETCHED = "index_fetched"
    KEY_MISSING = "key_missing"
    ARCHIVES_DOWNLOADED = "archives_downloaded"
    ACTION_FAILED = "action_failed"


class Action(Enum):
    """What is done in a state; each has one file of its own in the engine."""

    DROP_TORRENT = "drop_torrent"
    LOOK = "look"
    CREATE_ARCHIVES = "create_archives"
    SEED_TORRENT = "seed_torrent"
    SEND_LINK = "send_link"
    WAIT_FOR_LINKS = "wait_for_links"
    FETCH_INDEX = "fetch_index"
    DOWNLOAD_ARCHIVES = "download_archives"


class Signal(Enum):
    """What is told to listeners: the reference's names on the wire. Nothing is driven by them."""

    CREATING = "community.creatingHistoryArchives"
    CREATED = "community.historyArchivesCreated"
    NONE_CREATED = "community.noHistoryArchivesCreated"
    SEEDING = "community.historyArchivesSeeding"
    UNSEEDED = "community.historyArchivesUnseeded"
    DOWNLOAD_STARTED = "community.downloadingHistoryArchivesStarted"
    DOWNLOAD_FINISHED = "community.downloadingHistoryArchivesFinished"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guards know: read in the deciding transaction, stored with the step.

    Times are seconds (UTC epoch), clocks are the announcements' own (milliseconds). 0 and "" stand
    for "none yet", so that a comparison needs no special case.
    """

    now: float = 0.0
    is_meant_to_be_on: bool = True

    holds_control_key: bool = False
    is_control_device: bool = False
    epoch_matches: bool = False

    generation: int = 0
    locator: str = ""
    torrent_is_live: bool = False
    torrent_was_seeded: bool = False

    announced_clock: int = 0
    announce_due_at: float | None = None

    link_clock: int = 0
    link_locator: str = ""
    link_first_at: float = 0.0
    link_last_at: float = 0.0
    link_key_is_missing: bool = False
    settle_quiet: float = 20.0
    settle_limit: float = 120.0

    window_due_at: float | None = None
    is_caught_up: bool = False
    catch_up_deadline: float = 0.0

    new_archives: int = 0
    lacks_chosen: bool = False
    attempts: int = 0
    attempts_allowed: int = 3


def is_meant_to_be_on(facts: Facts) -> bool:
    """Archives are switched on for the node, and for this community."""
    return facts.is_meant_to_be_on


def is_control_node(facts: Facts) -> bool:
    """The key is here, this is the control device, and no hand-over has happened since."""
    return facts.holds_control_key and facts.is_control_device and facts.epoch_matches


def torrent_is_live(facts: Facts) -> bool:
    """The archives were checked since the start, are offered, and no error was seen since."""
    return facts.torrent_is_live


def has_generation(facts: Facts) -> bool:
    """There are archives on this disk, of one state of the history: all, or those chosen."""
    return facts.generation > 0


def torrent_was_seeded(facts: Facts) -> bool:
    """The archives on this disk have been live at some time."""
    return facts.torrent_was_seeded


def link_is_wanted(facts: Facts) -> bool:
    """The newest verified link is newer than all that was sent from here, and leads to more.

    That is elsewhere, or to archives of the same history that were chosen since. For a control node
    that can only be its own history, from before it took control: a newer link that it did not send
    ends its control as it comes in.
    """
    leads_on = facts.link_locator != facts.locator or facts.lacks_chosen
    return facts.link_clock > facts.announced_clock and leads_on


def history_is_caught_up(facts: Facts) -> bool:
    """Missed messages and the own earlier archives are here, or waiting for them has ended.

    Until then nothing is archived and nothing announced: either would fork the history.
    """
    return facts.now >= caught_up_since(facts)


def has_new_archives(facts: Facts) -> bool:
    """The index lists archives that are chosen and not on this disk."""
    return facts.new_archives > 0


def announcement_is_due(facts: Facts) -> bool:
    """These archives were never announced by this control node, or the timer has run out."""
    return facts.announce_due_at is not None and facts.announce_due_at <= facts.now


def may_retry(facts: Facts) -> bool:
    """The action has not been started too often in this state."""
    return facts.attempts < facts.attempts_allowed


def caught_up_since(facts: Facts) -> float:
    """At once when nothing is missing; else when waiting for it ends."""
    waits = not facts.is_caught_up or link_is_wanted(facts)
    return facts.catch_up_deadline if waits else 0.0


def torrent_missing_since(facts: Facts) -> float | None:
    """From the start on, and whenever the archives on disk are not live."""
    return 0.0 if has_generation(facts) and not facts.torrent_is_live else None


def link_waiting_since(facts: Facts) -> float | None:
    """While a wanted link is stored whose index can be read."""
    return facts.link_last_at if link_is_wanted(facts) and not facts.link_key_is_missing else None


def window_closed_since(facts: Facts) -> float | None:
    """From the end of the oldest window with unarchived messages on, plus the grace."""
    if facts.window_due_at is None:
        return None
    return max(facts.window_due_at, caught_up_since(facts))


def announce_due_since(facts: Facts) -> float | None:
    """From the moment on at which the current archives want to be announced (again)."""
    if facts.announce_due_at is None:
        return None
    return max(facts.announce_due_at, caught_up_since(facts))


def settled_since(facts: Facts) -> float | None:
    """Some quiet after the last link, but not for ever after the first."""
    return min(
        facts.link_last_at + facts.settle_quiet,
        facts.link_first_at + facts.settle_limit,
    )


# fmt: off
S, E, G = State, Event, Signal
EVERY = tuple(State)
ON = EVERY[1:]
FOLLOWING = (S.SETTLING, S.FETCHING, S.DOWNLOADING)
BUSY = (S.CREATING, S.SEEDING, S.ANNOUNCING, S.FETCHING, S.DOWNLOADING)
CONDITIONS = (E.TORRENT_MISSING, E.LINK_WAITING, E.WINDOW_CLOSED, E.ANNOUNCE_DUE)

RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    #   in                           on                     if                    go to         and tell
    row(S.OFF,                       E.SWITCHED_ON,         is_meant_to_be_on,    S.IDLE),
    row(EVERY,                       E.SWITCHED_ON,         otherwise,            STAY),
    row(S.OFF,                       E.TORRENT_DROPPED,     torrent_was_seeded,   STAY,         G.UNSEEDED),
    row(S.OFF,                       E.TORRENT_DROPPED,     otherwise,            STAY),

    row(S.IDLE,                      E.TORRENT_MISSING,     has_generation,       S.SEEDING),
    row(S.IDLE,                      E.LINK_WAITING,        link_is_wanted,       S.SETTLING),
    row(S.IDLE,                      E.WINDOW_CLOSED,       (is_control_node, history_is_caught_up),
                                                                                  S.CREATING,   G.CREATING),
    row(S.IDLE,                      E.ANNOUNCE_DUE,        (is_control_node, announcement_is_due, history_is_caught_up),
                                                                                  S.SEEDING),
    row(S.IDLE,                      CONDITIONS,            otherwise,            STAY),

    row(S.CREATING,                  E.ARCHIVES_WRITTEN,    is_control_node,      S.SEEDING,    G.CREATED),
    row(S.CREATING,                  E.ARCHIVES_WRITTEN,    otherwise,            S.IDLE,       discard=True),
    row(S.CREATING,                  E.NOTHING_TO_WRITE,    otherwise,            S.IDLE,       G.NONE_CREATED),

    row(FOLLOWING,                   E.LINK_RECEIVED,       link_is_wanted,       S.SETTLING),
    row(EVERY,                       E.LINK_RECEIVED,       otherwise,            STAY),
    row(S.SETTLING,                  E.SETTLED,             otherwise,            S.FETCHING),
    row(S.FETCHING,                  E.INDEX_FETCHED,       has_new_archives,     S.DOWNLOADING, G.DOWNLOAD_STARTED),
    row(S.FETCHING,                  E.INDEX_FETCHED,       otherwise,            S.SEEDING,    G.DOWNLOAD_FINISHED),
    row(S.FETCHING,                  E.KEY_MISSING,         otherwise,            S.IDLE),
    row(S.DOWNLOADING,               E.ARCHIVES_DOWNLOADED, otherwise,            S.SEEDING),

    row(S.SEEDING,                   E.TORRENT_SEEDED,      (is_control_node, torrent_is_live,
                                                             announcement_is_due, history_is_caught_up),
                                                                                  S.ANNOUNCING, G.SEEDING),
    row(S.SEEDING,                   E.TORRENT_SEEDED,      otherwise,            S.IDLE,       G.SEEDING),
    row(S.SEEDING,                   E.PIECES_MISSING,      otherwise,            S.DOWNLOADING),
    row(S.ANNOUNCING,                E.LINK_SENT,           otherwise,            S.IDLE),
    row(S.ANNOUNCING,                E.TORRENT_MISSING,     otherwise,            S.SEEDING),
    row((S.CREATING, S.ANNOUNCING),  E.CONTROL_LOST,        otherwise,            S.IDLE),

    row(BUSY,                        E.ACTION_FAILED,       may_retry,            AGAIN),
    row(BUSY,                        E.ACTION_FAILED,       otherwise,            S.IDLE),
    row(S.OFF,                       E.ACTION_FAILED,       otherwise,            AGAIN),
    row(ON,                          E.SWITCHED_OFF,        otherwise,            S.OFF),
    row(S.OFF,                       E.SWITCHED_OFF,        otherwise,            STAY),
)

ACTS: dict[State, Action] = {
    S.OFF:         Action.DROP_TORRENT,
    S.IDLE:        Action.LOOK,
    S.CREATING:    Action.CREATE_ARCHIVES,
    S.SEEDING:     Action.SEED_TORRENT,
    S.ANNOUNCING:  Action.SEND_LINK,
    S.SETTLING:    Action.WAIT_FOR_LINKS,
    S.FETCHING:    Action.FETCH_INDEX,
    S.DOWNLOADING: Action.DOWNLOAD_ARCHIVES,
}

LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {
    #                 condition          holds since            held back while one of these waits
    S.IDLE: (   Level(E.TORRENT_MISSING, torrent_missing_since, (S.SEEDING, S.DOWNLOADING)),
                Level(E.LINK_WAITING,    link_waiting_since,    (S.FETCHING, S.DOWNLOADING)),
                Level(E.WINDOW_CLOSED,   window_closed_since,   (S.CREATING,)),
                Level(E.ANNOUNCE_DUE,    announce_due_since,    (S.SEEDING, S.DOWNLOADING, S.ANNOUNCING))),
    S.SETTLING: (Level(E.SETTLED,        settled_since),),
}
# fmt: on

COMMUNITY: Final = Lifecycle(
    name="community",
    states=State,
    events=Event,
    actions=Action,
    facts=Facts,
    initial=State.OFF,
    acts=ACTS,
    rules=RULES,
    levels=LEVELS,
    failed=Event.ACTION_FAILED,
    main_path=(State.IDLE, State.CREATING, State.SEEDING, State.ANNOUNCING),
)
