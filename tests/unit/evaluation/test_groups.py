"""The outcome by group, from a run's folder that is written here by hand."""

import json

import numpy as np
import pytest

from vera.evaluation.judges import Observation
from vera.evaluation.protocol.cache import save_seen
from vera.evaluation.protocol.items import ORIGINALS, Files, Item, Ledger
from vera.evaluation.report.groups import LEAST, Judged, by_group, gathered, markdown
from vera.types import VeraError

JUDGED = Judged("d", "r", "euclidean")
PEOPLE = [f"p{n}" for n in range(12)]


def seen(vector, found=True):
    return Observation({"d": found}, np.zeros((68, 2)), {} if vector is None else {"r": np.array(vector, float)})


@pytest.fixture
def folder(tmp_path):
    """Twelve people on a line, 10 apart. Person 0 is refused, 1 comes out as 2, 3 as itself; the others far away."""
    measures = {"detection/d": {}, "recognition/r": {"thresholds": {"own": 1.0}}}
    (tmp_path / "results.jsonl").write_text(json.dumps({"anonymizer": "vera", "measures": measures}) + "\n")
    files = Files(tmp_path)
    with Ledger(tmp_path) as ledger:
        for n, person in enumerate(PEOPLE):
            item, made = Item(ORIGINALS, person), Item("vera", person)
            save_seen(files.seen(item), [seen((10 * n, 0)), seen((10 * n, 0.1))])
            ledger.append("item", {**item.line, "status": "written", "digests": [f"{n}a", f"{n}b"]})
            if n == 0:
                ledger.append("item", {**made.line, "status": "refused"})
                continue
            at = {1: (20, 0.5), 3: (30, 0.5)}.get(n, (10 * n, 100))
            second = seen((500, 500)) if n == 4 else seen(None, found=False) if n == 5 else seen(at)
            save_seen(files.seen(made), [seen(at), second])
            ledger.append("item", {**made.line, "status": "written"})
    return tmp_path


def rows(folder, labels):
    return {(row["column"], row["group"]): row for row in by_group(folder, labels, anonymizer="vera", judged=JUDGED)}


def test_everybody_is_counted_in_one_group(folder):
    found = rows(folder, {person: {"half": "low" if n < 6 else "high"} for n, person in enumerate(PEOPLE)})
    assert list(found) == [("everybody", "everybody"), ("half", "high"), ("half", "low")]
    everybody, low, high = found["everybody", "everybody"], found["half", "low"], found["half", "high"]
    for figure in ("people", "written", "refused"):
        assert everybody[figure] == low[figure] + high[figure]
    assert (low["people"], low["written"], low["refused"]) == (6, 5, 1)
    assert (low["found"]["count"], low["found"]["of"]) == (9, 10)  # one of person 5's is not
    assert (low["recognised"]["count"], low["recognised"]["of"]) == (2, 10)  # both of person 3's; 1 is taken for somebody else
    assert (low["rank_1"]["count"], high["rank_1"]["count"]) == (6, 12)  # 2 and 3 twice, 4 and 5 once
    assert (low["pairs_match"]["count"], low["pairs_match"]["of"]) == (3, 5)  # not 4, whose two are far apart, nor 5, who has one
    assert high["median_distance"] == pytest.approx(99.9)
    assert "| half: low | 6 | 5 | 1 |" in markdown(list(found.values()))


def test_small_groups_say_nothing_of_somebody(folder):
    labels = {person: {"origin": "here" if n < 9 else f"there {n}"} for n, person in enumerate(PEOPLE[:11])}
    assert [key for key in rows(folder, labels) if key[0] == "origin"] == [("origin", "here"), ("origin", "others")]
    assert gathered(["a"] * LEAST + ["b"] * (LEAST - 1)) == ["a"] * LEAST + ["others"] * (LEAST - 1)


def test_what_is_not_there_is_named(folder):
    with pytest.raises(VeraError, match="no label is of a person"):
        rows(folder, {"somebody": {"half": "low"}})
    with pytest.raises(VeraError, match="no results of 'blur'"):
        by_group(folder, {"p1": {"half": "low"}}, anonymizer="blur", judged=JUDGED)
