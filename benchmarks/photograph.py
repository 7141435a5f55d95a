"""How much memory a large photograph takes: reading it in each format, and anonymizing it with ``vera anonymize``.

Every measurement is a process of its own. Reading counts from after the imports. Anonymizing is measured twice, on a small and on a large
photograph of the same face in the same size: what start-up, networks and face need is in both, and the difference belongs to the
photograph's other pixels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("photograph.jsonl")
FACE = 1024
"""Side in pixels of the portrait (512 px, enlarged) inside the photograph."""
OPTIONS: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 92},
    "progressive.jpg": {"quality": 92, "progressive": True},
    "png": {"compress_level": 1},
    "tif": {},
    "webp": {"quality": 80, "method": 0},
}
"""Files that are read, by suffix, and how they are written."""

PEAK = """
import resource, sys
from pathlib import Path

def peak():
    status = Path("/proc/self/status")  # of this process alone: ru_maxrss begins with what the parent had
    if status.is_file():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""
DRAW = """
import json, sys
from PIL import Image
from skimage.data import astronaut

side, face, folder, options = json.loads(sys.argv[1])
image = Image.linear_gradient("L").resize((side, side)).convert("RGB")
image.paste(Image.fromarray(astronaut()).resize((face, face)), ((side - face) // 2, (side - face) // 2))
for suffix, how in options.items():
    image.save(f"{folder}/{side}.{suffix}", **how)
"""
READ = """
from vera.faces.photograph import read_photograph
before = peak()
read_photograph(Path(sys.argv[1]))
print(peak() - before)
"""
PILLOW = """
import numpy
from PIL import Image, ImageOps
import vera.faces.photograph
before = peak()
with Image.open(sys.argv[1]) as image:
    image.load()
    numpy.array(ImageOps.exif_transpose(image).convert("RGB"))
print(peak() - before)
"""
ANONYMIZE = """
from vera.cli import main
sys.argv = ["vera", "anonymize", sys.argv[1], "--out", sys.argv[2], "--seed", "8", "--person", "benchmark", *sys.argv[3:]]
try:
    main()
except SystemExit as left:
    if left.code:
        raise
print(peak())
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=50, help="of the large photograph")
    parser.add_argument("--reading-only", action="store_true", help="leave `vera anonymize` out")
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    side = round((chosen.megapixels * 1e6) ** 0.5)
    with tempfile.TemporaryDirectory() as folder:
        _python(DRAW, json.dumps([side, FACE, folder, OPTIONS]))
        lines = [_reading(Path(folder, f"{side}.{suffix}"), side**2) for suffix in OPTIONS]
        if not chosen.reading_only:
            _python(DRAW, json.dumps([FACE, FACE, folder, {"jpg": OPTIONS["jpg"]}]))
            lines.append(_anonymizing(Path(folder, f"{FACE}.jpg"), Path(folder, f"{side}.jpg"), side**2))
    known = provenance(torch.device("cpu"))
    report(lines, known, RESULTS if chosen.publish else None)


def _reading(file: Path, pixels: int) -> dict[str, Any]:
    ours, plain = (int(_python(PEAK + code, str(file))) for code in (READ, PILLOW))
    return {
        "measure": "reading",
        "file": file.name.partition(".")[2],
        "megapixels": round(pixels / 1e6, 1),
        "bytes_a_pixel": round(ours / pixels, 1),
        "pillow_bytes_a_pixel": round(plain / pixels, 1),
        "ratio": round(ours / plain, 2),
    }


def _anonymizing(small: Path, large: Path, pixels: int) -> dict[str, Any]:
    peaks = [int(_python(PEAK + ANONYMIZE, str(file), str(file.with_suffix(""))).split()[-1]) for file in (small, large)]
    return {
        "measure": "vera anonymize",
        "megapixels": round(pixels / 1e6, 1),
        "small_peak_bytes": peaks[0],
        "large_peak_bytes": peaks[1],
        "beyond_small_gib": round((peaks[1] - peaks[0]) / 2**30, 2),
        "bytes_a_pixel": round((peaks[1] - peaks[0]) / (pixels - FACE**2), 1),
    }


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
