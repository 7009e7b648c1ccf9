"""One instance through its life: entries, attempts, back-off and setbacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.archive_import import ARCHIVE_IMPORT
from states.archive_import import Event as ArchiveEvent
from states.archive_import import Facts as ArchiveFacts
from states.archive_import import State as ArchiveState
from states.community import COMMUNITY, Event, Facts, Signal, State
from states.instance import (
    DEFAULT_BACKOFF,
    UNHURRIED_RESTARTS,
    Backoff,
    Instance,
    advance,
    is_running,
    start,
    survives_restart,
    transfer,
    wake_later,
)
from states.lifecycle import Setback, Step, decide

Community: TypeAlias = Instance[State]

NOW = 1_000.0
SIX_HOURS = 21_600.0
CONTROL = Facts(
    now=NOW,
    holds_control_key=True,
    is_control_device=True,
    epoch_matches=True,
    generation=1,
    is_caught_up=True,
    announce_due_at=NOW,
    new_archives=1,
)


def moved(
    instance: Community,
    event: Event,
    *,
    is_answer: bool = True,
    now: float = NOW,
    facts: Facts = CONTROL,
    reason: str = "",
    backoff: Backoff = DEFAULT_BACKOFF,
) -> Community:
    """The instance after this event, which its state must know."""
    facts = replace(facts, attempts=instance.attempts)
    step = decide(COMMUNITY, instance.state, event, facts)
    assert isinstance(step, Step), str(step)
    return advance(
        COMMUNITY, instance, step, now, is_answer=is_answer, reason=reason, backoff=backoff
    )


def entered(state: State, *setbacks: Setback) -> Community:
    """Just entered: a working state has its action started."""
    if COMMUNITY.waits(state):
        return Instance("c", state, version=10, entry=5, setbacks=setbacks)
    return Instance("c", state, version=10, entry=5, attempts=1, answered=False, setbacks=setbacks)


OLD = Setback("FETCHING", 3, 900.0, 1_200.0, "no peers")
OTHER = Setback("CREATING", 1, 950.0, 1_100.0, "disk full")


# ------------------------------------------------------------------------------------------ entries


def test_a_new_instance_has_nothing_behind_and_nothing_before_it() -> None:
    assert Instance("c", State.IDLE) == Instance(
        id="c",
        state=State.IDLE,
        version=1,
        entry=1,
        attempts=0,
        answered=True,
        due_at=None,
        setbacks=(),
    )
    assert Instance("c", State.IDLE).reason == ""


def test_entering_a_working_state_starts_its_action() -> None:
    idle = replace(entered(State.IDLE), due_at=NOW)
    seeding = moved(idle, Event.ANNOUNCE_DUE, is_answer=False)
    assert seeding == Instance(
        "c", State.SEEDING, version=11, entry=6, attempts=1, answered=False, due_at=None
    )
    assert is_running(COMMUNITY, seeding)


def test_entering_a_waiting_state_starts_nothing() -> None:
    idle = moved(entered(State.SEEDING), Event.PIECES_MISSING)
    assert idle.attempts == 1
    idle = moved(entered(State.CREATING), Event.NOTHING_TO_WRITE)
    assert idle == Instance("c", State.IDLE, version=11, entry=6)
    assert not is_running(COMMUNITY, idle)


def test_entering_a_final_state_is_the_end() -> None:
    importing = Instance("a", ArchiveState.IMPORTING, attempts=2, answered=False)
    step = decide(
        ARCHIVE_IMPORT, ArchiveState.IMPORTING, ArchiveEvent.IMPORT_COMMITTED, ArchiveFacts()
    )
    assert isinstance(step, Step)
    imported = advance(ARCHIVE_IMPORT, importing, step, NOW, is_answer=True)
    assert imported == Instance("a", ArchiveState.IMPORTED, version=2, entry=2)
    assert not is_running(ARCHIVE_IMPORT, imported)
    assert not is_running(ARCHIVE_IMPORT, replace(imported, answered=False))


def test_entering_the_same_state_anew_is_an_entry() -> None:
    """New links restart the settling; the due time of the old stay is gone."""
    settling = replace(entered(State.SETTLING), due_at=NOW + 5)
    wanted = replace(CONTROL, epoch_matches=False, link_clock=1, link_locator="theirs")
    again = moved(settling, Event.LINK_RECEIVED, is_answer=False, facts=wanted)
    assert again == replace(settling, version=11, entry=6, due_at=None)


def test_entering_the_same_working_state_anew_starts_afresh_unless_it_failed() -> None:
    fetching = replace(entered(State.FETCHING), attempts=2)
    step: Step[State, Event, Signal] = Step(
        State.FETCHING, Event.LINK_RECEIVED, State.FETCHING, 0, True, (), False, ()  # noqa: FBT003
    )  # fmt: skip
    anew = advance(COMMUNITY, fetching, step, NOW, is_answer=False)
    assert anew == replace(fetching, version=11, entry=6, attempts=1)


# --------------------------------------------------------------------------------- answers and STAY


@pytest.mark.parametrize("is_answer", [False, True])
@pytest.mark.parametrize("answered", [False, True])
def test_a_step_that_stays_leaves_the_running_action_alone(is_answer: bool, answered: bool) -> None:
    off = replace(entered(State.OFF, OLD), attempts=2, answered=answered, due_at=None)
    stayed = moved(off, Event.TORRENT_DROPPED, is_answer=is_answer)
    assert stayed == replace(off, version=11, answered=answered or is_answer)


def test_an_action_whose_answer_stays_has_ended() -> None:
    off = entered(State.OFF)
    assert is_running(COMMUNITY, off)
    assert is_running(COMMUNITY, moved(off, Event.LINK_RECEIVED, is_answer=False))
    assert not is_running(COMMUNITY, moved(off, Event.TORRENT_DROPPED, is_answer=True))


def test_a_step_that_stays_keeps_the_due_time_of_a_failed_action() -> None:
    failed = moved(entered(State.FETCHING), Event.ACTION_FAILED)
    assert moved(failed, Event.LINK_RECEIVED, is_answer=False) == replace(failed, version=12)


@pytest.mark.parametrize("state", State)
def test_an_action_runs_until_it_has_answered_or_failed(state: State) -> None:
    instance = entered(state)
    assert is_running(COMMUNITY, instance) is (state not in {State.IDLE, State.SETTLING})
    assert not is_running(COMMUNITY, replace(instance, answered=True))
    assert not is_running(COMMUNITY, replace(instance, due_at=NOW))


def test_an_action_that_is_started_again_is_one_attempt_more_and_has_no_due_time() -> None:
    waiting = replace(entered(State.FETCHING, OLD), attempts=2, due_at=NOW)
    assert start(waiting) == replace(waiting, version=11, attempts=3, due_at=None)
    assert is_running(COMMUNITY, start(waiting))


@pytest.mark.parametrize("at", [None, 0.0, NOW])
def test_a_waiting_instance_looks_again_later(at: float | None) -> None:
    idle = replace(entered(State.IDLE, OLD), due_at=5.0)
    assert wake_later(idle, at) == replace(idle, version=11, due_at=at)


@pytest.mark.parametrize(("attempts", "survives"), [(0, True), (1, True), (2, False), (3, False)])
def test_an_action_that_was_interrupted_twice_counts_as_failed(
    attempts: int, survives: bool
) -> None:
    assert UNHURRIED_RESTARTS == 2
    assert survives_restart(replace(entered(State.CREATING), attempts=attempts)) is survives


# ----------------------------------------------------------------------------------- failed actions


def fail(instance: Community, **given: Any) -> Community:
    return moved(instance, Event.ACTION_FAILED, **given)


def test_a_failed_action_waits_and_keeps_its_attempts() -> None:
    failed = fail(entered(State.CREATING), reason="disk full")
    assert (failed.state, failed.entry, failed.version) == (State.CREATING, 6, 11)
    assert (failed.attempts, failed.answered) == (1, False)
    assert failed.due_at is not None
    assert failed.setbacks == (Setback("CREATING", 0, NOW, failed.due_at, "disk full"),)
    assert failed.reason == "disk full"
    assert start(failed).attempts == 2


def rounds(instance: Community, tries: int, **given: Any) -> list[Community]:
    """The instance after each failure, every time started again when it was due."""
    failures = []
    for _ in range(tries):
        instance = fail(instance, **given)
        failures.append(instance)
        instance = start(instance)
    return failures


def test_the_third_failure_gives_up_and_says_how_often_it_was_tried() -> None:
    first, second, third = rounds(entered(State.CREATING), 3, reason="disk full")
    assert [one.attempts for one in (first, second)] == [1, 2]
    assert third.state is State.IDLE
    assert (third.attempts, third.answered, third.due_at) == (0, True, None)
    (setback,) = third.setbacks
    assert (setback.state, setback.failures, setback.at) == ("CREATING", 3, NOW)
    assert NOW + 10 <= setback.until <= NOW + 20


def test_the_next_round_goes_on_counting_where_the_last_gave_up() -> None:
    before = Setback("CREATING", 3, 500.0, 600.0, "old")
    first, second, third = rounds(entered(State.CREATING, before), 3)
    assert [one.setbacks[-1].failures for one in (first, second, third)] == [3, 3, 6]
    for one, whole in zip((first, second, third), (5, 10, 160), strict=True):
        assert whole / 2 <= one.setbacks[-1].until - NOW <= whole


def test_what_is_tried_again_in_place_does_not_wait_for_what_failed_before() -> None:
    """A state that could be left must not sit out a long wait; once left, all failures count."""
    before = Setback("CREATING", 500, 500.0, 600.0)
    first, _, third = rounds(entered(State.CREATING, before), 3)
    assert first.due_at == NOW + DEFAULT_BACKOFF.delay(1, "c:5")
    assert third.setbacks[-1].failures == 503
    assert SIX_HOURS / 2 <= third.setbacks[-1].until - NOW <= SIX_HOURS


def test_retries_are_capped_at_six_hours() -> None:
    failed = fail(replace(entered(State.OFF), attempts=500))
    assert failed.state is State.OFF
    assert failed.due_at is not None
    assert SIX_HOURS / 2 <= failed.due_at - NOW <= SIX_HOURS


def test_the_newest_failure_is_the_reason_and_each_state_has_one_note() -> None:
    failed = fail(entered(State.FETCHING, OLD, OTHER), reason="timed out")
    assert [(note.state, note.reason) for note in failed.setbacks] == [
        ("CREATING", "disk full"),
        ("FETCHING", "timed out"),
    ]
    assert failed.reason == "timed out"


def test_the_engine_chooses_the_back_off() -> None:
    failed = fail(entered(State.CREATING), backoff=Backoff(first=1.0, cap=1.0))
    assert failed.due_at is not None
    assert NOW + 0.5 <= failed.due_at <= NOW + 1.0


def test_a_failure_in_the_initial_state_keeps_what_failed_elsewhere() -> None:
    failed = fail(entered(State.OFF, OLD))
    assert [note.state for note in failed.setbacks] == ["FETCHING", "OFF"]
    assert failed.due_at == failed.setbacks[-1].until


# ----------------------------------------------------------------------------------------- setbacks


def test_success_forgets_the_setback_of_its_state_only() -> None:
    downloading = moved(entered(State.FETCHING, OTHER, OLD), Event.INDEX_FETCHED)
    assert downloading.state is State.DOWNLOADING
    assert downloading.setbacks == (OTHER,)
    assert downloading.reason == "disk full"


def test_what_is_no_answer_forgets_no_setback() -> None:
    wanted = replace(CONTROL, epoch_matches=False, link_clock=1, link_locator="theirs")
    fetching = entered(State.FETCHING, OTHER, OLD)
    settling = moved(fetching, Event.LINK_RECEIVED, is_answer=False, facts=wanted)
    assert settling.state is State.SETTLING
    assert settling.setbacks == (OTHER, OLD)
    assert moved(settling, Event.SETTLED, is_answer=False).setbacks == (OTHER, OLD)


def test_the_initial_state_forgets_all_setbacks() -> None:
    off = moved(entered(State.FETCHING, OTHER, OLD), Event.SWITCHED_OFF, is_answer=False)
    assert (off.state, off.setbacks, off.reason) == (State.OFF, (), "")


# ----------------------------------------------------------------------------------------- back-off

SALTS = st.text(max_size=20)


@given(st.integers(1, 5_000), SALTS)
def test_the_delay_lies_between_half_and_whole(failures: int, salt: str) -> None:
    whole = min(SIX_HOURS, 5 * 2 ** (failures - 1))  # in whole numbers, that know no limit
    delay = DEFAULT_BACKOFF.delay(failures, salt)
    assert whole / 2 <= delay <= whole
    assert DEFAULT_BACKOFF.delay(failures, salt) == delay
    assert Backoff().delay(failures, salt) == delay


@given(st.integers(1, 100), SALTS)
def test_the_delay_never_gets_shorter(failures: int, salt: str) -> None:
    assert DEFAULT_BACKOFF.delay(failures, salt) <= DEFAULT_BACKOFF.delay(failures + 1, salt)


@given(
    st.floats(0.1, 100.0, allow_nan=False), st.floats(0.1, 1e6, allow_nan=False), st.integers(1, 99)
)
def test_first_and_cap_can_be_set(first: float, cap: float, failures: int) -> None:
    delay = Backoff(first, cap).delay(failures, "c:1")
    assert delay <= cap
    assert delay >= min(cap, first) / 2


def test_the_delays_of_the_first_failures() -> None:
    wholes = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 21600, 21600]
    for failures, whole in enumerate(wholes, 1):
        share = DEFAULT_BACKOFF.delay(failures, "c:1") / whole
        assert share == pytest.approx(DEFAULT_BACKOFF.delay(1, "c:1") / 5)
        assert 0.5 <= share <= 1.0


def test_instances_and_entries_do_not_come_back_all_at_once() -> None:
    salts = [f"community-{number}:{entry}" for number in range(500) for entry in (1, 2)]
    delays = [DEFAULT_BACKOFF.delay(14, salt) for salt in salts]
    assert len(set(delays)) == 1_000
    tenths = {int((delay / SIX_HOURS - 0.5) * 20) for delay in delays}
    assert tenths >= set(range(10))


def test_the_delay_depends_on_the_instance_and_its_entry() -> None:
    failed = fail(entered(State.CREATING))
    assert failed.due_at == NOW + DEFAULT_BACKOFF.delay(1, "c:5")
    assert fail(entered(State.CREATING)) == failed
    assert fail(replace(entered(State.CREATING), id="d")).due_at != failed.due_at
    assert fail(replace(entered(State.CREATING), entry=6)).due_at != failed.due_at


# ---------------------------------------------------------------------------- of an earlier table

WORN = Instance(
    id="c", state=State.IDLE, version=7, entry=5, attempts=2, answered=False, due_at=NOW - 1,
    setbacks=(Setback("CREATING", 3, NOW - 9, NOW + 9),),
)  # fmt: skip


def test_a_state_that_works_begins_with_the_next_sweep_as_if_it_were_its_first_try() -> None:
    after = transfer(COMMUNITY, WORN, State.CREATING, NOW)
    assert (after.state, after.version, after.entry) == (State.CREATING, 8, 6)
    assert (after.attempts, after.answered, after.due_at) == (0, False, NOW)
    assert after.setbacks == ()
    assert not is_running(COMMUNITY, after)
    begun = start(after)
    assert begun.attempts == 1
    assert is_running(COMMUNITY, begun)


def test_a_state_that_waits_looks_at_the_next_sweep_if_there_is_anything_to_look_at() -> None:
    looks = transfer(COMMUNITY, WORN, State.IDLE, NOW)
    assert (looks.answered, looks.due_at) == (True, NOW)
    old = Instance(id="c/1", state=ArchiveState.WANTED, answered=False)
    assert transfer(ARCHIVE_IMPORT, old, ArchiveState.QUARANTINED, NOW).due_at is None
    done = transfer(ARCHIVE_IMPORT, old, ArchiveState.IMPORTED, NOW)
    assert (done.answered, done.due_at) == (True, None)
