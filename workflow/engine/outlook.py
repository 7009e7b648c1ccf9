"""What the guards of a table say now, and what a waiting state looks forward to, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from states import Refusal, decide
from states.instance import Instance
from states.lifecycle import A, E, F, G, Lifecycle, S


@dataclass(frozen=True, slots=True)
class Prospect:
    """A condition that the state looks at: from when on it holds, and what comes of it then.

    ``at`` is in seconds (UTC epoch), None when no such moment is known.
    """

    event: str
    at: float | None
    outcome: str


def guards_of(lifecycle: Lifecycle[S, E, A, F, G], facts: F) -> dict[str, tuple[bool, str]]:
    """Every guard of the table: what it says to these facts, and what it asks."""
    return {
        guard.__name__: (guard(facts), (guard.__doc__ or "").partition("\n")[0])
        for rule in lifecycle.rules
        for guard in rule.given
    }


def prospects_of(
    lifecycle: Lifecycle[S, E, A, F, G],
    instance: Instance[S],
    facts_at: Callable[[float], F],
    now: float,
) -> list[Prospect]:
    """What a waiting state looks at, in its order; nothing for a state that works.

    ``facts_at`` gives the facts as they would be at a moment if nothing happened until then.
    """
    found = []
    for level in lifecycle.levels.get(instance.state, ()):
        since = level.since(facts_at(now))
        if since is None:
            found.append(Prospect(level.event.value, None, "is not in sight"))
            continue
        held_by = {state.name for state in level.held_back_by}
        untils = [
            one.until for one in instance.setbacks if one.state in held_by and since <= one.at
        ]
        at = max([since, *untils])
        step = decide(lifecycle, instance.state, level.event, facts_at(max(at, now)))
        if isinstance(step, Refusal) or not step.is_entry:
            tried = () if isinstance(step, Refusal) else step.tried
            false = [answer.guard for answer in tried if not answer.holds]
            outcome = f"changes nothing: {', '.join(false)} is false"
        else:
            outcome = f"leads to {step.target.value}"
        if untils and at > now:
            outcome += ", held back after a failure"
        found.append(Prospect(level.event.value, at, outcome))
    return found
