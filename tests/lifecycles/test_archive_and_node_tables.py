"""What the tables of an archive and of the node's switch say, written down without them."""

from __future__ import annotations

from enum import Enum
from itertools import pairwise, product
from typing import Any

import pytest

from states import archive_import, community, node
from states.archive_import import ARCHIVE_IMPORT, Event, Facts, Signal, State
from states.community import COMMUNITY
from states.lifecycle import AGAIN, Lifecycle, Refusal, Same, Step, decide
from states.node import NODE

S, E, G = State, Event, Signal


def words_of(pair: tuple[Enum, Enum]) -> str:
    return f"{pair[0].value} on {pair[1].value}"


def refused(pair: tuple[Any, Any]) -> Refusal[Any, Any]:
    return Refusal(*pair, f"{pair[0].value} does not answer {pair[1].value}")


# pair: where to; what is told for the last archive, and for one that is followed by others
ARCHIVE: dict[tuple[State, Event], tuple[State | Same, tuple[Signal, ...], tuple[Signal, ...]]] = {
    (S.WANTED, E.PIECES_VERIFIED): (
        S.IMPORTING,
        (G.DOWNLOADED, G.IMPORTING),
        (G.DOWNLOADED, G.IMPORTING),
    ),
    (S.IMPORTING, E.IMPORT_COMMITTED): (S.IMPORTED, (G.FINISHED,), ()),
    (S.IMPORTING, E.KEY_MISSING): (S.WAITING_FOR_KEY, (), ()),
    (S.IMPORTING, E.ARCHIVE_INVALID): (S.QUARANTINED, (G.FINISHED,), ()),
    (S.IMPORTING, E.ACTION_FAILED): (AGAIN, (), ()),
    (S.WAITING_FOR_KEY, E.KEY_ARRIVED): (S.IMPORTING, (G.IMPORTING,), (G.IMPORTING,)),
    (S.QUARANTINED, E.RETRIED): (S.IMPORTING, (G.IMPORTING,), (G.IMPORTING,)),
}


@pytest.mark.parametrize("key_is_here", [False, True])
@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize("pair", list(product(State, Event)), ids=words_of)
def test_each_pair_of_an_archive_does_what_is_expected(
    pair: tuple[State, Event], others: int, key_is_here: bool
) -> None:
    facts = Facts(now=1_000.0, key_is_here=key_is_here, others_unfinished=others)
    step = decide(ARCHIVE_IMPORT, *pair, facts)
    if pair not in ARCHIVE:
        assert step == refused(pair)
        return
    to, told_by_last, told_by_others = ARCHIVE[pair]
    assert isinstance(step, Step)
    assert (step.source, step.event) == pair
    assert ARCHIVE_IMPORT.rules[step.rule].to is to
    assert step.target is (pair[0] if to is AGAIN else to)
    assert step.is_entry
    assert not step.discard
    assert step.tell == (told_by_others if others else told_by_last)


def test_every_row_of_an_archive_is_taken() -> None:
    taken = {
        step.rule
        for pair in product(State, Event)
        for others in (0, 1)
        if isinstance(step := decide(ARCHIVE_IMPORT, *pair, Facts(others_unfinished=others)), Step)
    }
    assert taken == set(range(len(ARCHIVE_IMPORT.rules)))


def test_an_archive_ends_when_it_is_imported_and_waits_in_between() -> None:
    assert ARCHIVE_IMPORT.initial is S.WANTED
    assert ARCHIVE_IMPORT.final == (S.IMPORTED,)
    assert set(ARCHIVE_IMPORT.levels) == {S.WANTED, S.WAITING_FOR_KEY, S.QUARANTINED}
    assert {state.value: action.value for state, action in ARCHIVE_IMPORT.acts.items()} == {
        "wanted": "wait_for_pieces",
        "importing": "import_messages",
        "waiting_for_key": "wait_for_key",
        "quarantined": "hold",
    }


SWITCH: dict[tuple[node.State, node.Event], tuple[node.State, node.Signal]] = {
    (node.State.DISABLED, node.Event.PROTOCOL_ENABLED): (node.State.ENABLED, node.Signal.ENABLED),
    (node.State.ENABLED, node.Event.PROTOCOL_DISABLED): (
        node.State.DISABLED,
        node.Signal.DISABLED,
    ),
}


@pytest.mark.parametrize("pair", list(product(node.State, node.Event)), ids=words_of)
def test_each_pair_of_the_switch_does_what_is_expected(pair: tuple[node.State, node.Event]) -> None:
    step = decide(NODE, *pair, node.Facts())
    if pair not in SWITCH:
        assert step == refused(pair)
        return
    assert isinstance(step, Step)
    assert (step.source, step.event) == pair
    assert (step.target, step.tell) == (SWITCH[pair][0], (SWITCH[pair][1],))
    assert step.is_entry
    assert not step.discard


def test_the_switch_is_off_at_first_and_only_waits() -> None:
    assert NODE.initial is node.State.DISABLED
    assert set(NODE.levels) == set(node.State)
    assert NODE.failed is None


@pytest.mark.parametrize("lifecycle", [COMMUNITY, ARCHIVE_IMPORT], ids=lambda one: one.name)
def test_the_main_path_is_a_path(lifecycle: Lifecycle[Any, Any, Any, Any, Any]) -> None:
    assert len(lifecycle.main_path) > 2
    for source, target in pairwise(lifecycle.main_path):
        assert any(source in rule.within and rule.to is target for rule in lifecycle.rules)


def test_the_signals_are_the_names_on_the_wire() -> None:
    told = [*community.Signal, *archive_import.Signal, *node.Signal]
    names = sorted(signal.value.removeprefix("community.") for signal in told)
    assert all(signal.value.startswith("community.") for signal in told)
    assert names == [
        "creatingHistoryArchives",
        "downloadingHistoryArchivesFinished",
        "downloadingHistoryArchivesFinished",
        "downloadingHistoryArchivesStarted",
        "historyArchiveDownloaded",
        "historyArchivesCreated",
        "historyArchivesProtocolDisabled",
        "historyArchivesProtocolEnabled",
        "historyArchivesSeeding",
        "historyArchivesUnseeded",
        "importingHistoryArchiveMessages",
        "noHistoryArchivesCreated",
    ]
