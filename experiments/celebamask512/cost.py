"""What the published training at 512 px will cost, from a measured iteration and stated assumptions.

python experiments/celebamask512/cost.py [--tflops T] [--publish]
Reads the last 512 px iteration in benchmarks/results.jsonl (python -m benchmarks.generator --size 512 --publish).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hydra import compose, initialize_config_module

HERE = Path(__file__).parent
MEASURED = HERE.parents[1] / "benchmarks" / "results.jsonl"
ASSUMED_TFLOPS = 19.5
"""Assumption: a GPU's float32 matrix products, in 10^12 operations a second; this is an A100's, by its data sheet."""


def main() -> int:
    """Compute and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=ASSUMED_TFLOPS, help=f"of one GPU, on matrix products (default {ASSUMED_TFLOPS})")
    parser.add_argument("--publish", action="store_true", help="append the result to results.jsonl beside this script")
    chosen = parser.parse_args()
    with initialize_config_module("vera.conf", version_base="1.3"):
        run = compose("train", ["experiment=celebamask512", "data.root=unused", "run.folder=unused"])
    size, gpus = run.generator.size, run.trainer.devices

    lines = [json.loads(line) for line in MEASURED.read_text().splitlines()]
    ours = [line for line in lines if line["measure"] == "training iteration" and line["network"] == "vera" and line["size"] == size]
    if not ours:
        parser.error(f"{MEASURED} holds no iteration at {size} px: python -m benchmarks.generator --size {size} --publish")
    iteration = ours[-1]
    same_run = [line for line in lines if line["measure"] == "matrix product" and line["date"] == iteration["date"]]
    # On a CPU the process's own seconds count: the machine may have done other things as well.
    of_the_device = iteration["cpu_seconds"] / iteration["threads"] if iteration["kind"] == "cpu" else iteration["seconds"]
    operations, seconds = (number / iteration["batch"] for number in (iteration["flops"], of_the_device))
    share = operations / seconds / same_run[-1]["flops_per_second"]
    hours = run.images * operations / (gpus * chosen.tflops * 1e12 * share) / 3600
    result = {
        "images": run.images,
        "steps": run.images // run.batch_size,
        "operations_per_image": round(operations),
        "measured_on": {name: iteration[name] for name in ("device", "threads", "precision", "torch", "commit", "date")},
        "share_of_matrix_product": round(share, 3),
        "assumed": {"gpus": gpus, "tflops_of_a_gpu": chosen.tflops, "share_of_matrix_product": "as measured", "scaling": "linear"},
        "hours": round(hours, 1),
        "gpu_hours": round(gpus * hours, 1),
        "years_on_the_measured_machine": round(run.images * seconds / 3600 / 24 / 365, 2),
    }
    sys.stdout.write("\n".join(f"{name:30} {value}" for name, value in result.items()) + "\n")
    if chosen.publish:
        with (HERE / "results.jsonl").open("a") as stream:
            stream.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
