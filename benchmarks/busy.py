"""Seconds of ``vera anonymize`` beside busy processes and alone: OpenMP's threads asleep or spinning while they wait.

The command is started in turns with the waiting that it chooses itself ("now"), with the spinning that GNU's OpenMP does by default
("before"), and with one thread, so that whatever else the machine does hits all alike. Each call is a process of its own. Spinning is the
default of GNU's library alone: elsewhere (macOS) "before" says nothing. With --earlier, the command of an earlier revision is called in the
same turns, with its own defaults; by default that is the revision before anything was done about busy machines.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from benchmarks.anonymize import RENDERERS, SIDE, SMALL
from benchmarks.photograph import DRAW, OPTIONS
from benchmarks.provenance import ROOT, provenance, report
from benchmarks.start import checked_out

RESULTS = Path(__file__).with_name("busy.jsonl")
WAYS: dict[str, dict[str, str]] = {"now": {}, "before": {"GOMP_SPINCOUNT": "300000"}, "one thread": {"OMP_NUM_THREADS": "1"}}
"""Environments by name; 300,000 turns is what GNU's OpenMP spins where nobody has said how threads wait."""
EARLIER = "44062ba"
"""The last revision whose calls took several times as long beside busy processes."""
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that would decide for the command, and are not handed on to it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=2, help="processes that compute beside it (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--renderer", choices=RENDERERS, default=RENDERERS[0])
    parser.add_argument("--earlier", nargs="?", const=EARLIER, metavar="REVISION", help="an earlier revision (without a name: %(const)s)")
    parser.add_argument("--small", action="store_true", help=f"a photograph of {SMALL} px, for a quick look")
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    side = SMALL if chosen.small else SIDE
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", DRAW, json.dumps([side, side, folder, {"jpg": OPTIONS["jpg"]}])], cwd=ROOT, check=True)
        photograph = Path(folder, f"{side}.jpg")
        with checked_out(chosen.earlier) if chosen.earlier else nullcontext() as earlier:
            lines = [_line(photograph, chosen.renderer, busy, chosen.repeats, earlier) | {"side": side} for busy in (0, chosen.busy)]
    known = provenance(torch.device("cpu"))
    report(lines, known, RESULTS if chosen.publish else None)


@contextmanager
def computing(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that take a processor each, for as long as the context lasts."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield others
    finally:
        for other in others:
            other.kill()
            other.wait()


def _line(photograph: Path, renderer: str, busy: int, repeats: int, earlier: Path | None = None) -> dict[str, Any]:
    ways: dict[str, tuple[list[str], dict[str, str], Path]] = {way: (["--renderer", renderer], own, ROOT) for way, own in WAYS.items()}
    if earlier:
        ways["earlier"] = ([], {}, earlier)
    found: dict[str, list[float]] = {way: [] for way in ways}
    with computing(busy):
        for turn in range(repeats):
            for way, (options, environment, root) in ways.items():
                out = photograph.with_name(f"{busy}-{turn}-{way}")
                found[way].append(_seconds(photograph, out, options, environment, root=root))
    medians = {way: statistics.median(seconds) for way, seconds in found.items()}
    return {
        "measure": "vera anonymize",
        "renderer": renderer,
        "busy": busy,
        "seconds": {way: round(value, 3) for way, value in medians.items()},
        "now_over_before": round(medians["now"] / medians["before"], 3),
        "now_over_one_thread": round(medians["now"] / medians["one thread"], 3),
        **({"earlier_over_now": round(medians["earlier"] / medians["now"], 3)} if earlier else {}),
        "repeats": repeats,
    }


def _seconds(photograph: Path, out: Path, options: list[str], environment: dict[str, str], *, root: Path) -> float:
    command = [sys.executable, "-m", "vera.cli", "anonymize", str(photograph), "--out", str(out), "--seed", "8", "--person", "benchmark"]
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS} | {"PYTHONPATH": str(root / "src")}
    started = time.perf_counter()
    subprocess.run([*command, *options], cwd=root, env=inherited | environment, capture_output=True, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
