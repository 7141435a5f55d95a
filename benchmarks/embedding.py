"""Seconds of dlib's recognition network: computed by PyTorch as VerA does, as a ratio to dlib's own computation, on one thread."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.provenance import provenance, report
from vera.faces.detection import dlib_weights, load_dlib
from vera.faces.dlib_resnet import DlibResNet
from vera.faces.recognition import CHIP

RESULTS = Path(__file__).with_name("embedding.jsonl")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--publish", action="store_true", help=f"append the line to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    weights = dlib_weights("dlib_face_recognition_resnet_model_v1.dat")
    theirs = load_dlib().face_recognition_model_v1(str(weights)).compute_face_descriptor
    ours = DlibResNet(weights).embed
    chip = np.random.default_rng(0).integers(0, 256, (CHIP, CHIP, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {"vera": [], "dlib": []}
    for _ in range(chosen.repeats + 1):
        seconds["vera"].append(_seconds(lambda: ours(chip)))
        seconds["dlib"].append(_seconds(lambda: theirs(chip)))
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}  # the first call warms up
    line = {
        "summary": "an embedding by PyTorch over one by dlib",
        "seconds": round(medians["vera"] / medians["dlib"], 3),
        "vera_seconds": round(medians["vera"], 4),
        "dlib_seconds": round(medians["dlib"], 4),
    }
    report([line], provenance(torch.device("cpu")), RESULTS if chosen.publish else None)


def _seconds(call: Callable[[], object]) -> float:
    """Seconds on the clock of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
