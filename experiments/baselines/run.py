"""Ours beside blur, pixelation, a black cover and k-Same, on the same photographs, in the same run.

python experiments/baselines/run.py --photos DIR --data NAME [--out DIR] [--limit N] [--publish]
DIR holds PERSON_ROLE.jpg, before and after. With --publish, results.jsonl, results.md and the figures are written beside this script.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from vera.evaluation.report.publish import publish

HERE = Path(__file__).parent
OBSCURING = "_target_: vera.evaluation.baselines.obscuring"
SHARED = "detector: null, parser: null, preserve: null"
LIGHTER = (
    f"+anonymizer.blur_light={{{OBSCURING}.Blur, width: 0.1, {SHARED}}}",
    f"+anonymizer.pixelate_fine={{{OBSCURING}.Pixelate, blocks: 16, {SHARED}}}",
)
"""Beside the defaults, which hide the face whole: what is often used, and leaves more to see."""
BASELINES = ("blur", "blur_light", "pixelate", "pixelate_fine", "mask")
RECOGNISER, DETECTOR = "dlib-resnet-128", "dlib-hog-68"


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a claim does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--out", type=Path, default=Path("outputs/paired"), help="shared with paired_consistency: nothing is made twice")
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    where = [f"people.root={chosen.photos}", f"people.roles=[{chosen.roles}]", f"run.folder={chosen.out}"]
    where += [f"limit={chosen.limit}"] if chosen.limit else []
    command = [sys.executable, "-m", "vera.cli", "evaluate", "people=by_role", "preserve=[mouth]", *LIGHTER, *where]
    code = subprocess.run(command, check=False).returncode
    if code:
        return code
    figures = {f"{kind}-{RECOGNISER}.png": f"{kind}.png" for kind in ("distances", "roc")}
    if chosen.publish:
        publish(chosen.out, HERE, data=chosen.data, figures=figures)
    records = [json.loads(line) for line in (chosen.out / "results.jsonl").read_text().splitlines()]
    failures = verdict({record["anonymizer"]: record for record in records})
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def verdict(records: dict[str, dict[str, Any]]) -> list[str]:
    """Which claims of README.md do not hold."""
    found = {name: record["measures"][f"detection/{DETECTOR}"]["anonymized"]["share"] for name, record in records.items()}
    nearest = {name: record["measures"][f"recognition/{RECOGNISER}"]["nearest"] for name, record in records.items()}
    same = {name: record["measures"]["preservation"]["identical"]["share"] for name, record in records.items()}
    failures = []
    if nearest["none"]["rank_1"]["share"] != 1 or records["none"]["measures"]["frechet_lite0"]["value"] > 1e-3:
        failures.append("untouched photographs are not recognised, or not at distance 0: the measures are wrong")
    for name in BASELINES:
        chance = 1 / nearest[name]["people_in_gallery"]
        if found[name] > 0.5 and nearest[name]["rank_1"]["share"] < 3 * chance:
            failures.append(f"{name} keeps the face and hides the person")
    if nearest["vera"]["recognised"]["own"]["share"] or found["vera"] != 1:
        failures.append("ours is recognised at the recogniser's own threshold, or has no face")
    failures += [f"{name} changes what it says it keeps" for name, share in same.items() if share != 1]
    return failures


if __name__ == "__main__":
    sys.exit(main())
