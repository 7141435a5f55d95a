"""How much memory and time a manifest of a million rows takes until the first person is started: no photograph is there, no network loaded.

The driver of ``vera anonymize --workers`` runs in a process of its own, up to the first task of its engine. What a worker needs to load its
networks comes beside that, in processes of their own.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.photograph import PEAK
from benchmarks.provenance import ROOT, provenance, report

RESULTS = Path(__file__).with_name("manifest.jsonl")
GROUP = 100_000
"""Rows in a group of the second Parquet file: groups are what such a file is read by."""
PLAN = """
import contextlib, json, time
started = time.monotonic()
from vera.anonymization.request import Options
from vera.cli.archive import Archive, anonymize
from vera.cli.loading import AnonymizerLoader

class First(contextlib.AbstractContextManager):
    def __exit__(self, *what):
        pass
    def stop(self):
        pass
    def map(self, tasks):
        print(json.dumps({"seconds": round(time.monotonic() - started, 2), "cpu_seconds": round(time.process_time(), 2),
                          "peak_mib": round(peak() / 2**20), "first": tasks[0].person.id}))
        raise SystemExit
        yield

loader = AnonymizerLoader(Options(), "cpu", None, None, None, None, (), 0.001)
anonymize(Archive(Path(sys.argv[1]), Path(sys.argv[2]), loader, per_folder=1000), First())
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and publish if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the manifest, two for each person")
    parser.add_argument("--parquet", action="store_true", help="measure a Parquet file, too")
    parser.add_argument("--publish", action="store_true", help=f"append the lines to {RESULTS.name} beside this script")
    chosen = parser.parse_args(arguments)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        tables = [_table(Path(folder, "people.csv"), chosen.rows)]
        if chosen.parquet:
            tables += [_as_parquet(tables[0], group) for group in (None, GROUP)]
        for table in tables:
            command = [sys.executable, "-c", PEAK + PLAN, str(table), str(Path(folder, "out"))]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            facts = {"manifest": table.name, "rows": chosen.rows, "mib": round(table.stat().st_size / 2**20)}
            lines.append(facts | json.loads(done.stdout))
    known = provenance(torch.device("cpu"))
    report(lines, known, RESULTS if chosen.publish else None)


def _table(path: Path, rows: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["person", "role", "path"])
        for number in range(rows // 2):
            name, place = f"patient-{number:08d}", f"photographs/{number // 1000:05d}/{number:08d}"
            table.writerows([name, role, f"{place}-{role}.jpg"] for role in ("before", "after"))
    return path


def _as_parquet(table: Path, group: int | None) -> Path:
    """A table as a Parquet file with so many rows in a group; None for as many as pyarrow chooses."""
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    written = table.with_name(f"groups of {group:,} rows.parquet" if group else "one group.parquet")
    parquet.write_table(arrow_csv.read_csv(table), written, row_group_size=group)
    return written


if __name__ == "__main__":
    main()
