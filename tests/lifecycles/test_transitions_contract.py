"""What ``states/machine.py`` takes for granted of transitions, and its documentation does not say.

A new version that breaks one of these must not be installed before that file was looked at again.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from importlib.metadata import version
from typing import Any

import pytest
from transitions import Machine, MachineError

from states.community import COMMUNITY, Event, Facts, State
from states.lifecycle import Refusal, decide


class Probe:
    """A model that is never registered: it notes who writes its state, and what was asked."""

    def __init__(self, state: str, **answers: bool) -> None:
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.answers = answers
        self.written: list[str] = []
        self._state = state

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, value: str) -> None:
        self.written.append(value)
        self._state = value


class Slotted:
    """As the real one: nothing can be hung onto it behind our back."""

    __slots__ = ("__weakref__", "state")

    def __init__(self, state: str) -> None:
        self.state = state


def nothing(event: Any) -> None:
    """A callback that leaves no mark."""


def asks(name: str) -> Any:
    def condition(event: Any) -> bool:
        event.model.asked.append(name)
        return bool(event.model.answers[name])

    return condition


def takes(name: str) -> Any:
    def remember(event: Any) -> None:
        event.model.taken.append(name)

    return remember


def bare(**options: Any) -> Machine:
    """Built exactly as ``compile_table`` does."""
    return Machine(
        model=None,
        states=["A", "B", "C"],
        initial="A",
        auto_transitions=False,
        send_event=True,
        name="contract",
        **options,
    )


@pytest.fixture
def machine() -> Machine:
    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[asks("p"), asks("q")], before=takes("1"))
    machine.add_transition("GO", "A", "C", conditions=[asks("r")], before=takes("2"))
    machine.add_transition("GO", "A", None, conditions=[], before=takes("3"))
    machine.add_transition("GO", "A", "B", conditions=[asks("s")], before=takes("4"))
    machine.add_transition("BACK", "B", "A", before=takes("5"))
    machine.add_transition("BACK", "C", "C", before=takes("6"))
    return machine


def trigger(machine: Machine, event: str, probe: Any) -> bool:
    return bool(machine.events[event].trigger(probe))


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("transitions") == "0.9.3"


def test_no_model_means_no_model(machine: Machine) -> None:
    assert machine.models == []
    assert bare(transitions=[["GO", "A", "B"]]).models == []
    assert not hasattr(machine, "state")


def test_no_trigger_is_made_that_was_not_asked_for(machine: Machine) -> None:
    assert list(machine.events) == ["GO", "BACK"]


def test_an_event_keeps_its_transitions_by_source_in_their_order(machine: Machine) -> None:
    by_source = machine.events["GO"].transitions
    assert list(by_source) == ["A"]
    assert [one.dest for one in by_source["A"]] == ["B", "C", None, "B"]
    assert [len(one.conditions) for one in by_source["A"]] == [2, 1, 0, 1]
    assert [one.source for one in machine.events["BACK"].transitions["B"]] == ["B"]


def test_asking_whether_a_source_is_known_makes_no_entry(machine: Machine) -> None:
    """It is a defaultdict: only ``in`` is safe."""
    assert "B" not in machine.events["GO"].transitions
    assert list(machine.events["GO"].transitions) == ["A"]
    assert machine.events.get("NEVER") is None
    assert list(machine.events) == ["GO", "BACK"]


@pytest.mark.parametrize(
    ("answers", "asked", "taken", "written"),
    [
        ({"p": True, "q": True}, ["p", "q"], ["1"], ["B"]),
        ({"p": False, "r": True}, ["p", "r"], ["2"], ["C"]),
        ({"p": True, "q": False, "r": True}, ["p", "q", "r"], ["2"], ["C"]),
        ({"p": False, "r": False}, ["p", "r"], ["3"], []),  # internal: nothing is written
    ],
)
def test_an_unregistered_model_takes_the_first_whose_conditions_hold(
    machine: Machine,
    answers: dict[str, bool],
    asked: list[str],
    taken: list[str],
    written: list[str],
) -> None:
    probe = Probe("A", **answers)
    assert trigger(machine, "GO", probe)
    assert (probe.asked, probe.taken, probe.written) == (asked, taken, written)
    assert probe.state == (written[0] if written else "A")
    assert machine.models == []


def test_the_state_is_written_even_when_it_is_the_same(machine: Machine) -> None:
    probe = Probe("C")
    assert trigger(machine, "BACK", probe)
    assert (probe.state, probe.written) == ("C", ["C"])


def test_what_runs_before_still_sees_the_old_state() -> None:
    seen = []
    machine = bare()
    machine.add_transition("GO", "A", "B", before=lambda event: seen.append(event.model.state))
    assert trigger(machine, "GO", Slotted("A"))
    assert seen == ["A"]


def test_the_callbacks_get_the_model_itself_and_nothing_is_hung_onto_it() -> None:
    seen: list[object] = []
    machine = bare()
    machine.add_transition("GO", "A", "B", before=lambda event: seen.append(event.model))
    probe = Slotted("A")
    assert trigger(machine, "GO", probe)
    assert seen == [probe]
    assert seen[0] is probe
    assert probe.state == "B"


def test_a_callback_by_function_needs_no_attribute_of_the_model(machine: Machine) -> None:
    probe = Probe("B")
    before = set(vars(probe))
    assert trigger(machine, "BACK", probe)
    assert set(vars(probe)) == before


def test_a_refusal_is_a_bare_false() -> None:
    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[asks("p")], before=takes("1"))
    probe = Probe("A", p=False)
    assert machine.events["GO"].trigger(probe) is False
    assert (probe.state, probe.taken, probe.written) == ("A", [], [])


def test_an_unknown_source_raises_and_must_be_asked_for_before(machine: Machine) -> None:
    with pytest.raises(MachineError, match="Can't trigger event GO from state B"):
        trigger(machine, "GO", Probe("B"))


@pytest.mark.parametrize(
    ("answer", "holds"), [(True, True), (1, True), ("yes", False), (2, False), ([0], False)]
)
def test_a_condition_is_compared_with_true(answer: Any, holds: bool) -> None:
    """Why guards must answer with a bool: a truthy word would be taken for a no."""
    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[lambda _: answer])
    assert trigger(machine, "GO", Slotted("A")) is holds


class OddError(Exception):
    pass


def test_the_error_of_a_condition_comes_out_and_leaves_no_trace() -> None:
    def fails(event: Any) -> bool:
        raise OddError(event.model.state)

    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[fails], before=takes("1"))
    machine.add_transition("GO", "B", "C", before=takes("2"))
    machine.add_transition("GO", "A", "C", before=takes("3"))
    probe = Probe("A")
    with pytest.raises(OddError, match=r"^A$"):
        trigger(machine, "GO", probe)
    assert (probe.state, probe.taken) == ("A", [])
    other = Probe("B")
    assert trigger(machine, "GO", other)
    assert (other.state, other.taken) == ("C", ["2"])


def test_a_machine_may_be_asked_while_it_is_being_asked() -> None:
    """No queue: a guard that asks the same table gets its answer at once."""
    machine = bare()
    inner = Slotted("B")
    machine.add_transition("GO", "A", "B", conditions=[lambda _: trigger(machine, "GO", inner)])
    machine.add_transition("GO", "B", "C")
    outer = Slotted("A")
    assert trigger(machine, "GO", outer)
    assert (outer.state, inner.state) == ("B", "C")


# ----------------------------------------------------------------------------- nobody is remembered


def test_a_model_dies_with_its_last_name(machine: Machine) -> None:
    """Without waiting for the collector of cycles: nothing points back at it."""
    gc.disable()
    try:
        probe = Probe("A", p=True, q=True)
        alive = weakref.ref(probe)
        assert trigger(machine, "GO", probe)
        assert alive() is probe
        del probe
        assert alive() is None
    finally:
        gc.enable()


def test_a_model_that_caused_an_error_is_not_kept_either() -> None:
    def fails(event: Any) -> bool:
        raise OddError

    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[fails])
    probe = Slotted("A")
    alive = weakref.ref(probe)
    try:
        trigger(machine, "GO", probe)
    except OddError:
        pass
    else:
        pytest.fail("no error came out")
    del probe
    gc.collect()
    assert alive() is None


def grown(times: int, ask: Any) -> int:
    """Bytes that are still held after asking so often; what is filled once does not count."""
    for _ in range(200):
        ask()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(times):
            ask()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def quiet() -> Machine:
    machine = bare()
    machine.add_transition("GO", "A", "B", conditions=[lambda _: False], before=nothing)
    machine.add_transition("GO", "A", "C", conditions=[lambda _: True], before=nothing)
    return machine


def test_ten_thousand_models_leave_not_a_byte_each() -> None:
    machine = quiet()
    assert grown(10_000, lambda: trigger(machine, "GO", Slotted("A"))) < 10_000
    assert machine.models == []


def test_the_measurement_sees_a_model_that_is_kept() -> None:
    machine = quiet()
    kept = []

    def keep() -> None:
        kept.append(Slotted("A"))
        trigger(machine, "GO", kept[-1])

    assert grown(1_000, keep) > 30_000


def test_ten_thousand_decisions_leave_not_a_byte_each() -> None:
    facts = Facts(now=1.0)

    def ask() -> None:
        step = decide(COMMUNITY, State.SEEDING, Event.TORRENT_SEEDED, facts)
        assert not isinstance(step, Refusal)

    assert grown(10_000, ask) < 10_000
    assert COMMUNITY.compiled.machine.models == []


# --------------------------------------------------------------------------------- the real machine


def test_the_compiled_table_is_such_a_machine() -> None:
    machine = COMMUNITY.compiled.machine
    assert type(machine) is Machine
    assert machine.models == []
    assert list(machine.states) == [state.name for state in State]
    assert set(machine.events) == {event.name for event in Event}
    assert machine.has_queue is False
    assert machine.send_event is True
