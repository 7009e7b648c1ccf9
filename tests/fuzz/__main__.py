"""The long form: ``python -m tests.fuzz --minutes 10 [TARGET...]``.

Each target runs so long in a process of its own, with changes drawn at random; inputs that were
accepted are changed further. With ``--atheris``, where that is installed, libFuzzer chooses the
inputs by the lines of ``workflow`` that they reach. The input under way lies in the file
``fuzz-TARGET-input`` of the system's temporary folder, so that also one which ends the process is
known. ``--replay TARGET HEX|FILE`` gives one input.
"""

# ruff: noqa: T201 - what is printed is the command's answer

from __future__ import annotations

import argparse
import importlib.util
import resource
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, gettempdir

from tests.fuzz.bombs import BOMBS
from tests.fuzz.examining import Cost, FindingError, examine, smallest
from tests.fuzz.mutating import changed, random_steps
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import NAMES, Target, targets

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it
MAX_KEPT = 2000
MAX_KEPT_LENGTH = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=1, help="of the changes")
    parser.add_argument("--atheris", action="store_true", help="let coverage choose the inputs")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "HEX|FILE"))
    options = parser.parse_args()
    names = options.replay[:1] if options.replay else options.targets or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no target: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.atheris and importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed here: pip install atheris")
    if not options.replay and (options.atheris or len(names) > 1):
        return max([_in_a_process(name, options) for name in names])
    folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with TemporaryDirectory(dir=folder) as scratch:
        target = targets(Path(scratch))[names[0]]
        if options.replay:
            return _replay(target, options.replay[1])
        return _run(target, options.minutes, options.seed)


def _in_a_process(name: str, options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "tests.fuzz"]
    if options.atheris:
        command = [sys.executable, "-m", "tests.fuzz.by_coverage"]
    command += ["--minutes", str(options.minutes), "--seed", str(options.seed), name]
    return abs(subprocess.run(command, check=False).returncode)


def _replay(target: Target, given: str) -> int:
    is_file = len(given) < 256 and Path(given).is_file()
    data = Path(given).read_bytes() if is_file else bytes.fromhex(given)
    try:
        cost = examine(target, data)
    except FindingError as finding:
        if finding.__cause__ is not None:
            raise
        print(finding)
        return 1
    said = "accepted" if cost.accepted else "refused"
    print(f"{target.name}: {said}, {cost.seconds:.3f} s, {cost.memory >> 20} MiB")
    return 0


def _run(target: Target, minutes: float, seed: int) -> int:
    kept, random = seeds()[target.name], Random(seed)  # noqa: S311 - to be replayed
    begun = len(kept)
    findings: dict[str, FindingError] = {}
    dearest, slowest, memory, count, accepted = b"", 0.0, 0, 0, 0
    bombs = [make() for make in BOMBS.get(target.name, {}).values()]
    under_way = Path(gettempdir(), f"fuzz-{target.name}-input")
    started = time.monotonic()
    while time.monotonic() < started + 60 * minutes:
        data = bombs.pop() if bombs else changed(random.choice(kept), random_steps(random), kept)
        under_way.write_bytes(data)
        count += 1
        try:
            cost = examine(target, data)
        except FindingError as finding:
            if finding.kind not in findings:
                findings[finding.kind] = least = smallest(target, finding)
                file = under_way.with_name(f"fuzz-{target.name}-finding-{len(findings)}")
                file.write_bytes(least.data)
                print(str(least)[:1000], f"  {len(least.data)} bytes, also in {file}", sep="\n")
            cost = Cost(0, 0, accepted=False)
        accepted += cost.accepted
        memory = max(memory, cost.memory)
        if cost.seconds > slowest:
            slowest, dearest = cost.seconds, data
        if cost.accepted and len(data) < MAX_KEPT_LENGTH:
            _keep(kept, data, begun, random)
    under_way.unlink()
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # each input begins anew
    print(
        f"{target.name}: {count} executions, {count / (time.monotonic() - started):.0f} a second, "
        f"{accepted} accepted, {len(findings)} findings (seed {seed})\n"
        f"  memory: {memory >> 20} MiB for one input, {now} MiB at the end\n"
        f"  slowest: {slowest:.3f} s, {len(dearest)} bytes: {dearest[:60].hex()}",
        flush=True,
    )
    return 1 if findings else 0


def _keep(kept: list[bytes], data: bytes, begun: int, random: Random) -> None:
    """Remember an input that was accepted; the seeds are never forgotten."""
    if len(kept) < MAX_KEPT:
        kept.append(data)
    else:
        kept[random.randrange(begun, MAX_KEPT)] = data


if __name__ == "__main__":
    sys.exit(main())
