"""Seconds and peak memory of ``vera anonymize`` on 1024 px photographs: exemplars as a ratio to the paper's generator.

Without ``--photos`` it is one photograph, scikit-image's astronaut. How long a renderer takes depends on the face (how many candidates or
attempts it needs), so several photographs say more; those that a renderer refuses are left out, and counted.

Every measurement is the whole command in a process of its own, start-up and networks included, with one thread; beside it stand the
seconds that the anonymizer itself counts, and those of its steps. The renderers take turns, so that whatever else the machine does hits
both. Each photograph counts by the median of its repeats, and means over the photographs are compared.
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
from collections.abc import Callable, Sequence
from functools import partial
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


REFUSED = 3
"""Exit code of ``vera anonymize`` for a refused photograph (docs/commands.md)."""


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
    parser.add_argument("--small", action="store_true", help=f"the one photograph at {SMALL} px, for a quick look")
    parser.add_argument("--photos", type=Path, help="folder of JPEGs to take in the place of the one photograph")
    parser.add_argument("--count", type=int, default=12, help="so many of them, evenly spread over their names")
    parser.add_argument("--data", help="name of these photographs, for the record")
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    if (chosen.photos is None) != (chosen.data is None):
        parser.error("--photos and --data go together")
    side = SMALL if chosen.small else SIDE
    with tempfile.TemporaryDirectory() as folder:
        if chosen.photos is None:
            _python(DRAW, json.dumps([side, side, folder, {"jpg": OPTIONS["jpg"]}]))
            photographs = [Path(folder, f"{side}.jpg")]
        else:
            every = sorted(chosen.photos.glob("*.jpg"))
            photographs = every[:: max(1, len(every) // chosen.count)][: chosen.count]
        made: list[dict[str, list[Call]]] = []
        for number, photograph in enumerate(photographs):
            calls: dict[str, list[Call | None]] = {renderer: [] for renderer in RENDERERS}
            for turn in range(chosen.repeats):
                for renderer in RENDERERS:
                    calls[renderer].append(_anonymized(photograph, Path(folder, f"{renderer}{number}-{turn}"), renderer))
            written = {renderer: [call for call in every if call] for renderer, every in calls.items()}
            if all(len(every) == chosen.repeats for every in written.values()):
                made.append(written)
    if not made:
        parser.error("a renderer refused every photograph: give others")
    which = {"data": chosen.data, "photographs": len(made), "left_out": len(photographs) - len(made)} if chosen.photos else {"side": side}
    lines = [which | _line(renderer, [calls[renderer] for calls in made]) for renderer in RENDERERS]
    ours, theirs = lines
    summary = {
        "summary": "exemplars over generator",
        **which,
        "seconds": round(ours["seconds"] / theirs["seconds"], 3),
        "without_start_up": round(ours["without_start_up"] / theirs["without_start_up"], 3),
        "peak_memory": round(ours["peak_bytes"] / theirs["peak_bytes"], 3),
    }
    known = provenance(torch.device("cpu")) | {"threads": 1}
    lines.append(summary)
    report(lines, known, RESULTS if chosen.publish else None)


def _line(renderer: str, photographs: Sequence[Sequence[Call]]) -> dict[str, Any]:
    every = [call.seconds for calls in photographs for call in calls]
    return {
        "measure": "vera anonymize",
        "renderer": renderer,
        "seconds": _typical(photographs, lambda call: call.seconds),
        "fastest": round(min(every), 3),
        "slowest": round(max(every), 3),
        "without_start_up": _typical(photographs, lambda call: sum(call.steps.values())),
        "steps": {step: _typical(photographs, partial(_step, name=step)) for step in photographs[0][0].steps},
        "peak_bytes": int(_typical(photographs, lambda call: call.peak)),
        "repeats": len(photographs[0]),
    }


def _step(call: Call, name: str) -> float:
    return call.steps[name]


def _typical(photographs: Sequence[Sequence[Call]], value: Callable[[Call], float]) -> float:
    """The mean over photographs of the median of each one's calls."""
    return round(statistics.mean(statistics.median(value(call) for call in calls) for calls in photographs), 3)


def _anonymized(photograph: Path, out: Path, renderer: str) -> Call | None:
    """One call of the command; None where it refuses the photograph."""
    started = time.perf_counter()
    try:
        said = _python(PEAK + ANONYMIZE, str(photograph), str(out), "--renderer", renderer)
    except subprocess.CalledProcessError as error:
        if error.returncode != REFUSED:
            raise
        return None
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
