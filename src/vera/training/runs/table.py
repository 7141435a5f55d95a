"""The table of an ablation: one line for each run of a sweep, with its varied settings and measures, and means over seeds."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vera.evaluation.report.table import markdown_table
from vera.files import write_into_run
from vera.training.runs.folder import Run, read_runs
from vera.types import VeraError

SEED = "seed"
HIDDEN = ("gradient", "memory", "speed", "lr", "epoch", "step")
"""Measures, by what stands before their slash, that the page leaves out unless they are asked for: they say how a run went."""
Line = dict[str, Any]


def compare(sweeps: Sequence[Path], folder: Path | None, *, measures: Sequence[str] = ()) -> str:
    """The runs of one sweep or several in one table.

    Args:
        sweeps: folders of Hydra multiruns, one or more.
        folder: folder for ``table.md``, ``table.csv``, ``table.json`` (with every measure) and, where seeds differ,
            ``seeds.csv``; None writes nothing.
        measures: the page's columns; none for all but those in :data:`HIDDEN`.

    Returns:
        The page.

    Raises:
        VeraError: a folder holds no runs, a run's record is damaged, or no run logged a measure that is asked for.

    """
    runs = [run for sweep in sweeps for run in read_runs(sweep)]
    axes = varied(runs)
    runs.sort(key=lambda run: [natural(run.overrides.get(axis, "")) for axis in axes])
    known = sorted({name for run in runs for name in run.measures})
    missing = [name for name in measures if name not in known]
    if missing:
        raise VeraError(f"no run logged {', '.join(missing)}: choose from {', '.join(known) or 'nothing, none has logged anything yet'}")
    shown = list(measures) or [name for name in known if name.split("/")[0] not in HIDDEN]
    lines, seeds = each(runs, axes, known), over_seeds(runs, axes, known)
    page = _page(runs, lines, seeds, axes, shown)
    if folder:
        write_into_run(folder / "table.md", page.encode())
        write_into_run(folder / "table.csv", comma_separated(lines).encode())
        write_into_run(folder / "table.json", (json.dumps({"runs": lines, "over_seeds": seeds}, indent=1) + "\n").encode())
        if seeds:
            write_into_run(folder / "seeds.csv", comma_separated(seeds).encode())
    return page


def varied(runs: Sequence[Run]) -> list[str]:
    """Overrides that are not the same in all runs, in the order in which they were given."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides)
    return [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]


def natural(value: str) -> tuple[float, str]:
    """A key for sorting: numbers by their size, before words."""
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value


def each(runs: Sequence[Run], axes: Sequence[str], measures: Sequence[str]) -> list[Line]:
    """One line a run: its axes, its state, and every measure it has."""
    return [
        {axis: run.overrides.get(axis, "") for axis in axes}
        | {"state": run.state, "images": run.images}
        | {name: run.measures.get(name) for name in measures}
        | {"folder": run.folder}
        for run in runs
    ]


def over_seeds(runs: Sequence[Run], axes: Sequence[str], measures: Sequence[str]) -> list[Line]:
    """One line for what differs in its seed only: mean and sample standard deviation of the finished runs; none without other seeds."""
    if SEED not in axes:
        return []
    others = [axis for axis in axes if axis != SEED]
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run.overrides.get(axis, "") for axis in others), []).append(run)
    lines = []
    for values, members in groups.items():
        finished = [run for run in members if run.state == "finished"]
        line: Line = dict(zip(others, values, strict=True)) | {"seeds": len(finished), "of": len(members)}
        for name in measures:
            found = [value for run in finished if (value := run.measures.get(name)) is not None]
            line[name] = statistics.fmean(found) if found else None
            line[f"{name}: deviation"] = statistics.stdev(found) if len(found) > 1 else None
        lines.append(line)
    return lines


def comma_separated(lines: Sequence[Line]) -> str:
    """Lines as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _page(runs: Sequence[Run], lines: Sequence[Line], seeds: Sequence[Line], axes: Sequence[str], shown: Sequence[str]) -> str:
    columns = [*(axes or ["folder"]), "state", "images", *shown]
    parts = [markdown_table([columns, ["---"] * len(columns), *([_cell(line[column]) for column in columns] for line in lines)])]
    counts = {state: sum(run.state == state for run in runs) for state in ("finished", "unfinished", "failed")}
    parts.append(", ".join(f"{count} {state}" for state, count in counts.items() if count) + "; the last logged value of each measure.\n")
    failed = [f"- {run.folder}: {run.why}\n" for run in runs if run.state == "failed"]
    if failed:
        parts.append("Failed:\n\n" + "".join(failed))
    if seeds:
        columns = [*(axis for axis in axes if axis != SEED), "seeds", *shown]
        parts.append("Mean ± standard deviation over the seeds of finished runs:\n")
        rows = [[_over_seeds(line, column) for column in columns] for line in seeds]
        parts.append(markdown_table([columns, ["---"] * len(columns), *rows]))
    return "\n".join(parts)


def _over_seeds(line: Mapping[str, Any], column: str) -> str:
    if column == "seeds":
        return f"{line['seeds']} of {line['of']}"
    spread = line.get(f"{column}: deviation")
    return _cell(line[column]) + (f" ± {spread:.2g}" if spread is not None else "")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
