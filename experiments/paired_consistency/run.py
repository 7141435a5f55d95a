"""Before and after photographs of one person: not matched to their sources, matched to each other, unlike other people's.

python experiments/paired_consistency/run.py --photos DIR --data NAME [--renderers exemplars,generator] [--leave-out-donors]
    [--out DIR] [--limit N] [--shard 0/2] [--pairs FILE --lfw DIR] [--publish]
DIR holds PERSON_ROLE.jpg, before and after. With --publish, results.jsonl, results.md and distances.png are written beside this script.
python experiments/paired_consistency/run.py --lfw-people DIR --data NAME [--limit N] [...]
DIR is LFW's folder (PERSON/PERSON_0001.jpg): everyday photographs, of which more are refused; the results go to the folder lfw.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from vera.evaluation.report.publish import publish
from vera.evaluation.report.results import read

HERE = Path(__file__).parent
RESEEDED = 12
RECOGNISERS, DETECTOR = ("dlib-resnet-128", "sface-128"), "dlib-hog-68"
METHODS = {"exemplars": "vera", "generator": "generator"}
"""The anonymizer of ``conf/anonymizer`` for each renderer."""
MOST_REFUSED, MOST_RANK_1, MOST_EER = 0.08, 0.03, 0.03
"""The claims: people refused; outputs nearest to their own person, their very source left out; equal error rate of pairs."""


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a written output misses a goal."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--photos", type=Path, help="folder with PERSON_ROLE.jpg")
    source.add_argument("--lfw-people", type=Path, help="folder with PERSON/PERSON_0001.jpg")
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--renderers", default="exemplars", help="exemplars, generator or both; the first one is judged")
    options.add_argument("--leave-out-donors", action="store_true", help="for the bank's donors: no row that a person went into is used")
    options.add_argument("--out", type=Path, default=Path("outputs/paired"), help="what was finished there is not made again")
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--shard", help="NUMBER/COUNT: only make this share of the people, beside processes that make the others")
    options.add_argument("--pairs", type=Path, help="LFW's pairs.txt: what the recogniser's thresholds stand for")
    options.add_argument("--lfw", type=Path, help="LFW's folder, with --pairs")
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    people = ["people=lfw", f"people.root={chosen.lfw_people}"] if chosen.lfw_people else ["people=by_role", f"people.root={chosen.photos}"]
    where = [*people, f"run.folder={chosen.out}", *([] if chosen.lfw_people else [f"people.roles=[{chosen.roles}]"])]
    where += [f"limit={chosen.limit}"] if chosen.limit else []
    where += [f"calibration.pairs={chosen.pairs}", f"calibration.root={chosen.lfw}"] if chosen.pairs else []
    where += [f"shard={chosen.shard}"] if chosen.shard else []
    names = [METHODS[renderer] for renderer in chosen.renderers.split(",")]
    asked = ["preserve=[mouth]", "judges=[dlib,sface]", f"diversity.people={RESEEDED}"]
    asked += [f"anonymizer=[{','.join([*names, 'none'])}]"]
    asked += ["anonymizer.vera.leave_out_donors=true"] if chosen.leave_out_donors and "vera" in names else []
    code = subprocess.run([sys.executable, "-m", "vera.cli", "evaluate", *asked, *where], check=False).returncode
    if code or chosen.shard:
        return code
    if chosen.publish:
        figures = {f"distances-{RECOGNISERS[0]}.png": "distances.png", f"distances-{RECOGNISERS[1]}.png": "distances_sface.png"}
        folder = HERE / "lfw" if chosen.lfw_people else HERE
        folder.mkdir(exist_ok=True)
        publish(chosen.out, folder, data=chosen.data, figures=figures)
    (record, curves) = next(one for one in read(chosen.out) if one[0]["anonymizer"] == names[0])
    failures = verdict(record, curves, most_refused=1.0 if chosen.lfw_people else MOST_REFUSED)
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def verdict(record: dict[str, Any], curves: dict[str, dict[str, np.ndarray]], *, most_refused: float = MOST_REFUSED) -> list[str]:
    """Which goals the written files miss."""
    counts, measures = record["people"], record["measures"]
    if not counts["written"]:
        return ["nobody was written"]
    goals = {
        "a face is not found in a written output": measures[f"detection/{DETECTOR}"]["anonymized"]["share"] < 1,
        "a preserved region differs": measures["preservation"]["identical"]["share"] < 1,
        "a face is left as it was": measures["replacement"]["least"] < 0.9,
        f"more than {most_refused:.0%} of people refused": counts["written"] < (1 - most_refused) * counts["all"],
        "the anonymizer failed by a fault": counts["failed"] > 0,
    }
    failures = [goal for goal, missed in goals.items() if missed]
    return failures + [f"{name}: {goal}" for name in RECOGNISERS for goal in recognised(measures[f"recognition/{name}"], curves[name])]


def recognised(figures: dict[str, Any], distances: dict[str, np.ndarray]) -> list[str]:
    """Which goals are missed by one recogniser; its own threshold is the one calibrated at a false-accept rate of 0.001."""
    threshold, between_seeds = figures["thresholds"]["own"], figures["diversity"]["mean_distance"]
    rank_1 = figures["others"]["rank_1"]["share"] or 0
    error, different = figures["pairs"]["anonymized"]["eer"], distances["anonymized_different"]
    goals = {
        "a written output is recognised as its source": figures["nearest"]["recognised"]["own"]["count"] > 0,
        f"more than {MOST_RANK_1:.0%} of outputs are nearest to their own person": rank_1 > MOST_RANK_1,
        f"the equal error rate of pairs is above {MOST_EER:.0%}": error is not None and error > MOST_EER,
        "the two outputs of somebody do not match": bool((distances["anonymized_same"] >= threshold).any()),
        "one face for everybody: the median distance between different people's outputs is below the threshold": bool(
            len(different) and np.median(different) <= threshold
        ),
        "another seed gives much the same face": between_seeds is not None and between_seeds <= threshold,
    }
    return [goal for goal, missed in goals.items() if missed]


if __name__ == "__main__":
    sys.exit(main())
