"""Publish a run's results: figures and provenance, without local paths or names."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vera.evaluation.report.results import RESULTS, page, read
from vera.files import PATH_IN_TEXT, write_into_run
from vera.types import VeraError
from vera.untrusted import read_bytes

PAGE = "results.md"
LOCAL = ("people", "run", "calibration", "out")
"""Parts of a configuration that name folders of one machine."""
FIGURE = 1 << 26
"""DECISION: bytes of a figure."""
LEFT_OUT = " (a path)"


def publish(run: Path, folder: Path, *, data: str, figures: Mapping[str, str]) -> list[dict[str, Any]]:
    """Copy a finished run's results to where they are kept; what was there is replaced.

    Args:
        run: folder of the finished run.
        folder: folder of the experiment, for ``results.jsonl``, the table as ``results.md``, and the figures.
        data: description of the photographs, in place of their folders.
        figures: the run's pictures and the names they get; panels show people and are refused.

    Returns:
        The published lines.

    Raises:
        VeraError: the run has not finished, or a figure is missing or shows people.

    """
    absent = [name for name in figures if not (run / name).is_file()]
    if absent or "panels.png" in figures:
        raise VeraError(f"'{run}' has no figure {absent[0]}" if absent else "panels.png shows photographs of people: leave it out")
    records = [_publishable(record, data) for record, _ in read(run)]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_into_run(folder / RESULTS, lines.encode())
    write_into_run(folder / PAGE, page(records, [record["anonymizer"] for record in records]).encode())
    for name, target in figures.items():
        write_into_run(folder / target, read_bytes(run / name, limit=FIGURE, what=f"the figure '{run / name}'"))
    return records


def _publishable(record: Mapping[str, Any], data: str) -> dict[str, Any]:
    sessions: dict[str, Any] = {"provenance": [_impersonal(session) for session in record["provenance"]]}
    if "measured_by" in record:
        sessions["measured_by"] = _impersonal(record["measured_by"])
    kept = {"date": datetime.date.today().isoformat(), **record, "data": {"name": data, **record["data"]}, **sessions}
    return {key: _without_paths(value) for key, value in kept.items()}


def _impersonal(session: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in session["config"].items() if key not in LOCAL}
    return {key: value for key, value in session.items() if key not in ("command", "at", "kind", "start")} | {"config": config}


def _without_paths(value: Any) -> Any:
    """Plain values with a mark in place of every absolute path: of weights, of a bundle, in a reason."""
    if isinstance(value, Mapping):
        return {_without_paths(key): _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return re.sub(PATH_IN_TEXT, LEFT_OUT, value).strip() if isinstance(value, str) else value
