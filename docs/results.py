"""The page of all measured results, made from what the experiments stored.

python docs/results.py           write docs/results.md
python docs/results.py --check   exit code 1 if the page is not what the results say
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vera.evaluation.report.table import cell, markdown, markdown_table, notes

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
ABOUT = """# Results

Every figure that the experiments stored, made by `python docs/results.py` from their `results*.jsonl`. Each experiment's page says what
was measured, how, and what would contradict it. Published figures of other tools are not here: [Peers](peers.md). A result belongs to the
commit that measured it; what ships now may differ until it is measured again. Results of bundles that are gone leave the tree.
"""
LEFT_OUT = ("versions", "provenance", "measured_by", "config", "made_by", "sessions")
"""Parts of a line that are no figures."""
EQUAL = {"bf07ca762b377978": "default before its axes of refinement were added, all other tensors equal"}
"""Bundles that do not ship, and to which shipped one their networks are equal."""
SIDE = 6
"""Lines up to this number stand beside each other, one column each."""


def stored(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def section(path: Path) -> str:
    """One file of results as a part of the page."""
    lines, home = stored(path), next(folder for folder in path.parents if (folder / "README.md").is_file())
    title = re.search(r"^# (.+)$", (home / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert title, f"{home}/README.md has no title"
    file = path.relative_to(home).as_posix()
    where = f"[`{home.name}`](../experiments/{home.name})" + ("" if file == "results.jsonl" else f", {file}")
    parts = [f"## {title[1]}", " ".join([f"{where}. {measured(lines)}", *bundles(lines)])]
    if all("measures" in line for line in lines):
        names = [line["anonymizer"] for line in lines]
        parts += [markdown(lines, names), notes(lines, names)]
    else:
        parts += list(plain_tables(lines))
    return "\n\n".join(part.strip() for part in parts)


def measured(lines: Sequence[Mapping[str, Any]]) -> str:
    """Dates and commits of the measurements, as far as they are recorded."""
    evaluated = [line for line in lines if "measures" in line]
    sessions = [session for line in evaluated for session in (*line["provenance"], line.get("measured_by")) if session]
    dates = sorted({line["date"][:10] for line in lines if "date" in line})
    commits = sorted({session["git"]["commit"][:9] + ("+" if session["git"]["changed"] else "") for session in sessions if session["git"]})
    when = f"Measured {', '.join(dates)}" if dates else "The date was not recorded"
    return when + (f", by commit {', '.join(commits)} (+: with changes)." if commits else ".")


def bundles(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sentences on the bundles that were measured: which of them ship, and which do not."""
    shipped = {json.loads(path.read_text())["digest"][:16]: path.parent.name for path in (ROOT / "src/vera/assets").glob("*/bundle.json")}
    used = [line.get("bundle") or line.get("made_by", {}).get("bundle") for line in lines]
    for digest in sorted({str(one)[:16] for one in used if one}):
        name = f"the shipped {shipped[digest]}" if digest in shipped else EQUAL.get(digest, "no longer shipped")
        yield f"Bundle `{digest}`: {name}."


def plain_tables(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Tables of lines with equal keys: what they share as a sentence, the rest in rows."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for line in lines:
        figures = dict(flat(line))
        groups.setdefault(tuple(figures), []).append(figures)
    for keys, group in groups.items():
        same = [key for key in keys if len(group) > 1 and len({one[key] for one in group}) == 1]
        if same:
            yield "; ".join(f"{key}: {group[0][key]}" for key in same) + "."
        varied = [key for key in keys if key not in same]
        if len(group) <= SIDE:
            rows = [["", *(str(number) for number in range(1, len(group) + 1))], ["---", *["---:"] * len(group)]]
            yield markdown_table([*rows, *([key, *(one[key] for one in group)] for key in varied)])
        else:
            rows = [varied, ["---:"] * len(varied)]
            yield markdown_table([*rows, *([one[key] for key in varied] for one in group)])


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Figures of nested values with their paths; a share with its interval is one."""
    if isinstance(value, Mapping) and {"share", "low", "high"} <= set(value):
        yield path, cell(value) if value["share"] is not None else ""
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if key not in LEFT_OUT and key != "date":
                yield from flat(part, f"{path}, {key}" if path else key)
    elif isinstance(value, list):
        yield path, " ".join(cell(part) if not isinstance(part, (list, dict)) else "..." for part in value).replace("|", "/")
    else:
        yield path, ("" if value is None else "yes" if value is True else "no" if value is False else cell(value)).replace("|", "/")


def page() -> str:
    """The whole page."""
    return "\n\n".join([ABOUT.strip(), *map(section, sorted((ROOT / "experiments").glob("**/results*.jsonl")))]) + "\n"


def main() -> int:
    """Write or check the page."""
    made = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.is_file() or made != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
