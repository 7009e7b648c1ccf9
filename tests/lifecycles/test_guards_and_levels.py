"""Each guard and each level function by itself, over tables of facts; and how they fit together."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import archive_import, community
from states.community import COMMUNITY, Event, Facts, State
from states.lifecycle import Step, decide, explain, look

# ---------------------------------------------------------------------------- each guard by itself


def test_facts_that_are_not_given_stand_for_none_yet() -> None:
    told = {name: value for name, value in asdict(Facts()).items() if value}
    assert told == {
        "is_meant_to_be_on": True,
        "settle_quiet": 20.0,
        "settle_limit": 120.0,
        "attempts_allowed": 3,
    }
    assert not any(asdict(archive_import.Facts()).values())


@pytest.mark.parametrize("is_on", [False, True])
def test_is_meant_to_be_on(is_on: bool) -> None:
    assert community.is_meant_to_be_on(Facts(is_meant_to_be_on=is_on)) is is_on


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("device", [False, True])
@pytest.mark.parametrize("epoch", [False, True])
def test_is_control_node_needs_key_device_and_epoch(key: bool, device: bool, epoch: bool) -> None:
    facts = Facts(holds_control_key=key, is_control_device=device, epoch_matches=epoch)
    assert community.is_control_node(facts) is ([key, device, epoch] == [True] * 3)


@pytest.mark.parametrize(("generation", "expected"), [(0, False), (1, True), (52, True)])
def test_has_generation(generation: int, expected: bool) -> None:
    assert community.has_generation(Facts(generation=generation)) is expected


@pytest.mark.parametrize("is_live", [False, True])
def test_torrent_is_live_now_not_in_the_past(is_live: bool) -> None:
    facts = Facts(torrent_is_live=is_live, torrent_was_seeded=not is_live)
    assert community.torrent_is_live(facts) is is_live


@pytest.mark.parametrize("was_seeded", [False, True])
def test_torrent_was_seeded_in_the_past_not_now(was_seeded: bool) -> None:
    facts = Facts(torrent_was_seeded=was_seeded, torrent_is_live=not was_seeded)
    assert community.torrent_was_seeded(facts) is was_seeded


@pytest.mark.parametrize(
    ("link_clock", "link_locator", "control", "generation", "expected"),
    [
        (8, "theirs", False, 0, True),
        (8, "theirs", False, 3, True),  # a member goes on following
        (8, "theirs", True, 0, True),  # a restored owner takes its own history back
        (8, "theirs", True, 1, True),  # also what was announced before it took control
        (7, "theirs", False, 0, False),  # the same clock is not newer
        (6, "theirs", False, 0, False),
        (8, "ours", False, 3, False),  # it leads to what is here
        (0, "", False, 0, False),  # there is none
    ],
)
def test_link_is_wanted(
    link_clock: int, link_locator: str, control: bool, generation: int, expected: bool
) -> None:
    facts = Facts(
        holds_control_key=control,
        is_control_device=control,
        epoch_matches=control,
        generation=generation,
        locator="ours",
        announced_clock=7,
        link_clock=link_clock,
        link_locator=link_locator,
    )
    assert community.link_is_wanted(facts) is expected


def test_a_link_is_wanted_again_while_chosen_archives_are_lacking() -> None:
    facts = Facts(locator="ours", link_locator="ours", link_clock=8, lacks_chosen=True)
    assert community.link_is_wanted(facts)
    assert not community.link_is_wanted(replace(facts, lacks_chosen=False))
    assert not community.link_is_wanted(replace(facts, announced_clock=8))


def test_a_first_link_is_wanted_by_who_has_nothing() -> None:
    assert community.link_is_wanted(Facts(link_clock=1, link_locator="theirs"))
    assert not community.link_is_wanted(Facts())


@pytest.mark.parametrize(
    ("caught_up", "link", "now", "expected"),
    [
        (True, False, 0.0, True),
        (False, False, 99.5, False),
        (False, False, 100.0, True),  # at the deadline itself waiting ends
        (False, False, 100.5, True),
        (True, True, 99.5, False),  # the own earlier archives come first
        (True, True, 100.0, True),
    ],
)
def test_history_is_caught_up(caught_up: bool, link: bool, now: float, expected: bool) -> None:
    facts = Facts(
        now=now,
        is_caught_up=caught_up,
        catch_up_deadline=100.0,
        link_clock=int(link),
        link_locator="theirs",
    )
    assert community.history_is_caught_up(facts) is expected


@pytest.mark.parametrize(("count", "expected"), [(0, False), (1, True), (52, True)])
def test_has_new_archives(count: int, expected: bool) -> None:
    assert community.has_new_archives(Facts(new_archives=count)) is expected


@pytest.mark.parametrize(
    ("due_at", "expected"),
    [(None, False), (99.5, True), (100.0, True), (100.5, False), (0.0, True)],
)
def test_announcement_is_due(due_at: float | None, expected: bool) -> None:
    facts = Facts(now=100.0, announce_due_at=due_at)
    assert community.announcement_is_due(facts) is expected


@pytest.mark.parametrize(("attempts", "expected"), [(0, True), (2, True), (3, False), (4, False)])
def test_may_retry(attempts: int, expected: bool) -> None:
    assert community.may_retry(Facts(attempts=attempts)) is expected
    assert community.may_retry(Facts(attempts=attempts, attempts_allowed=5))


@pytest.mark.parametrize(("others", "expected"), [(0, True), (1, False), (52, False)])
def test_is_last(others: int, expected: bool) -> None:
    assert archive_import.is_last(archive_import.Facts(others_unfinished=others)) is expected


# ---------------------------------------------------------------------------- each level by itself


@pytest.mark.parametrize(
    ("generation", "live", "expected"),
    [(0, False, None), (0, True, None), (3, False, 0.0), (3, True, None)],
)
def test_torrent_missing_since(generation: int, live: bool, expected: float | None) -> None:
    facts = Facts(now=1_000.0, generation=generation, torrent_is_live=live)
    assert community.torrent_missing_since(facts) == expected


@pytest.mark.parametrize(
    ("link_clock", "key_missing", "expected"),
    [(0, False, None), (0, True, None), (1, False, 70.0), (1, True, None)],
)
def test_link_waiting_since_the_last_link(
    link_clock: int, key_missing: bool, expected: float | None
) -> None:
    facts = Facts(
        link_clock=link_clock,
        link_locator="theirs",
        link_first_at=50.0,
        link_last_at=70.0,
        link_key_is_missing=key_missing,
    )
    assert community.link_waiting_since(facts) == expected


@pytest.mark.parametrize(
    ("due_at", "caught_up", "link", "expected"),
    [
        (None, True, False, None),
        (None, False, True, None),
        (50.0, True, False, 50.0),
        (50.0, False, False, 100.0),  # not before waiting for missed messages ends
        (50.0, True, True, 100.0),
        (100.0, False, False, 100.0),
        (150.0, False, False, 150.0),  # the deadline is over by then
        (150.0, True, False, 150.0),
    ],
)
def test_window_closed_since(
    due_at: float | None, caught_up: bool, link: bool, expected: float | None
) -> None:
    facts = Facts(
        window_due_at=due_at,
        is_caught_up=caught_up,
        catch_up_deadline=100.0,
        link_clock=int(link),
        link_locator="theirs",
    )
    assert community.window_closed_since(facts) == expected


@pytest.mark.parametrize(
    ("due_at", "caught_up", "link", "expected"),
    [
        (None, True, False, None),
        (None, False, True, None),
        (0.0, True, False, 0.0),
        (50.0, True, False, 50.0),
        (50.0, False, False, 100.0),  # nothing is announced before the history is complete
        (50.0, True, True, 100.0),
        (100.0, False, False, 100.0),
        (150.0, False, True, 150.0),
    ],
)
def test_announce_due_since(
    due_at: float | None, caught_up: bool, link: bool, expected: float | None
) -> None:
    facts = Facts(
        announce_due_at=due_at,
        is_caught_up=caught_up,
        catch_up_deadline=100.0,
        link_clock=int(link),
        link_locator="theirs",
    )
    assert community.announce_due_since(facts) == expected


@pytest.mark.parametrize(
    ("caught_up", "link", "expected"),
    [(True, False, 0.0), (False, False, 100.0), (True, True, 100.0), (False, True, 100.0)],
)
def test_caught_up_since(caught_up: bool, link: bool, expected: float) -> None:
    facts = Facts(
        is_caught_up=caught_up,
        catch_up_deadline=100.0,
        link_clock=int(link),
        link_locator="theirs",
    )
    assert community.caught_up_since(facts) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (100.0, 100.0, 120.0),
        (100.0, 150.0, 170.0),
        (100.0, 199.5, 219.5),
        (100.0, 200.0, 220.0),  # quiet and limit end together
        (100.0, 200.5, 220.0),  # more links do not put it off for ever
        (100.0, 500.0, 220.0),
    ],
)
def test_settled_since(first: float, last: float, expected: float) -> None:
    assert community.settled_since(Facts(link_first_at=first, link_last_at=last)) == expected


def test_how_long_it_settles_can_be_set() -> None:
    facts = Facts(link_first_at=100.0, link_last_at=100.0, settle_quiet=5.0)
    assert community.settled_since(facts) == 105.0
    assert community.settled_since(replace(facts, settle_limit=2.0)) == 102.0


@pytest.mark.parametrize(("here", "expected"), [(False, None), (True, 0.0)])
def test_key_here_since(here: bool, expected: float | None) -> None:
    assert archive_import.key_here_since(archive_import.Facts(key_is_here=here)) == expected


# ----------------------------------------------------------------- levels and guards fit together

TIMES = st.none() | st.integers(0, 6).map(float)
SOME_TIME = st.integers(0, 6).map(float)

ANY_FACTS = st.builds(
    Facts,
    now=SOME_TIME,
    holds_control_key=st.booleans(),
    is_control_device=st.sampled_from([True]),  # one word less to be lucky with
    epoch_matches=st.sampled_from([True]),
    generation=st.integers(0, 1),
    locator=st.sampled_from(["", "ours"]),
    torrent_is_live=st.booleans(),
    announced_clock=st.integers(0, 2),
    announce_due_at=TIMES,
    link_clock=st.integers(0, 2),
    link_locator=st.sampled_from(["", "ours", "theirs"]),
    link_last_at=SOME_TIME,
    link_key_is_missing=st.booleans(),
    window_due_at=TIMES,
    is_caught_up=st.booleans(),
    catch_up_deadline=SOME_TIME,
)

MEMBERS_STAY = {Event.WINDOW_CLOSED, Event.ANNOUNCE_DUE}


@given(ANY_FACTS)
def test_a_level_that_holds_leads_on_unless_only_control_is_missing(facts: Facts) -> None:
    """A level whose guard then said no would leave idle without an alarm, for ever."""
    for level in COMMUNITY.levels[State.IDLE]:
        since = level.since(facts)
        if since is not None and since <= facts.now:
            step = decide(COMMUNITY, State.IDLE, level.event, facts)
            assert isinstance(step, Step)
            is_barred = level.event in MEMBERS_STAY and not facts.holds_control_key
            assert step.is_entry is not is_barred, explain(COMMUNITY, step)


@given(ANY_FACTS, st.integers(1, 5).map(float))
def test_idle_sleeps_no_longer_than_until_something_holds(facts: Facts, later: float) -> None:
    """Looking at any moment before the alarm would have found nothing either."""
    seen = look(COMMUNITY, State.IDLE, facts, facts.now)
    moment = facts.now + later
    if seen.step is None and (seen.wake_at is None or moment < seen.wake_at):
        assert look(COMMUNITY, State.IDLE, replace(facts, now=moment), moment).step is None


def test_idle_repairs_what_it_has_before_it_takes_or_makes_more() -> None:
    assert [level.event for level in COMMUNITY.levels[State.IDLE]] == [
        Event.TORRENT_MISSING,
        Event.LINK_WAITING,
        Event.WINDOW_CLOSED,
        Event.ANNOUNCE_DUE,
    ]


@pytest.mark.parametrize(
    ("event", "states"),
    [
        (Event.TORRENT_MISSING, {State.SEEDING, State.DOWNLOADING}),
        (Event.LINK_WAITING, {State.FETCHING, State.DOWNLOADING}),
        (Event.WINDOW_CLOSED, {State.CREATING}),
        (Event.ANNOUNCE_DUE, {State.SEEDING, State.DOWNLOADING, State.ANNOUNCING}),
    ],
)
def test_a_failed_state_holds_back_what_leads_to_it(event: Event, states: set[State]) -> None:
    (level,) = [level for level in COMMUNITY.levels[State.IDLE] if level.event is event]
    assert set(level.held_back_by) == states
