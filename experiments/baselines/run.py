"""The whole table: both renderers beside blur, pixelation, a black cover, k-Same and untouched photographs, with all attackers.

python experiments/baselines/run.py --photos DIR --data NAME [--leave-out-donors] [--out DIR] [--limit N] [--processes N] [--publish]
DIR holds PERSON_ROLE.jpg, before and after.
python experiments/baselines/run.py --lfw-people DIR --limit 100 --data NAME [...]
DIR is LFW's folder (PERSON/PERSON_0001.jpg); the results go to the folder lfw.
A run that was stopped goes on with the same command. With --publish, results.jsonl, results.md and figures are written beside this script.
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
OURS = ("vera", "generator")
OBSCURED = ("blur", "blur_light", "pixelate", "pixelate_fine", "mask")
METHODS = (*OURS, "blur", "pixelate", "mask", "ksame", "none")
RECOGNISER, DETECTOR = "dlib-resnet-128", "dlib-hog-68"
RESEEDED = 12
"""People who are anonymized again with another seed, for the attacker who has the software; an attack needs ten."""


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a claim does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--photos", type=Path, help="folder with PERSON_ROLE.jpg")
    source.add_argument("--lfw-people", type=Path, help="folder with PERSON/PERSON_0001.jpg")
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--leave-out-donors", action="store_true", help="for the bank's donors: no row that a person went into is used")
    options.add_argument("--iris", type=Path, help="iris_landmark.tflite: measures gaze, too")
    options.add_argument("--out", type=Path, default=Path("outputs/table"))
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--shard", help="NUMBER/COUNT: only make this share of the people, beside processes that make the others")
    options.add_argument("--processes", type=int, default=1, help="so many processes of this machine share the people, by torchrun")
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={chosen.processes}"] if chosen.processes > 1 else []
    code = subprocess.run([sys.executable, *torchrun, "-m", "vera.cli", "evaluate", *asked(chosen)], check=False).returncode
    if code or chosen.shard:
        return code
    figures = {f"{kind}-{RECOGNISER}.png": f"{kind}.png" for kind in ("distances", "roc")}
    if chosen.publish:
        folder = HERE / "lfw" if chosen.lfw_people else HERE
        folder.mkdir(exist_ok=True)
        publish(chosen.out, folder, data=chosen.data, figures=figures)
    records = [json.loads(line) for line in (chosen.out / "results.jsonl").read_text().splitlines()]
    failures = verdict({record["anonymizer"]: record for record in records})
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def asked(chosen: argparse.Namespace) -> list[str]:
    """The overrides of ``vera evaluate``."""
    if chosen.lfw_people:
        people = ["people=lfw", f"people.root={chosen.lfw_people}"]
    else:
        people = ["people=by_role", f"people.root={chosen.photos}", f"people.roles=[{chosen.roles}]"]
    wanted = [*people, "preserve=[mouth]", f"anonymizer=[{','.join(METHODS)}]", *LIGHTER, "judges=[dlib,sface]", "attack=all"]
    wanted += [f"diversity.people={RESEEDED}", f"run.folder={chosen.out}"]
    if chosen.leave_out_donors:
        wanted.append("anonymizer.vera.leave_out_donors=true")
    if chosen.iris:
        metrics = "preservation,replacement,appearance,attributes,gaze,utility,frechet_lite0,kernel_lite0"
        wanted += [f"metrics=[{metrics}]", f"files.iris={chosen.iris}"]
    return wanted + [f"{name}={value}" for name, value in (("limit", chosen.limit), ("shard", chosen.shard)) if value]


def verdict(records: dict[str, dict[str, Any]]) -> list[str]:
    """Which claims of README.md do not hold."""
    found = {name: record["measures"][f"detection/{DETECTOR}"]["anonymized"]["share"] for name, record in records.items()}
    nearest = {name: record["measures"][f"recognition/{RECOGNISER}"]["nearest"] for name, record in records.items()}
    same = {name: record["measures"]["preservation"]["identical"]["share"] for name, record in records.items()}
    failures = []
    if nearest["none"]["rank_1"]["share"] < found["none"] or records["none"]["measures"]["frechet_lite0"]["value"] > 1e-3:
        failures.append("untouched photographs are not recognised, or not at distance 0: the measures are wrong")
    for name in OBSCURED:
        chance = 1 / nearest[name]["people_in_gallery"]
        if found[name] > 0.5 and nearest[name]["rank_1"]["share"] < 3 * chance:
            failures.append(f"{name} keeps the face and hides the person")
    missed = [name for name in OURS if nearest[name]["recognised"]["own"]["share"] or found[name] != 1]
    failures += [f"{name} is recognised at the recogniser's own threshold, or has no face" for name in missed]
    failures += [f"{name} changes what it says it keeps" for name, share in same.items() if share != 1]
    return failures


if __name__ == "__main__":
    sys.exit(main())
