"""The fairness table: gaps between groups, skin tone as a group, and what a run writes."""

import csv

import numpy as np
import pytest
from tests.unit.evaluation.protocol_parts import Detector, Recogniser, Same, people

from vera.evaluation.api import evaluate
from vera.evaluation.judges import Judge
from vera.evaluation.metrics.base import share
from vera.evaluation.protocol import results as scores
from vera.evaluation.report import results as report
from vera.evaluation.report.groups import FairnessTable, difference


def row(column, group, rank_1):
    return {"column": column, "group": group, "people": 9, "found": None, "recognised": None, "rank_1": rank_1, "pairs_match": None}


def test_a_difference_has_newcombes_interval():
    found = difference(share([True] * 56 + [False] * 14), share([True] * 48 + [False] * 32))
    assert (found["difference"], found["low"], found["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)  # his example (a)


def test_the_gap_is_between_the_farthest_groups_and_small_ones_do_not_count():
    shares = {"a": share([True] * 9 + [False]), "b": share([True] * 2 + [False] * 18), "c": share([True, False]), "others": share([True])}
    table = FairnessTable("blur, r", [row("sex", name, one) for name, one in shares.items()])
    (gap,) = table.gaps()
    assert (gap["column"], gap["figure"], gap["most"], gap["least"]) == ("sex", "rank_1", "a", "b")
    assert gap["low"] > 0
    assert FairnessTable("blur, r", [row("sex", "a", shares["a"])]).gaps() == []
    assert FairnessTable("blur, r", [], "no face").markdown() == "## blur, r\n\nNot measured: no face\n"


def test_a_run_writes_the_table_for_columns_with_two_large_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "draw", lambda *arguments: [])
    monkeypatch.setattr(scores, "skin_tone", lambda pixels, marks: "light")  # one group: no column
    known = people(tmp_path / "in", 11)
    judges = [Judge(Detector(), Recogniser(), "euclidean")]
    out = tmp_path / "out"
    (record,) = evaluate(known, {"same": Same()}, out=out, judges=judges, measures=[], panels=0, group_by="half", attack="naive")
    assert record["measures"]["recognition/grid"]["nearest"]["groups"]["odd"]["rank_1"]["people"] == 5
    assert record["measures"]["attack/naive/grid"]["rank_1"]["share"] == 1
    assert record["recognisers_of_the_search"] == []
    text = (out / "fairness.md").read_text()
    assert "## same, grid" in text
    assert "| half: even | 6 | 6 | 0 |" in text
    assert "skin_tone: " not in text
    assert "rank 1 by half: none" in text
    with (out / "fairness.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["group"], float(line["rank_1"])) for line in lines] == [("everybody", 1), ("even", 1), ("odd", 1)]
    assert np.isfinite(float(lines[1]["rank_1_low"]))


def test_figures_are_split_by_measured_skin_tone(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "draw", lambda *arguments: [])
    known = people(tmp_path / "in", 2)
    judges = [Judge(Detector(), Recogniser(), "euclidean")]
    (record,) = evaluate(known, {"same": Same()}, out=tmp_path / "out", judges=judges, measures=[], panels=0, group_by="skin_tone")
    groups = record["measures"]["recognition/grid"]["nearest"]["groups"]
    assert set(groups) <= {"very light", "light", "intermediate", "tan", "brown", "dark"}
    assert groups
    assert not (tmp_path / "out" / "fairness.md").exists()  # nobody is measured in groups of one
