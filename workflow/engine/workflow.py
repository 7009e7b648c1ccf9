"""A lifecycle together with what it needs to run: where its facts come from, and its actions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from states import CommunityArchivesError, Lifecycle, Refusal, decide, explain
from states.instance import Backoff, Instance
from workflow.errors import StatesRemovedError, UnknownEventError
from workflow.ports.work import ActionFunction, Json, Transaction

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
A = TypeVar("A", bound=Enum)
F = TypeVar("F")
G = TypeVar("G", bound=Enum)

FactsReader = Callable[[Transaction, Sequence[Instance[S]], float], Sequence[F]]
SignalForm = Callable[[str, G, Mapping[str, Json]], Mapping[str, Json]]

COMPACT: Final = json.JSONEncoder(separators=(",", ":"))


class WorkflowError(CommunityArchivesError):
    """A lifecycle cannot run as it was put together."""

    code = "workflow-incomplete"
    remedy = "Give every working state's action a function."


def plain_signal(id: str, signal: Enum, details: Mapping[str, Json]) -> Mapping[str, Json]:
    """A signal as ``{"type": ..., "event": {"id": ..., ...details}}``."""
    return {"type": str(signal.value), "event": {"id": id, **details}}


def everything(_: Transaction) -> Iterable[str] | None:
    """After a restart every waiting instance looks again."""
    return None


@dataclass(frozen=True)
class Workflow(Generic[S, E, A, F, G]):
    """What the engine runs.

    ``read_facts`` gets the transaction, the instances and the time (seconds, UTC epoch) and gives
    the facts in the same order; it is called in the deciding transaction, in the journal's thread.
    ``stirred`` names the waiting instances that must look again after a restart because something
    they rest on lives in memory only; None means all. ``samples`` are the facts that ``check``
    tries; without them it makes up every mix of what the fields' types tell. Raises
    ``WorkflowError`` when an action of a working state has no function.
    """

    lifecycle: Lifecycle[S, E, A, F, G]
    read_facts: FactsReader[S, F]
    actions: Mapping[A, ActionFunction[E]] = field(default_factory=dict)
    form_signal: SignalForm[G] = plain_signal
    stirred: Callable[[Transaction], Iterable[str] | None] = everything
    backoff: Backoff = field(default_factory=Backoff)
    samples: Sequence[F] = ()

    def __post_init__(self) -> None:
        missing = [
            action.value
            for state, action in self.lifecycle.acts.items()
            if not self.lifecycle.waits(state) and action not in self.actions
        ]
        if missing:
            raise WorkflowError(f"no function for: {', '.join(missing)}", place=self.lifecycle.name)

    @property
    def name(self) -> str:
        """The lifecycle's name, under which its instances are kept."""
        return self.lifecycle.name

    def event_named(self, name: str) -> E:
        """The event with this name. Raises ``UnknownEventError`` with the names there are."""
        for event in self.lifecycle.events:
            if name in (event.value, event.name):
                return event
        known = ", ".join(str(event.value) for event in self.lifecycle.events)
        raise UnknownEventError(f"'{name}' is not one of: {known}", place=self.name)

    def state_named(self, name: str) -> S:
        """The state that a row names. Raises ``StatesRemovedError``."""
        try:
            return self.lifecycle.states[name]
        except KeyError:
            raise StatesRemovedError(
                f"{self.name} has no state {name} any more", place=self.name
            ) from None

    @cached_property
    def _fields(self) -> tuple[tuple[str, object], ...]:
        return tuple((one.name, one.default) for one in dataclasses.fields(_as_class(self)))

    def facts_as_json(self, facts: F) -> str:
        """The facts that differ from their defaults: what is stored with a step."""
        return COMPACT.encode(
            {
                name: value
                for name, default in self._fields
                if (value := getattr(facts, name)) != default
            }
        )

    def facts_from_json(self, stored: str) -> F:
        """The facts of a stored step, so that it can be replayed."""
        return self.lifecycle.facts(**json.loads(stored))

    def replay(self, event: str, source: str, facts: str) -> tuple[str, str]:
        """Decide a stored step again: the target's name, and the words."""
        lifecycle = self.lifecycle
        decision = decide(
            lifecycle,
            lifecycle.states[source],
            lifecycle.events[event],
            self.facts_from_json(facts),
        )
        if isinstance(decision, Refusal):
            return source, decision.words
        return decision.target.name, explain(lifecycle, decision)


def _as_class(workflow: Workflow[Any, Any, Any, Any, Any]) -> type[Any]:
    return workflow.lifecycle.facts
