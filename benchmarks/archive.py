"""What a second worker brings: people a second of ``vera anonymize --workers 2`` over ``--workers 1``, each worker with one thread.

The people are copies of one portrait in slightly different sizes, or of the photographs of a folder, under names of their own. The calls
run in turns. Start-up is taken out: every call runs on few and on all people, and the difference in time belongs to the difference in
people. All ways must give the same bytes: with ``one``, also those of a call without workers.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("archive.jsonl")
SMALL = 2
"""People of the call that is taken off, for start-up."""
WAYS = {
    "one": [],
    "1": ["--workers", "1", "--threads", "1"],
    "2": ["--workers", "2", "--threads", "1"],
    "ray": ["--engine", "ray", "--workers", "2", "--threads", "1"],
}
"""Options of each way; ``one``: one process without workers, person after person."""
PICTURES = frozenset({".jpg", ".jpeg", ".png"})


class Call(NamedTuple):
    """What one call took and gave.

    Attributes:
        seconds: of the whole call.
        peak: largest memory of one of its processes below the first, in bytes.
        written: SHA-256 over names and bytes of all pictures.
        pictures: their number.

    """

    seconds: float
    peak: int
    written: str
    pictures: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=16, help="of the large call")
    parser.add_argument("--side", type=int, default=512, help="of the photographs, in pixels; not with --photographs")
    parser.add_argument("--photographs", type=Path, help="folder of photographs, searched as a whole: each is a person of its own")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["1", "2"], help="what is compared (default: 1 2)")
    parser.add_argument("--method", default=None, help="cover, blur or pixelate instead of exemplars")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    calls: dict[str, list[Call]] = {way: [] for way in chosen.ways}
    rates: dict[str, list[float]] = {way: [] for way in chosen.ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = {count: _people(folder, count, chosen.side, chosen.photographs) for count in (SMALL, chosen.people)}
        for turn in range(chosen.repeats):
            for way in chosen.ways:
                few = _call(tables[SMALL], folder / f"{turn}-{way}-few", way, chosen.method)
                many = _call(tables[chosen.people], folder / f"{turn}-{way}", way, chosen.method)
                rates[way].append((chosen.people - SMALL) / (many.seconds - few.seconds))
                calls[way].append(many)
    lines: list[dict[str, Any]] = [
        {
            "way": way,
            "people_a_second": round(statistics.median(rates[way]), 3),
            "largest_worker_bytes": max(call.peak for call in calls[way]),
            "pictures": calls[way][0].pictures,
        }
        for way in chosen.ways
    ]
    summary: dict[str, Any] = {"same_bytes": len({call.written for found in calls.values() for call in found}) == 1}
    if {"1", "2"} <= set(chosen.ways):
        summary["two_workers_over_one"] = round(statistics.median(two / one for one, two in zip(rates["1"], rates["2"], strict=True)), 2)
    options = {name: value for name, value in vars(chosen).items() if name not in ("publish", "photographs")}
    known = provenance(torch.device("cpu")) | options | {"photographs": "a folder's" if chosen.photographs else "one portrait's copies"}
    report([*lines, {"summary": summary}], known, RESULTS if chosen.publish else None)


def _people(folder: Path, count: int, side: int, photographs: Path | None) -> Path:
    """Photographs of so many people under names of their own, and their table."""
    from PIL import Image

    table = folder / f"{count}.csv"
    if photographs:
        found = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in PICTURES)[:count]
        if len(found) < count:
            raise SystemExit(f"{photographs} holds {len(found)} photographs: give a folder with at least {count}, or fewer --people")
        names = [f"{count}-{number}{path.suffix.lower()}" for number, path in enumerate(found)]
        for name, path in zip(names, found, strict=True):
            (folder / name).write_bytes(path.read_bytes())
    else:
        from skimage.data import astronaut

        portrait = Image.fromarray(astronaut()[:300, 80:380])
        names = [f"{count}-{number}.jpg" for number in range(count)]
        for number, name in enumerate(names):
            portrait.resize((side + number, side + number)).save(folder / name, quality=95)
    rows = [f"person {number},portrait,{name}\n" for number, name in enumerate(names)]
    table.write_text("person,role,path\n" + "".join(rows), encoding="utf-8")
    return table


def _call(table: Path, out: Path, way: str, method: str | None) -> Call:
    """One call. A person who is refused is no fault of the way."""
    how = ["--method", method] if method else ["--seed", "8"]
    command = [sys.executable, "-m", "vera.cli", "anonymize", "--manifest", str(table), "--preserve", "mouth", "--out", str(out)]
    started, peak = time.monotonic(), 0
    errors = out.with_suffix(".log")
    with errors.open("w") as told, subprocess.Popen([*command, *how, *WAYS[way]], cwd=ROOT, stderr=told, env=_environment()) as call:
        while call.poll() is None:
            peak = max(peak, *map(_peak, _below(call.pid)), 0)
            time.sleep(0.2)
    seconds = time.monotonic() - started
    if call.returncode not in (0, 3):
        raise SystemExit(f"vera anonymize ended with {call.returncode}: {errors.read_text()}")
    pictures, digest = sorted(out.glob("*.png")), hashlib.sha256()
    for path in pictures:
        digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return Call(seconds, peak, digest.hexdigest(), len(pictures))


def _environment() -> dict[str, str]:
    """One thread in a call without workers, too: networks add numbers up in another order with more."""
    return os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")


def _below(process: int) -> list[int]:
    """All processes that a process has started, and those that they have."""
    try:
        children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:  # it has ended, or this is no Linux
        return []
    return children + [further for child in children for further in _below(child)]


def _peak(process: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
