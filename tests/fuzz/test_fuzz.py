"""The short form of fuzzing: a few thousand changed inputs for each entry that strangers reach."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.chat.sample_exports import export, message
from tests.chat.sample_posts import COMMUNITY_ID
from tests.fuzz.bombs import BOMBS
from tests.fuzz.examining import FindingError, examine, smallest
from tests.fuzz.mutating import NAMES as CHANGES
from tests.fuzz.mutating import Step, changed
from tests.fuzz.seeds import seeds, unsigned
from tests.fuzz.targets import NAMES, Target, targets
from workflow.archive.wire import field, varint

EXAMPLES = 300
"""Lists of changes for each target; an input is given after every change."""

SEEDS = seeds()
STEPS = st.lists(
    st.builds(Step, st.sampled_from(CHANGES), st.integers(0, 1 << 32), st.integers(0, 1 << 32)),
    min_size=1,
    max_size=4,
)

FOUND = {
    "a line of a raw message that is null": ("jsonl", b'{"raw":null}'),
    "a length that is true, not one, in a line": (
        "jsonl",
        b'{"id":"1","channel":"7","time":1,"attachments":[{"size":true}]}',
    ),
    "a length that is true, not one, in an export": (
        "discord",
        json.dumps(export(message(attachments=[{"fileSizeBytes": True}]))).encode(),
    ),
    "a length that no export can be read with": (
        "content",
        unsigned(
            1,
            field(6, COMMUNITY_ID.encode())
            + field(99, field(1, b"1") + field(8, b"(" + varint(2**64 - 1))),
        ),
    ),
    "an attachment behind a circle of links": (
        "discord",
        json.dumps(export(message(attachments=[{"url": "loop/a.png"}]))).encode(),
    ),
    "a name that is long because of its escapes": (
        "discord",
        b'{"' + b"\\\\" * 500_000 + b'":{' + b'"":0,' * 100_000 + b'"":0},"messages":[]}',
    ),
}
"""Inputs that once did harm."""


@pytest.fixture
def target(tmp_path: Path, request: pytest.FixtureRequest) -> Target:
    return targets(tmp_path)[request.param]


def test_every_target_has_a_name_and_seeds(tmp_path: Path) -> None:
    assert tuple(targets(tmp_path)) == NAMES == tuple(SEEDS)


@pytest.mark.parametrize("target", NAMES, indirect=True)
def test_every_seed_is_accepted(target: Target) -> None:
    assert all(examine(target, seed).accepted for seed in SEEDS[target.name])


@pytest.mark.parametrize("target", NAMES, indirect=True)
def test_no_input_crashes_hangs_or_takes_the_memory(target: Target) -> None:
    begun = SEEDS[target.name]

    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],  # what is found is made smaller by bytes, not by changes
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(begun), STEPS)
    def no_input_does_harm(seed: bytes, steps: list[Step]) -> None:
        for step in steps:
            seed = changed(seed, [step], begun)
            examine(target, seed)

    try:
        no_input_does_harm()
    except FindingError as finding:
        raise smallest(target, finding) from finding


@pytest.mark.parametrize(("target", "data"), FOUND.values(), ids=FOUND, indirect=["target"])
def test_what_once_did_harm_does_none(target: Target, data: bytes) -> None:
    assert examine(target, data).seconds < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "bomb"),
    [(name, bomb) for name in BOMBS for bomb in BOMBS[name]],
    indirect=["target"],
)
def test_the_greatest_inputs_take_no_more_than_they_weigh(target: Target, bomb: str) -> None:
    examine(target, BOMBS[target.name][bomb]())


class TestTheWatch:
    """What would be found, were it there."""

    def test_an_error_of_another_kind_is_found_with_its_smallest_input(self) -> None:
        def accepts(data: bytes) -> bool:
            return data[data.index(b"x")] == 0 if b"x" in data else True

        def divides(data: bytes) -> bool:
            return 1 // (data.count(b"xy") - 1) == 1

        assert examine(Target("good", accepts), b"--xy--").accepted is False
        target = Target("bad", divides)
        with pytest.raises(FindingError) as caught:
            examine(target, b"--- xy ---")
        finding = smallest(target, caught.value)
        assert finding.data == b"xy"
        assert "python -m tests.fuzz --replay bad 7879" in str(finding)
        assert "ZeroDivisionError" in str(finding)

    def test_a_refusal_that_is_documented_is_none(self) -> None:
        def refuses(data: bytes) -> bool:
            raise ValueError("no")

        assert not examine(Target("polite", refuses, (ValueError,)), b"").accepted

    def test_memory_without_bounds_is_found(self) -> None:
        target = Target("hungry", lambda data: bool(bytearray(b"x") * (400 << 20)))
        with pytest.raises(FindingError, match=r"it took MiB: (39|40)"):
            examine(target, b"")

    def test_memory_beyond_the_machine_is_refused_before_it_is_taken(self) -> None:
        target = Target("starving", lambda data: bool(bytearray(1 << 40)))
        with pytest.raises(FindingError, match="MemoryError"):
            examine(target, b"")

    def test_what_never_ends_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def hangs(data: bytes) -> bool:
            while True:
                pass

        monkeypatch.setattr("tests.fuzz.examining._PATIENCE", 0.05)
        with pytest.raises(FindingError, match="HangError"):
            examine(Target("endless", hangs), b"")
        assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)

    def test_what_is_slow_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.fuzz.examining.MAX_SECONDS", 0.001)
        target = Target("slow", lambda data: sum(range(20_000_000)) > 0)
        with pytest.raises(FindingError, match="it took seconds"):
            examine(target, b"")
