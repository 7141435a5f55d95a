"""The table of measured figures in README.md, made from the results that the experiments stored.

python docs/measured.py           write the table
python docs/measured.py --check   exit code 1 if the table is not what the results say
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from docs.marked import settle_table  # noqa: E402


def stored(experiment: str) -> list[dict[str, Any]]:
    """The lines of an experiment's ``results.jsonl``."""
    text = (ROOT / "experiments" / experiment / "results.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def count(share: dict[str, Any]) -> str:
    """A share as counts, with its 95 % interval."""
    return f"{share['count']} of {share['of']} [{share['low']:.0%}, {share['high']:.0%}]"


def percent(share: dict[str, Any]) -> str:
    """A share in per cent, with its 95 % interval."""
    return f"{share['share']:.1%} [{share['low']:.0%}, {share['high']:.0%}]"


def pairs() -> list[tuple[str, str, str]]:
    """Rows of ``paired_consistency``: the default renderer, the mouth preserved."""
    (ours,) = [line for line in stored("paired_consistency") if line["anonymizer"] == "vera"]
    people, measures = ours["people"], ours["measures"]
    dlib, sface = (measures[f"recognition/{name}"] for name in ("dlib-resnet-128", "sface-128"))
    gallery = dlib["nearest"]["people_in_gallery"]

    def both(read: Any) -> str:
        return f"dlib {read(dlib)}, SFace {read(sface)}"

    rows = [
        ("photographs whose preserved region is bit-identical", count(measures["preservation"]["identical"])),
        ("people refused by the verification, nothing written", f"{people['refused']} of {people['all']}"),
        ("outputs in which a face is found", count(measures["detection/dlib-hog-68"]["anonymized"])),
        ("share of the remaining face's pixels that changed", f"{measures['replacement']['mean_share']:.1%}"),
        ("outputs recognised at FAR = 0.001 (both also choose the face)", both(lambda one: count(one["nearest"]["recognised"]["own"]))),
        (f"rank-1 identification among {gallery} people", both(lambda one: percent(one["nearest"]["rank_1"]))),
        ("equal error rate of outputs of one person against two people", both(lambda one: f"{one['pairs']['anonymized']['eer']:.1%}")),
    ]
    return [(what, figure, "paired_consistency") for what, figure in rows]


def regions() -> tuple[str, str, str]:
    """The row of ``region_preservation``: the default renderer, other regions."""
    lines = stored("region_preservation")
    ranks = [(line["anonymizer"], line["measures"]["recognition/dlib-resnet-128"]["nearest"]) for line in lines]
    figures = ", ".join(f"{name} {one['rank_1']['share']:.0%}" for name, one in ranks)
    people = ranks[0][1]["people_in_gallery"]
    return f"rank-1 identification among {people} people (dlib), by preserved region", figures, "region_preservation"


def recognisers() -> tuple[str, str, str]:
    """The row of ``recogniser_calibration``: true-accept rates on LFW, the latest line of each recogniser."""
    latest = {line["recogniser"]: line for line in stored("recogniser_calibration") if "at" in line}
    rates = {name: latest[name]["at"]["0.001"]["true_accept_rate"] for name in ("dlib-resnet-128", "sface-128")}
    figures = f"dlib {rates['dlib-resnet-128']:.3f}, SFace {rates['sface-128']:.3f}"
    return "TAR@FAR=0.001 of the recognisers on 400 people of LFW", figures, "recogniser_calibration"


def parsers() -> tuple[str, str, str]:
    """The row of ``parser``: mean IoU on held-out mosaics."""
    by_name = {line["parser"].partition("-")[0]: line["as they are"]["mean"] for line in stored("parser")}
    return "mean IoU of the parser on held-out mosaics", f"{by_name['bundle']:.3f} (landmark parser {by_name['landmarks']:.3f})", "parser"


def turns() -> tuple[str, str, str]:
    """The row of ``turned``: upright photographs found, sideways ones recognised as such."""
    (line,) = stored("turned")
    upright = line["angles"]["0"]["found"]
    sideways = [found.get("turned", 0) for angle, found in line["angles"].items() if 60 <= int(angle) <= 300]
    each = -(-line["photographs"] // line["every"])
    figures = f"{upright} of {line['photographs']}, {sum(sideways)} of {each * len(sideways)}"
    return "upright faces found; faces turned by 60° or more noticed", figures, "turned"


def table() -> str:
    """The table as Markdown."""
    rows = [*pairs(), regions(), recognisers(), parsers(), turns()]
    lines = [f"| {what} | {figure} | [`{where}`](experiments/{where}) |" for what, figure, where in rows]
    return "\n".join(["| figure | measured | experiment |", "|---|---|---|", *lines, ""])


def main() -> int:
    """Write or check the table."""
    return settle_table(ROOT / "README.md", "measured", table(), check="--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
