"""What is left of the anonymization when more is preserved: mouth, nose, eyes, mouth and nose together, a drawn spot on a cheek.

python experiments/region_preservation/run.py --photos DIR --data NAME [--renderer exemplars] [--leave-out-donors] [--out DIR] [--limit N]
    [--shard 0/2] [--seed N] [--publish]
DIR holds PERSON_ROLE.jpg, before and after. With --publish, results.jsonl, results.md and distances.png are written beside this script,
those of the generator into the folder generator.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from drawn import Drawn

from vera.anonymization.interface import RENDERERS, embedded
from vera.anonymization.request import Options
from vera.data.by_role import by_role
from vera.distributed import parse_shard
from vera.evaluation.api import evaluate
from vera.evaluation.judges import dlib_judge, sface_judge
from vera.evaluation.protocol.items import Method
from vera.evaluation.report.publish import publish
from vera.types import Semantic

HERE = Path(__file__).parent
DRAWN = "drawn"
REGIONS = ("mouth", "nose", "eyes", "mouth+nose", DRAWN)
RECOGNISERS = ("dlib-resnet-128", "sface-128")
MOST_REFUSED = 0.15
"""The claim: share of people refused with any of the regions kept."""


def main() -> int:
    """Evaluate, check, publish; exit code 1 when a claim does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--data", required=True, help="what the photographs are, for the record")
    options.add_argument("--roles", default="neutral,smiling")
    options.add_argument("--renderer", choices=RENDERERS, default="exemplars")
    options.add_argument("--leave-out-donors", action="store_true", help="for the bank's donors: no row that a person went into is used")
    options.add_argument("--out", type=Path, default=Path("outputs/region_preservation"))
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--shard", help="NUMBER/COUNT: only make this share of the people, beside processes that make the others")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--publish", action="store_true", help="write the results beside this script")
    chosen = options.parse_args()
    people = list(itertools.islice(by_role(chosen.photos, chosen.roles.split(",")), chosen.limit))
    shared = {"renderer": chosen.renderer, "leave_out_donors": chosen.leave_out_donors, "seed": chosen.seed}
    records = evaluate(
        people,
        [preserving(region, **shared) for region in REGIONS],
        out=chosen.out,
        judges=[dlib_judge(), sface_judge()],
        config={"regions": REGIONS, "roles": chosen.roles, "limit": chosen.limit, **shared},
        tell=tell,
        shard=parse_shard(chosen.shard),
    )
    if chosen.shard:
        return 0
    print((chosen.out / "table.md").read_text())
    if chosen.publish:
        folder = HERE / "generator" if chosen.renderer == "generator" else HERE
        folder.mkdir(exist_ok=True)
        publish(chosen.out, folder, data=chosen.data, figures={f"distances-{RECOGNISERS[0]}.png": "distances.png"})
    failures = verdict({record["anonymizer"]: record for record in records})
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def preserving(region: str, *, renderer: str, leave_out_donors: bool, seed: int) -> Method:
    """Our anonymizer with one region kept; regions are joined by ``+``, and ``drawn`` is a mask."""
    classes = () if region == DRAWN else tuple(Semantic.named(name) for name in region.split("+"))
    ours = embedded(None, "cpu", Options(preserve=classes, seed=seed), renderer=renderer, leave_out_person=leave_out_donors)
    settings = {"region": region, "renderer": renderer, "leave_out_donors": leave_out_donors}
    return Method(region, Drawn(ours) if region == DRAWN else ours, settings)


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
        failures += [
            f"{name} recognises an output with {region} kept"
            for name in RECOGNISERS
            if record["measures"][f"recognition/{name}"]["nearest"]["recognised"]["own"]["share"]
        ]
        if counts["written"] < (1 - MOST_REFUSED) * counts["all"]:
            failures.append(f"more than {MOST_REFUSED:.0%} of the people refused with {region} kept")
    return failures


if __name__ == "__main__":
    sys.exit(main())
