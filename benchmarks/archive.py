"""What a second worker brings: people a second of ``vera anonymize --workers 2`` over ``--workers 1``, each worker with one thread.

The people are copies of one portrait in slightly different sizes, under names of their own. Both calls run in turns. Start-up is taken
out: every call runs on few and on all people, and the difference in time belongs to the difference in people.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("archive.jsonl")
SMALL = 2
"""People of the call that is taken off, for start-up."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=16, help="of the large call")
    parser.add_argument("--side", type=int, default=512, help="of the photographs, in pixels")
    parser.add_argument("--method", default=None, help="cover, blur or pixelate instead of exemplars")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    rates: dict[int, list[float]] = {1: [], 2: []}
    peaks: dict[int, list[int]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = {count: _people(folder, count, chosen.side) for count in (SMALL, chosen.people)}
        for turn in range(chosen.repeats):
            for workers in rates:
                few, _ = _call(tables[SMALL], folder / f"{turn}-{workers}-few", workers, chosen.method)
                many, peak = _call(tables[chosen.people], folder / f"{turn}-{workers}", workers, chosen.method)
                rates[workers].append((chosen.people - SMALL) / (many - few))
                peaks[workers].append(peak)
    lines: list[dict[str, Any]] = [
        {"workers": workers, "people_a_second": round(statistics.median(found), 3), "largest_worker_bytes": max(peaks[workers])}
        for workers, found in rates.items()
    ]
    ratio = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    summary = {"summary": {"two_workers_over_one": round(ratio, 2)}}
    options = {name: value for name, value in vars(chosen).items() if name != "publish"}
    known = provenance(torch.device("cpu")) | options
    report([*lines, summary], known, RESULTS if chosen.publish else None)


def _people(folder: Path, count: int, side: int) -> Path:
    from PIL import Image
    from skimage.data import astronaut

    portrait = Image.fromarray(astronaut()[:300, 80:380])
    table = folder / f"{count}.csv"
    rows = [f"person {number},portrait,{count}-{number}.jpg\n" for number in range(count)]
    for number in range(count):
        portrait.resize((side + number, side + number)).save(folder / f"{count}-{number}.jpg", quality=95)
    table.write_text("person,role,path\n" + "".join(rows), encoding="utf-8")
    return table


def _call(table: Path, out: Path, workers: int, method: str | None) -> tuple[float, int]:
    """Seconds of a call, and the largest memory of its processes in bytes."""
    how = ["--method", method] if method else ["--seed", "7"]
    options = ["--preserve", "mouth", "--workers", str(workers), "--threads", "1", "--out", str(out), *how]
    command = [sys.executable, "-m", "vera.cli", "anonymize", "--manifest", str(table), *options]
    started, peak = time.monotonic(), 0
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as call:
        while call.poll() is None:
            peak = max(peak, *map(_peak, _below(call.pid)), 0)
            time.sleep(0.2)
        told = call.stderr.read() if call.stderr else ""
    if call.returncode:
        raise SystemExit(f"vera anonymize ended with {call.returncode}: {told}")
    return time.monotonic() - started, peak


def _below(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children")
    try:
        return [int(child) for child in children.read_text().split()]
    except OSError:  # it has ended, or this is no Linux
        return []


def _peak(process: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
