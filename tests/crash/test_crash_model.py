"""No crash, at no step, nor at any step of what comes after a crash, hurts an archive.

The real action archives three generations on real files, and its steps are recorded. Every disk
that a crash could leave is made, with the database as it was committed at that moment, and the same
code goes on from there. Then disk and database must be, to the last bit, those of a run without a
crash; and at the crash itself, all that was committed must be whole. See ``disk`` for what a step
is, and what kill -9 and a loss of power do to it.

``pytest -m slow tests/crash -s`` tries every state and tells how many there were.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from states.errors import CommunityArchivesError
from tests.crash.disk import (
    Kind,
    Recorder,
    Step,
    Tree,
    after,
    fates,
    killed,
    make_tree,
    tree_of,
)
from tests.crash.reference_order import ReferenceOrder
from tests.crash.weekly import FOLDER, GENERATIONS, WEEKS, Archiving, complaint, record, texts
from workflow.archive.index import decode_index

COMBINATIONS: Final = 4096
"""Up to so many fates at one point are tried all."""


@dataclass(frozen=True)
class State:
    """A disk, with how many generations its database has committed."""

    tree: Tree
    done: int

    @property
    def key(self) -> bytes:
        digest = hashlib.sha1(str(self.done).encode(), usedforsecurity=False)
        for path, content in sorted(self.tree.items()):
            kind = "/" if content is None else f":{len(content)}:"
            digest.update(path.encode() + kind.encode() + (content or b""))
        return digest.digest()


def state_of(
    base: Tree, steps: Sequence[Step], done: int, number: int = 0, at_most: int = 0
) -> Iterator[State]:
    """Where these steps may leave the disk: by kill -9, or by ``at_most`` losses of power."""
    committed = done + sum(step.kind is Kind.COMMIT for step in steps)
    if at_most == 0:
        yield State(after(base, steps), committed)
        return
    for fate in fates(steps, at_most, seed=number):
        yield State(after(base, steps, fate), committed)


@dataclass
class Laboratory:
    """Tries states; what was tried once needs no second time, as the code knows no chance."""

    folder: Path
    clean: list[Tree] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tried: dict[bytes, list[Step]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.archiving = Archiving(self.folder / "run")
        self.archiving.root.mkdir()
        recorder = Recorder(self.archiving.root, {})
        self.clean.append({})
        for done in range(GENERATIONS):
            record(self.archiving, recorder, done)
            self.clean.append(tree_of(self.archiving.root))
            assert after({}, recorder.steps) == self.clean[-1], "the model is not exact"
        self.steps = recorder.steps

    def set_disk(self, tree: Tree) -> Path:
        root = self.archiving.root
        shutil.rmtree(root)
        root.mkdir()
        make_tree(root, tree)
        return root

    def check_committed(self, state: State) -> None:
        """Whatever the database speaks of is there, and is what it says."""
        intact = self.clean[state.done]
        for path, content in intact.items():
            found = state.tree.get(path, b"missing")
            if content is None:
                assert found is None, f"{path} is gone"
            else:  # Not "==" in the assertion: where CI=true, pytest would show every difference.
                assert found is not None, f"{path} is gone"
                is_intact = (
                    found.startswith(content) if path.endswith("/data") else found == content
                )
                assert is_intact, f"{path} is damaged"

    def go_on(self, state: State) -> list[Step]:
        """Check a state and let the real code go on from it; the steps that it then took."""
        self.counts["states"] += 1
        known = self.tried.get(state.key)
        if known is not None:
            return known
        self.counts["distinct"] += 1
        self.check_committed(state)
        steps: list[Step] = []
        if state.done < GENERATIONS:
            root = self.set_disk(state.tree)
            recorder = Recorder(root, state.tree)
            record(self.archiving, recorder, state.done)
            assert tree_of(root) == self.clean[state.done + 1], "not as without a crash"
            steps = recorder.steps
        self.tried[state.key] = steps
        return steps


@pytest.fixture
def laboratory(fast_disk: Path) -> Laboratory:
    return Laboratory(fast_disk)


def every(stride: int, items: Iterable[list[Step]]) -> Iterator[tuple[int, list[Step]]]:
    for number, item in enumerate(items):
        if number % stride == 0:
            yield number, item


def tell(what: str, counts: Counter[str]) -> None:
    print(f"{what}: {dict(counts)}")  # noqa: T201 - for who runs it with -s.


# -- our order ------------------------------------------------------------------------------------


def test_without_a_crash_every_generation_holds_each_message_once(laboratory: Laboratory) -> None:
    for done in range(1, GENERATIONS + 1):
        tree = laboratory.clean[done]
        length, info_hash = laboratory.archiving.row(done)
        data, index, torrent = (
            tree[f"{FOLDER}/{name}"] or b"" for name in ("data", f"index.{done}", f"{done}.torrent")
        )
        assert len(data) == length
        assert complaint(data, index, torrent, texts(WEEKS[done - 1])) == ""
        assert info_hash in {"d00ffd7bb4763a03fa333d8d59222abbbe20c400",
                             "4a43e6e1e84e1c5b24d216bf855b8c38484cb94c",
                             "5b91b922f6afb068504bb0dceb9deb95fe560a26"}  # fmt: skip


def test_nothing_is_committed_before_all_of_it_is_synced(laboratory: Laboratory) -> None:
    for number, step in enumerate(laboratory.steps):
        if step.kind is Kind.COMMIT:
            assert list(fates(laboratory.steps[:number], 1)) == [{}]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_9_at_any_step_as_often_as_you_like_changes_nothing(laboratory: Laboratory) -> None:
    """Every state that any number of kills can lead to is tried: new ones run out."""
    waiting = [State({}, 0)]
    seen = {waiting[0].key}
    while waiting:
        state = waiting.pop()
        steps = laboratory.go_on(state)
        for taken in killed(steps):
            laboratory.counts["kills"] += 1
            [next_state] = state_of(state.tree, taken, state.done)
            if next_state.key not in seen:
                seen.add(next_state.key)
                waiting.append(next_state)
    tell("kill -9, any number of times", laboratory.counts)
    assert laboratory.counts["distinct"] == len(seen) > 50
    assert laboratory.counts["kills"] > 1000


def test_kill_9_twice_at_any_two_steps_changes_nothing(laboratory: Laboratory) -> None:
    """The same, told the long way: each pair of a step and a step of what follows."""
    for taken in killed(laboratory.steps):
        [first] = state_of({}, taken, 0)
        for again in killed(laboratory.go_on(first)):
            [second] = state_of(first.tree, again, first.done)
            laboratory.go_on(second)
    tell("kill -9 twice", laboratory.counts)
    assert laboratory.counts["states"] > 1000


def lose_power_at_any_step(laboratory: Laboratory) -> list[State]:
    found = []
    for number in range(len(laboratory.steps) + 1):
        for state in state_of({}, laboratory.steps[:number], 0, number, COMBINATIONS):
            laboratory.go_on(state)
            found.append(state)
    return found


def lose_power_after_a_kill(laboratory: Laboratory, stride: int, at_most: int) -> None:
    """What the killed program had not synced is still in doubt while the next one works."""
    for number, taken in every(stride, killed(laboratory.steps)):
        [state] = state_of({}, taken, 0)
        if state.done == GENERATIONS:
            continue
        recorder = Recorder(laboratory.set_disk(state.tree), {}, taken)
        record(laboratory.archiving, recorder, state.done)
        for end in range(len(taken), len(recorder.steps) + 1):
            for left in state_of({}, recorder.steps[:end], 0, number * 1000 + end, at_most):
                laboratory.go_on(left)


def lose_power_twice(
    laboratory: Laboratory, states: Sequence[State], stride: int, at_most: int
) -> None:
    for state in states[::stride]:
        steps = laboratory.go_on(state)
        for end in range(len(steps) + 1):
            for left in state_of(state.tree, steps[:end], state.done, end, at_most):
                laboratory.go_on(left)


def test_a_loss_of_power_at_any_step_changes_nothing(laboratory: Laboratory) -> None:
    lose_power_at_any_step(laboratory)
    tell("loss of power", laboratory.counts)
    assert laboratory.counts["states"] > 900


@pytest.mark.parametrize("kind", [Kind.FSYNC, Kind.SYNC_FOLDER])
def test_without_these_syncs_a_loss_of_power_would_be_noticed(
    laboratory: Laboratory, kind: Kind
) -> None:
    """That the checker finds nothing means something only if it would."""
    careless = [step for step in laboratory.steps if step.kind is not kind]
    damaged = 0
    for number in range(0, len(careless) + 1, 3):
        for state in state_of({}, careless[:number], 0, number, at_most=16):
            try:
                laboratory.check_committed(state)
            except AssertionError:
                damaged += 1
    assert damaged > 100


def test_a_loss_of_power_after_a_kill_changes_nothing(laboratory: Laboratory) -> None:
    lose_power_after_a_kill(laboratory, stride=5, at_most=12)
    tell("kill -9, then loss of power", laboratory.counts)
    assert laboratory.counts["states"] > 1000


def test_a_loss_of_power_after_a_loss_of_power_changes_nothing(laboratory: Laboratory) -> None:
    states = lose_power_at_any_step(laboratory)
    lose_power_twice(laboratory, states, stride=len(states) // 12, at_most=16)
    tell("loss of power, twice", laboratory.counts)
    assert laboratory.counts["states"] > 1000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_combination_of_kills_and_losses_of_power_changes_nothing(
    laboratory: Laboratory,
) -> None:
    states = lose_power_at_any_step(laboratory)
    tell("loss of power", laboratory.counts)
    lose_power_after_a_kill(laboratory, stride=1, at_most=COMBINATIONS)
    tell("and kill -9, then loss of power", laboratory.counts)
    distinct = list({state.key: state for state in states}.values())
    lose_power_twice(laboratory, distinct, stride=1, at_most=256)
    tell("and loss of power, twice", laboratory.counts)
    assert laboratory.counts["states"] > 10_000


# -- the reference's order ------------------------------------------------------------------------


def outcome(reference: ReferenceOrder, state: State) -> str:
    """How it ends when the reference's order goes on from here; empty when well."""
    root = reference.root
    shutil.rmtree(root)
    root.mkdir()
    make_tree(root, state.tree)
    try:
        for done in range(state.done, GENERATIONS):
            reference.next_generation(done)
        data, index, torrent = ((root / name).read_bytes() for name in ("data", "index", "torrent"))
    except (CommunityArchivesError, OSError) as error:
        return f"creation fails for ever: {type(error).__name__}"
    return complaint(data, index, torrent, texts(WEEKS[-1]))


