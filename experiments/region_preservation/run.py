"""What is left of the anonymization when more is preserved: mouth, nose, eyes, mouth and nose together.

python experiments/region_preservation/run.py --photos DIR --data NAME [--out DIR] [--limit N] [--seed N] [--publish]
DIR holds PERSON_ROLE.jpg, before and after. With --publish, results.jsonl, results.md and distances.png are written beside this script.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from vera.anonymization.interface import embedded
from vera.anonymization.request import Options
from vera.data.by_role import by_role
from vera.evaluation.interface import evaluate
from vera.evaluation.protocol_items import Contestant
from vera.evaluation.report_publish import publish
from vera.types import Semantic

HERE = Path(__file__).parent
BOUNDED = ("mouth", "nose", "eyes")
REGIONS = (*BOUNDED, "mouth+nose")
RECOGNISER = "dlib-resnet-128"


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a claim does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--out", type=Path, default=Path("outputs/region_preservation"))
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    people = list(itertools.islice(by_role(chosen.photos, chosen.roles.split(",")), chosen.limit))
    settings = {"regions": REGIONS, "seed": chosen.seed, "roles": chosen.roles, "limit": chosen.limit}
    records = evaluate(people, [preserving(region, chosen.seed) for region in REGIONS], out=chosen.out, config=settings, tell=tell)
    print((chosen.out / "table.md").read_text())
    if chosen.publish:
        publish(chosen.out, HERE, data=chosen.data, figures={f"distances-{RECOGNISER}.png": "distances.png"})
    failures = verdict({record["anonymizer"]: record for record in records})
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def preserving(region: str, seed: int) -> Contestant:
    """Our anonymizer with one region kept; regions are joined by ``+``."""
    classes = tuple(Semantic.named(name) for name in region.split("+"))
    return Contestant(region, embedded(None, "cpu", Options(preserve=classes, seed=seed)))


def tell(what: str, done: int, total: int) -> None:
    """One line an item."""
    print(f"{done}/{total} {what}", flush=True)


def verdict(records: dict[str, dict[str, Any]]) -> list[str]:
    """Which claims of README.md do not hold."""
    failures = []
    for region, record in records.items():
        counts, kept = record["people"], record["measures"]["preservation"]
        if counts["written"] and (kept["identical"]["share"] != 1 or kept["without_region"]):
            failures.append(f"{region} is not kept bit for bit")
        if record["measures"][f"recognition/{RECOGNISER}"]["nearest"]["recognised"]["own"]["share"]:
            failures.append(f"an output with {region} kept is recognised")
        if region in BOUNDED and counts["written"] < 0.8 * counts["all"]:
            failures.append(f"more than a fifth of the people refused with {region} kept")
    return failures


if __name__ == "__main__":
    sys.exit(main())
