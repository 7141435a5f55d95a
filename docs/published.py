"""The table of published figures of other tools in docs/peers.md, made from docs/published.csv.

python docs/published.py           write the table
python docs/published.py --check   exit code 1 if the table is not what the file says
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [] if str(HERE.parent) in sys.path else [str(HERE.parent)]

from docs.marked import settle_table  # noqa: E402

from vera.evaluation.report.table import markdown_table  # noqa: E402

QUOTED, PAGE = HERE / "published.csv", HERE / "peers.md"
COLUMNS = ("tool", "figure", "value", "on", "said_in", "page")


def table() -> str:
    """The table as Markdown, a line for each figure with its source."""
    with QUOTED.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows, 2):
        missing = [name for name in COLUMNS if not (row.get(name) or "").strip()]
        assert not missing, f"{QUOTED.name}, line {number}: no {missing[0]}; a figure is quoted with its source or not at all"
        assert row["page"].startswith("https://"), f"{QUOTED.name}, line {number}: '{row['page']}' is no address"
    lines = [[row["tool"], row["figure"], row["value"], row["on"], f"[{row['said_in']}]({row['page']})"] for row in rows]
    return markdown_table([["tool", "figure", "published", "on", "source"], ["---"] * 5, *lines])


def main() -> int:
    """Write or check the table."""
    return settle_table(PAGE, "published", table(), check="--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
