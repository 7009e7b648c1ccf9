"""The searches put together, and their outcome as text for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from states import ARCHIVE_IMPORT, COMMUNITY
from workflow.check.archive import ArchiveModel, ArchiveTable
from workflow.check.engine import CommunityTable
from workflow.check.scenarios import SCENARIOS
from workflow.check.search import Counterexample, Found, search
from workflow.check.structure import AnyTable, examine
from workflow.check.tried import try_out
from workflow.check.world import CommunityModel, Scenario

LIMIT = 400_000
"""States; a search that finds more says that it has not seen all."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One search: what was searched and what was found."""

    name: str
    found: Found


@dataclass(frozen=True, slots=True)
class Result:
    """All searches of one lifecycle. ``never_taken`` are rows, counted from 1.

    ``remarks`` tell what a search could not judge.
    """

    lifecycle: str
    searches: tuple[Searched, ...]
    rules: int
    never_taken: tuple[int, ...]
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def states(self) -> int:
        """States visited in all searches."""
        return sum(one.found.states for one in self.searches)

    @property
    def steps(self) -> int:
        """Steps tried in all searches."""
        return sum(one.found.steps for one in self.searches)

    @property
    def counterexample(self) -> Counterexample | None:
        """The first broken promise."""
        return next((c for one in self.searches if (c := one.found.counterexample)), None)

    @property
    def is_good(self) -> bool:
        """True when every search is complete, nothing is broken and every row was needed."""
        return (
            not self.problems
            and not self.never_taken
            and all(
                one.found.is_complete and one.found.counterexample is None for one in self.searches
            )
        )


def check_community(
    table: CommunityTable = COMMUNITY,
    scenarios: Iterable[Scenario] = SCENARIOS,
    *,
    stop_at_first: bool = True,
    limit: int = LIMIT,
) -> Result:
    """Search every scenario over a community's table, up to ``limit`` states each."""
    searches: list[Searched] = []
    taken: set[int] = set()
    for scenario in scenarios:
        model = CommunityModel(table, scenario)
        found = search(model, limit=limit)
        taken |= model.engine.rules_taken
        searches.append(Searched(scenario.name, found))
        if found.counterexample and stop_at_first:
            break
    return _result(table, searches, taken)


def check_archive(table: ArchiveTable = ARCHIVE_IMPORT, *, limit: int = LIMIT) -> Result:
    """Search the imports of two archives over a table."""
    models = (
        ("imports that never succeed", ArchiveModel(table, budget=0, always_fails=True)),
        ("two archives that fail and crash", ArchiveModel(table)),
    )
    searches: list[Searched] = []
    for name, model in models:
        searches.append(Searched(name, search(model, limit=limit)))
        if searches[-1].found.counterexample:
            break
    taken = {rule for _, model in models for rule in model.rules_taken}
    return _result(table, searches, taken)


def check_lifecycle(table: AnyTable, samples: Sequence[object] = ()) -> Result:
    """Walk through any lifecycle's table: with every mix of guards' answers, then with facts.

    The facts are the ``samples``, or made up; see ``workflow.check.tried``.
    """
    seen, tried = examine(table), try_out(table, samples)
    searches = [
        Searched("the table alone, every mix of guards", _whole(seen.states, seen.questions)),
        Searched(
            f"its guards and levels, {tried.facts:,} {'named' if samples else 'made-up'} facts",
            _whole(tried.states, tried.steps),
        ),
    ]
    result = _result(table, searches, seen.rules_taken)
    return replace(result, problems=(*seen.problems, *tried.problems), remarks=tried.remarks)


def _whole(states: int, steps: int) -> Found:
    return Found(states, steps, 0, is_complete=True, counterexample=None)


def check_all() -> list[Result]:
    """Everything that ``community-archives check`` searches."""
    return [check_community(), check_archive()]


def _result(table: AnyTable, searches: Sequence[Searched], taken: Iterable[int]) -> Result:
    needed = set(taken)
    is_whole = not any(one.found.counterexample for one in searches)
    never = [number + 1 for number in range(len(table.rules)) if number not in needed]
    return Result(table.name, tuple(searches), len(table.rules), tuple(never) if is_whole else ())


def report(results: Sequence[Result]) -> str:
    """All results as text: a line for each search, and any counterexample as a numbered trace."""
    parts = [_reported(result) for result in results]
    is_good = all(result.is_good for result in results)
    total = sum(result.states for result in results)
    is_whole = not any(result.remarks for result in results)
    verdict = "Every promise holds" if is_whole else "No contradiction was found in what was judged"
    verdict = verdict if is_good else "NOT every promise holds"
    return "\n\n".join([*parts, f"{verdict}; {total:,} states visited."])


def _reported(result: Result) -> str:
    lines = [f"{result.lifecycle}: {result.rules} rows"]
    for one in result.searches:
        found = one.found
        mark = "ok" if found.is_complete and found.counterexample is None else "!!"
        lines.append(f"  {mark} {one.name}: {found.states:,} states, {found.steps:,} steps")
        if not found.is_complete and found.counterexample is None:
            lines.append("     stopped at its bound: there is more to see; raise the limit")
    if result.counterexample is not None:
        lines += ["", str(result.counterexample)]
    elif result.never_taken:
        rows = ", ".join(str(number) for number in result.never_taken)
        lines.append(f"  !! never taken: row {rows}")
    else:
        lines.append(f"  ok every row was taken ({result.rules} of {result.rules})")
    lines += [f"  !! {problem}" for problem in result.problems]
    if result.remarks:
        lines.append("  not judged, name facts with Workflow(samples=...) to have it judged:")
        lines += [f"     {remark}" for remark in result.remarks]
    return "\n".join(lines)