def reference_in(folder: Path, laboratory: Laboratory) -> tuple[ReferenceOrder, list[Step]]:
    archives, offset = [], 0
    for done in range(1, GENERATIONS + 1):
        tree = laboratory.clean[done]
        data = tree[f"{FOLDER}/data"] or b""
        added = [e for e in decode_index(tree[f"{FOLDER}/index.{done}"] or b"")
                 if e.offset >= offset]  # fmt: skip
        archives.append(tuple((e, data[e.offset : e.offset + e.raw_size]) for e in added))
        offset = len(data)
    root = folder / "reference"
    root.mkdir()
    reference = ReferenceOrder(root, tuple(archives))
    recorder = Recorder(root, {})
    for done in range(GENERATIONS):
        with recorder.watching():
            reference.next_generation(done)
        recorder.steps.append(Step(Kind.COMMIT))
    assert after({}, recorder.steps) == tree_of(root)
    return reference, recorder.steps


def test_without_a_crash_the_reference_order_is_as_good(
    laboratory: Laboratory, fast_disk: Path
) -> None:
    reference, steps = reference_in(fast_disk, laboratory)
    assert outcome(reference, State(after({}, steps), GENERATIONS)) == ""
    assert tree_of(reference.root)["data"] == laboratory.clean[-1][f"{FOLDER}/data"]


def test_kill_9_breaks_the_reference_order(laboratory: Laboratory, fast_disk: Path) -> None:
    reference, steps = reference_in(fast_disk, laboratory)
    ends = Counter(
        outcome(reference, state) or "well"
        for taken in killed(steps)
        for state in state_of({}, taken, 0)
    )
    tell("the reference's order, kill -9", ends)
    assert ends == {
        "well": 5,
        "messages twice": 12,
        "the index does not cover the data": 7,
        "creation fails for ever: IndexInvalidError": 3,
        "creation fails for ever: TorrentInvalidError": 4,
    }


def test_a_loss_of_power_breaks_the_reference_order(
    laboratory: Laboratory, fast_disk: Path
) -> None:
    reference, steps = reference_in(fast_disk, laboratory)
    seen: dict[bytes, str] = {}
    for number in range(0, len(steps) + 1, 3):
        for state in state_of({}, steps[:number], 0, number, at_most=24):
            if state.key not in seen:
                seen[state.key] = outcome(reference, state) or "well"
    ends = Counter(seen.values())
    tell("the reference's order, loss of power", ends)
    assert ends["well"] < ends.total() / 2
