"""Seconds and peak memory of ``vera anonymize`` on one 1024 px photograph: exemplars as a ratio to the paper's generator.

Every measurement is the whole command in a process of its own, start-up and networks included, with one thread; beside it stand the
seconds that the anonymizer itself counts, and those of its steps. The renderers take turns, so that whatever else the machine does hits
both; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.photograph import ANONYMIZE, DRAW, OPTIONS, PEAK
from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("anonymize.jsonl")
RENDERERS = ("exemplars", "generator")
SIDE = 1024
"""Side in pixels of the photograph, and of the portrait that fills it."""
SMALL = 512
"""Side with --small, for a quick look at whether the benchmark runs."""


class Call(NamedTuple):
    """One call of the command.

    Attributes:
        seconds: on the clock.
        peak: bytes.
        steps: seconds of each step, by the audit.

    """

    seconds: float
    peak: int
    steps: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help=f"a photograph of {SMALL} px, for a quick look")
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    side = SMALL if chosen.small else SIDE
    found: dict[str, list[Call]] = {renderer: [] for renderer in RENDERERS}
    with tempfile.TemporaryDirectory() as folder:
        _python(DRAW, json.dumps([side, side, folder, {"jpg": OPTIONS["jpg"]}]))
        for turn in range(chosen.repeats):
            for renderer in RENDERERS:
                found[renderer].append(_anonymized(Path(folder, f"{side}.jpg"), Path(folder, f"{renderer}{turn}"), renderer))
    lines = [_line(renderer, side, calls) for renderer, calls in found.items()]
    ours, theirs = lines
    summary = {
        "summary": "exemplars over generator",
        "side": side,
        "seconds": round(ours["seconds"] / theirs["seconds"], 3),
        "without_start_up": round(ours["without_start_up"] / theirs["without_start_up"], 3),
        "peak_memory": round(ours["peak_bytes"] / theirs["peak_bytes"], 3),
    }
    known = provenance(torch.device("cpu")) | {"threads": 1}
    lines.append(summary)
    report(lines, known, RESULTS if chosen.publish else None)


def _line(renderer: str, side: int, calls: Sequence[Call]) -> dict[str, Any]:
    seconds = [call.seconds for call in calls]
    return {
        "measure": "vera anonymize",
        "renderer": renderer,
        "side": side,
        "seconds": round(statistics.median(seconds), 3),
        "fastest": round(min(seconds), 3),
        "slowest": round(max(seconds), 3),
        "without_start_up": round(statistics.median(sum(call.steps.values()) for call in calls), 3),
        "steps": {step: round(statistics.median(call.steps[step] for call in calls), 3) for step in calls[0].steps},
        "peak_bytes": int(statistics.median(call.peak for call in calls)),
        "repeats": len(calls),
    }


def _anonymized(photograph: Path, out: Path, renderer: str) -> Call:
    started = time.perf_counter()
    said = _python(PEAK + ANONYMIZE, str(photograph), str(out), "--renderer", renderer)
    seconds = time.perf_counter() - started
    audit = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    (person,) = audit["people"]
    return Call(seconds, int(said.split()[-1]), person["seconds"])


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=alone, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
