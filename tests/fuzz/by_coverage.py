"""One target under atheris: libFuzzer chooses the inputs by the lines that they reach.

``python -m tests.fuzz --atheris`` runs it. What is found lies in the system's temporary folder as
``fuzz-TARGET-crash-...``, to be replayed with ``python -m tests.fuzz --replay TARGET FILE``. The
statistics at the end are libFuzzer's.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

atheris: Any = importlib.import_module("atheris")  # seldom installed, so mypy shall not ask for it

with atheris.instrument_imports(include=["workflow"]):
    from tests.fuzz.mutating import changed, random_steps
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import targets

LIMITS = ("-max_len=65536", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    begun = seeds()[options.target]

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - to be replayed
        if random.randrange(3) == 0:
            return bytes(atheris.Mutate(data, max_size))
        return changed(data, random_steps(random), begun)[:max_size]

    with TemporaryDirectory() as scratch:
        target = targets(Path(scratch))[options.target]
        corpus = Path(scratch, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(begun):
            (corpus / f"seed-{number}").write_bytes(seed)

        def run_one(data: bytes) -> None:
            target.run(data)

        atheris.Setup(
            [
                *(f"fuzz-{target.name}", *LIMITS, f"-seed={options.seed}"),
                *(f"-max_total_time={60 * options.minutes:.0f}",),
                *(f"-artifact_prefix={gettempdir()}/fuzz-{target.name}-", str(corpus)),
            ],
            run_one,
            custom_mutator=mutate,
        )
        atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    main()
