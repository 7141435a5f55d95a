"""The outcome of a paired_consistency run for each sex, origin and age group; see README.md beside this file.

python experiments/paired_consistency/groups.py --run DIR --people people.csv [--publish]
DIR is what run.py wrote (--out there). people.csv has the column person, and any of sex (or gender), ethnicity, age and other groups. With
--publish, groups.jsonl and groups.md are written beside this script.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from vera.evaluation.protocol.results import rounded
from vera.evaluation.report.groups import LEAST, Judged, by_group, markdown
from vera.evaluation.report.results import read
from vera.files import write_into_run

HERE = Path(__file__).parent
JUDGED = Judged("dlib-hog-68", "dlib-resnet-128", "euclidean")
AGES = ((25, "under 25"), (35, "25 to 34"), (200, "35 and older"))
"""DECISION: bands that hold a fair share each of a group of students and young adults."""
NOT_STATED = {"", "na", "n/a", "?", "unknown"}
NOTE = f"""Shares have 95 % intervals, which take photographs for independent cases. Groups of fewer than {LEAST} people are put together as
"others". Recognised: nearer to the own person than {JUDGED.recogniser}'s own threshold; the tool itself refuses such an output, so look at
the refused. Rank 1: the own person is the nearest of everybody."""


def main() -> int:
    """Read, print, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("outputs/paired"))
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--publish", action="store_true")
    chosen = parser.parse_args()
    rows = by_group(chosen.run, labels(chosen.people), anonymizer="vera", judged=JUDGED)
    bundle = next(record for record, _ in read(chosen.run) if record["anonymizer"] == "vera")["made_by"]["bundle"]
    page = f"# By group\n\nBundle {bundle[:16]}.\n\n{markdown(rows)}\n{NOTE}\n"
    print(page)
    if chosen.publish:
        lines = "".join(json.dumps(rounded({"bundle": bundle[:16], **row})) + "\n" for row in rows)
        write_into_run(HERE / "groups.jsonl", lines.encode())
        write_into_run(HERE / "groups.md", page.encode())
    return 0


def labels(table: Path) -> dict[str, dict[str, str]]:
    """Each person's groups; the age as a band. What is not stated is left out."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        own = {column: cell.strip() for column, cell in row.items() if column not in ("person", "role", "path")}
        own = {column: cell for column, cell in own.items() if cell.lower() not in NOT_STATED}
        if "age" in own:
            own["age"] = next(name for limit, name in AGES if float(own["age"]) < limit)
        found.setdefault(row["person"], {}).update(own)
    return found


if __name__ == "__main__":
    sys.exit(main())
