"""Before and after photographs of one person: not matched to their sources, matched to each other, unlike other people's.

python experiments/paired_consistency/run.py --photos DIR --data NAME [--out DIR] [--limit N] [--pairs FILE --lfw DIR] [--publish]
DIR holds PERSON_ROLE.jpg, before and after. With --publish, results.jsonl, results.md and distances.png are written beside this script.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from vera.evaluation.report import read
from vera.evaluation.report_publish import publish

HERE = Path(__file__).parent
RESEEDED = 12
RECOGNISER, DETECTOR = "dlib-resnet-128", "dlib-hog-68"


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a written output misses a goal."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--out", type=Path, default=Path("outputs/paired"), help="shared with baselines: nothing is made twice")
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--pairs", type=Path, help="LFW's pairs.txt: what the recogniser's thresholds stand for")
    options.add_argument("--lfw", type=Path, help="LFW's folder, with --pairs")
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    where = [f"people.root={chosen.photos}", f"people.roles=[{chosen.roles}]", f"run.folder={chosen.out}"]
    where += [f"limit={chosen.limit}"] if chosen.limit else []
    where += [f"calibration.pairs={chosen.pairs}", f"calibration.root={chosen.lfw}"] if chosen.pairs else []
    asked = ["people=by_role", "preserve=[mouth]", "anonymizer=[vera,none]", f"diversity.people={RESEEDED}"]
    code = subprocess.run([sys.executable, "-m", "vera.cli", "evaluate", *asked, *where], check=False).returncode
    if code:
        return code
    if chosen.publish:
        publish(chosen.out, HERE, data=chosen.data, figures={f"distances-{RECOGNISER}.png": "distances.png"})
    (record, curves) = next(one for one in read(chosen.out) if one[0]["anonymizer"] == "vera")
    failures = verdict(record, curves.get(RECOGNISER, {}))
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def verdict(record: dict[str, Any], distances: dict[str, np.ndarray]) -> list[str]:
    """Which goals the written files miss."""
    counts, measures = record["people"], record["measures"]
    if not counts["written"]:
        return ["nobody was written"]
    recognition = measures[f"recognition/{RECOGNISER}"]
    threshold, between_seeds = recognition["thresholds"]["own"], recognition["diversity"]["mean_distance"]
    goals = {
        "a written output is recognised as its source": recognition["nearest"]["recognised"]["own"]["count"] > 0,
        "the two outputs of somebody do not match": bool((distances["anonymized_same"] >= threshold).any()),
        "a face is not found in a written output": measures[f"detection/{DETECTOR}"]["anonymized"]["share"] < 1,
        "a preserved region differs": measures["preservation"]["identical"]["share"] < 1,
        "a face is left as it was": measures["replacement"]["least"] < 0.9,
        "more than 20 % of people refused": counts["written"] < 0.8 * counts["all"],
        "one face for everybody: the median distance between different people's outputs is below the threshold": bool(
            len(distances["anonymized_different"]) and np.median(distances["anonymized_different"]) <= threshold
        ),
        "another seed gives much the same face": between_seeds is not None and between_seeds <= threshold,
    }
    return [goal for goal, missed in goals.items() if missed]


if __name__ == "__main__":
    sys.exit(main())
