"""Results as a repository keeps them: figures and where they come from, without anybody's paths or names."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vera.evaluation.protocol_ledger import write_whole
from vera.evaluation.report import RESULTS, TABLE, read
from vera.types import VeraError

PAGE = "results.md"
LOCAL = ("people", "run", "calibration", "out")
"""Parts of a configuration that name folders of one machine."""


def publish(run: Path, folder: Path, *, data: str, figures: Mapping[str, str]) -> list[dict[str, Any]]:
    """Copy a finished run's results to where they are kept; what was there is replaced.

    Args:
        run: the run's folder.
        folder: of an experiment: gets ``results.jsonl``, the table as ``results.md``, and the figures.
        data: what the photographs are, in place of the folders they lie in.
        figures: the run's pictures and the names they get; panels show people and are refused.

    Returns:
        The published lines.

    Raises:
        VeraError: the run has not finished, or a figure is missing or shows people.

    """
    absent = [name for name in figures if not (run / name).is_file()]
    if absent or "panels.png" in figures:
        raise VeraError(f"'{run}' has no figure {absent[0]}" if absent else "panels.png shows photographs of people: leave it out")
    records = [
        {"date": datetime.date.today().isoformat(), **record}
        | {"data": {"name": data, **record["data"]}, "provenance": [_impersonal(session) for session in record["provenance"]]}
        | {"measured_by": _impersonal(record["measured_by"]) if "measured_by" in record else None}
        for record, _ in read(run)
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_whole(folder / RESULTS, lines.encode())
    for name, target in {TABLE: PAGE, **figures}.items():
        shutil.copyfile(run / name, folder / target)
    return records


def _impersonal(session: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in session["config"].items() if key not in LOCAL}
    return {key: value for key, value in session.items() if key not in ("command", "at", "kind")} | {"config": config}
