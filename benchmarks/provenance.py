"""What a measurement was taken on, with, and from."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import vera

ROOT = Path(__file__).parents[1]
MEASURED = (
    "src/vera/generator",
    "src/vera/ops",
    "src/vera/training",
    "src/vera/faces",
    "src/vera/anonymization",
    "src/vera/exemplars",
    "src/vera/mosaic",
    "conf",
    "benchmarks/*.py",
    "tests/reference",
)


def report(lines: Sequence[dict[str, Any]], known: dict[str, Any], results: Path | None) -> None:
    """Print measured lines, and append them with what is known of the machine to a file, if one is given."""
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")
    if results:
        with results.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line | known) + "\n" for line in lines)


def provenance(device: torch.device) -> dict[str, Any]:
    """Date, commit, versions, threads, device, and how busy the machine is (processes that ran or waited in the last minute)."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "vera": vera.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "kind": device.type,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
    }


def commit() -> str:
    """The checked-out commit, with a + where the sources that are measured differ from it; "unknown" outside a git checkout."""
    try:
        changed = _git("status", "--porcelain", "--", *MEASURED)
        return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor() -> str:
    """Name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
