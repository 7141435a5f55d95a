"""Seconds from a command to its answer: help, and the refusal of bad arguments, as ratios to an earlier revision.

The earlier revision is checked out beside this one for as long as the benchmark runs, and both are started with the same interpreter and
the same installed packages, in turns (now, before, now, ...), so that whatever else the machine does hits both. Each call is a process of
its own with one thread. Bytecode is compiled by a first call, which does not count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("start.jsonl")
BEFORE = "961266b"
"""The last revision before help and refusals were made fast."""
CALLS = {
    "vera --help": (["--help"], 0),
    "vera anonymize --help": (["anonymize", "--help"], 0),
    "unknown option": (["anonymize", "--outt", "out"], 2),
    "missing file": (["anonymize", "there/is/none.jpg", "--out", "there/is/none"], 2),
    "unknown class": (["anonymize", __file__, "--preserve", "moth", "--out", "there/is/none"], 2),
}
"""What is asked, and the exit code of the answer."""


class Call(NamedTuple):
    """One call of the command.

    Attributes:
        seconds: on the clock.
        cpu: seconds of the process on all cores; on a machine that others use, too, the steadier number.

    """

    seconds: float
    cpu: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default=BEFORE, metavar="REVISION", help="the revision to compare with (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    with checked_out(chosen.before) as earlier:
        lines = [_line(name, *case, {"now": ROOT, "before": earlier}, chosen.repeats) for name, case in CALLS.items()]
    lines.append({"summary": f"over {chosen.before}", **{line["call"]: line["ratio"] for line in lines}})
    known = provenance(torch.device("cpu")) | {"threads": 1}
    report(lines, known, RESULTS if chosen.publish else None)


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A revision of this repository in a folder of its own, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "before")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", path, revision], cwd=ROOT, check=True)
        try:
            yield path
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", path], cwd=ROOT, check=True)


def _line(name: str, arguments: list[str], code: int, roots: dict[str, Path], repeats: int) -> dict[str, Any]:
    found: dict[str, list[Call]] = {which: [] for which in roots}
    for turn in range(repeats + 1):
        for which, root in roots.items():
            call = _called(root, arguments, code)
            if turn:
                found[which].append(call)
    seconds, cpu = ({which: statistics.median(call[part] for call in calls) for which, calls in found.items()} for part in (0, 1))
    return {
        "call": name,
        "seconds": {which: round(value, 3) for which, value in seconds.items()},
        "cpu_seconds": {which: round(value, 3) for which, value in cpu.items()},
        "ratio": round(seconds["now"] / seconds["before"], 3),
        "cpu_ratio": round(cpu["now"] / cpu["before"], 3),
        "repeats": repeats,
    }


def _called(root: Path, arguments: list[str], code: int) -> Call:
    """Run ``vera`` as it is in a checkout, and see that it answers as expected."""
    alone = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, "-m", "vera.cli", *arguments], env=alone, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - started, os.times()
    if done.returncode != code:
        raise RuntimeError(f"vera {' '.join(arguments)} left with {done.returncode}, not {code}: {done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Call(seconds, cpu)


if __name__ == "__main__":
    main()
