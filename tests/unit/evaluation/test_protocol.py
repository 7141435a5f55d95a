"""The protocol with face parts without weights."""

import numpy as np
import pytest
import torch
from tests.unit.evaluation.protocol_parts import PEOPLE, SIDE, Detector, Recogniser, Same, Shift, figures, lines, people, run

from vera.data.people import Person, PhotographFile
from vera.data.verification_pairs import Pair
from vera.evaluation.api import evaluate
from vera.evaluation.judges import Judge
from vera.evaluation.protocol.items import Method, stem
from vera.evaluation.protocol.run import CalibrationPairs
from vera.evaluation.report import results as report
from vera.faces.photograph import write_png
from vera.types import AnonymizedPerson, Refused, VeraError

COUNTS = ("written", "refused", "unusable", "failed")


@pytest.fixture(autouse=True)
def figures_are_drawn(request, monkeypatch):
    """Only where a test is about them: they take longer than all the rest."""
    if "groups" not in request.node.name:
        monkeypatch.setattr(report, "draw", lambda *arguments: [])


def test_the_identity_function_is_recognised_everywhere_and_at_distance_zero(tmp_path):
    same, grey = run(tmp_path / "in", tmp_path / "out", {"same": Same(), "grey": Same(value=128)})
    recognition = same["measures"]["recognition/grid"]
    assert recognition["nearest"]["rank_1"]["share"] == 1
    interval = {"low": pytest.approx(0.566, abs=1e-3), "high": 1, "people": 5}  # Wilson's, of five people
    assert recognition["nearest"]["recognised"]["own"] == {"share": 1, "count": 10, "of": 10} | interval
    assert recognition["nearest"]["median_distance"] == 0
    assert recognition["pairs"]["anonymized"] == recognition["pairs"]["originals"]
    assert same["measures"]["frechet_quarters"]["value"] == pytest.approx(0, abs=1e-6)
    assert same["measures"]["preservation"]["identical"]["share"] == 1
    assert same["measures"]["detection/drawn"]["anonymized"]["share"] == 1
    assert grey["measures"]["detection/drawn"]["anonymized"]["share"] == 0
    assert grey["measures"]["detection/drawn"]["originals"]["share"] == 1
    assert grey["measures"]["frechet_quarters"]["value"] > 0.01
    assert grey["measures"]["preservation"]["without_region"] == 10
    # An attacker looks where the face was: all outputs are alike, so nobody but by chance is found, and nobody is told apart.
    assert grey["measures"]["recognition/grid"]["nearest"]["rank_1"]["share"] <= 0.4
    assert grey["measures"]["recognition/grid"]["pairs"]["anonymized"]["auc"] == 0.5


def test_everybody_is_counted_whatever_became_of_them(tmp_path):
    audit = {"distances": [0.1]}
    anonymizers = {
        "refuses": Same(fail="p/1", error=Refused("'p/1' is refused after 6 attempts; last reason: too alike (0.55)", audit)),
        "cannot": Same(fail="p/2", error=VeraError("no face found in photograph 'x'")),
        "breaks": Same(fail="p/3", error=ZeroDivisionError("1 / 0")),
    }
    known = people(tmp_path / "in")
    known[4].photographs[1].path.write_bytes(b"no image")
    records = run(tmp_path, tmp_path / "out", anonymizers, known)
    counts = {record["anonymizer"]: record["people"] for record in records}
    assert counts == {
        "refuses": {"written": 3, "refused": 1, "unusable": 1, "failed": 0, "all": 5},
        "cannot": {"written": 3, "refused": 0, "unusable": 2, "failed": 0, "all": 5},
        "breaks": {"written": 3, "refused": 0, "unusable": 1, "failed": 1, "all": 5},
    }
    assert records[0]["why"]["too alike"] == 1
    assert records[0]["photographs"] == 6
    assert records[0]["data"]["unusable"] == 1
    assert records[0]["measures"]["recognition/grid"]["nearest"]["people_in_gallery"] == 4  # the refused person is still in the gallery
    (refused,) = [line for line in lines(tmp_path / "out") if line.get("status") == "refused"]
    assert (refused["contestant"], refused["person"], refused["audit"]) == ("refuses", "p/1", audit)
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| refused by its own verification |  | 1 | 0 | 0 |" in table
    assert "refuses: 1 of: too alike." in table
    assert "breaks: 1 of: ZeroDivisionError" in table
    # What failed by a fault is tried again, what was refused is not.
    log = tmp_path / "log"
    again = [Method(name, Same(log)) for name in anonymizers]
    run(tmp_path, tmp_path / "out", again, known)
    assert log.read_text().split() == ["p/3"]


def test_figures_do_not_depend_on_the_methods_before(tmp_path):
    both = run(tmp_path / "in", tmp_path / "both", {"shift": Shift(), "black": Same(value=0), "same": Same()})
    for name, made in (("black", Same(value=0)), ("same", Same())):
        (alone,) = run(tmp_path / "in", tmp_path / name, {name: made})
        assert figures(next(record for record in both if record["anonymizer"] == name)) == figures(alone)


def test_outputs_are_judged_as_they_were_written(tmp_path):
    run(tmp_path / "in", tmp_path / "out", {"same": Same()})
    image = tmp_path / "out" / "images" / "same" / f"{stem('p/0')}.1.png"
    write_png(image, np.zeros((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(VeraError, match="is not what this run wrote"):
        run(tmp_path / "in", tmp_path / "out", {"same": Same()})
    image.unlink()
    log = tmp_path / "log"
    (record,) = run(tmp_path / "in", tmp_path / "out", {"same": Same(log)})
    assert log.read_text().split() == ["p/0"]
    assert record["people"]["written"] == PEOPLE


def test_other_settings_or_photographs_are_made_again_other_judges_only_look_again(tmp_path):
    log, known = tmp_path / "log", people(tmp_path / "in", 2)

    def made(seed):
        log.write_text("")
        run(tmp_path, tmp_path / "out", [Method("same", Same(log), {"seed": seed})], known)
        return log.read_text().split()

    assert made(1) == ["p/0", "p/1"]
    assert made(1) == []
    assert made(2) == ["p/0", "p/1"]
    write_png(known[1].photographs[0].path, np.full((SIDE, SIDE, 3), 99, np.uint8))
    with pytest.raises(VeraError, match="holds the results of other photographs"):
        made(2)
    (tmp_path / "out" / "results.jsonl").unlink()
    assert made(2) == ["p/1"]
    log.unlink()
    other = Detector()
    other.name = "another"
    methods, judges = [Method("same", Same(log), {"seed": 2})], [Judge(other, Recogniser())]
    evaluate(known, methods, out=tmp_path / "out", judges=judges, measures=[], panels=0)
    assert not log.exists()
    assert list(lines(tmp_path / "out")[-1]["found"][0]) == ["another"]


def test_the_record_says_where_figures_come_from(tmp_path):
    (record,) = run(tmp_path / "in", tmp_path / "out", {"same": Same()}, config={"asked": "for this"})
    (session,) = record["provenance"]
    assert session["config"] == {"asked": "for this"}
    assert session["git"] is None or len(session["git"]["commit"]) == 40
    assert session["versions"]["torch"] == torch.__version__.split("+")[0]
    assert record["data"] | {"digest": ""} == {"people": 5, "photographs": 10, "unusable": 0, "left_out": {}, "digest": ""}
    item = next(line for line in lines(tmp_path / "out") if line.get("contestant") == "same")
    assert item["session"] == session["session"]
    assert item["audit"] == {"kept": True}
    assert set(item["images"][0]) == {"image", "preserved"}


def test_the_session_that_measured_is_recorded_beside_those_that_made(tmp_path):
    run(tmp_path / "in", tmp_path / "out", {"same": Same()}, config={"asked": "first"})
    (record,) = run(tmp_path / "in", tmp_path / "out", {"same": Same()}, config={"asked": "again"}, group_by="half")
    assert [session["config"] for session in record["provenance"]] == [{"asked": "first"}]
    assert (record["measured_by"]["config"], record["measured_by"]["group_by"]) == ({"asked": "again"}, "half")


def test_thresholds_are_calibrated_on_pairs_and_stated(tmp_path):
    known = people(tmp_path / "in")
    files = [[file.path for file in person.photographs] for person in known]
    pairs = [Pair(a, b, True, 0) for a, b in files]
    pairs += [Pair(files[i][0], files[j][0], False, 0) for i in range(PEOPLE) for j in range(i)]
    given = CalibrationPairs(pairs, "pairs.txt", (0.2, 1e-3), tmp_path / "seen")
    (record,) = run(tmp_path, tmp_path / "out", {"same": Same()}, known, calibration=given)
    found = record["measures"]["recognition/grid"]
    measured = found["calibration"]["measured"]
    assert (measured["pairs_same"], measured["pairs_different"]) == (5, 10)
    assert measured["at"]["0.2"]["false_accept_rate"]["count"] == 2
    assert set(found["thresholds"]) == {"own", "far_0.2"}  # ten pairs cannot show one in a thousand
    table = (tmp_path / "out" / "table.md").read_text()
    assert "calibrated on pairs.txt: 5 pairs of one person, 10 of two" in table
    assert "false-accept rate 0.001: too few pairs to show it" in table
    assert "recognised, grid at a false-accept rate of 0.2" in table
    looked_at = len([line for line in lines(tmp_path / "seen") if line["kind"] == "item"])
    run(tmp_path, tmp_path / "another", {"same": Same()}, known, calibration=given)
    assert len([line for line in lines(tmp_path / "seen") if line["kind"] == "item"]) == looked_at == 10


def test_other_seeds_are_run_for_the_first_people_and_give_diversity(tmp_path):
    methods = [Method("grey", Same(value=100), again=(Same(value=100), Same(value=160)))]
    (record,) = run(tmp_path / "in", tmp_path / "out", methods, repeated=2)
    diversity = record["measures"]["recognition/grid"]["diversity"]
    assert diversity["photographs"] == 4
    assert diversity["mean_distance"] == pytest.approx(2 / 3 * 60 * 4)  # one of three pairs of seeds is alike; 16 numbers, 60 apart
    (record,) = run(tmp_path / "in", tmp_path / "out", methods)
    assert record["measures"]["recognition/grid"]["diversity"]["photographs"] == 0


def test_figures_and_pictures_by_groups(tmp_path):
    (record,) = run(tmp_path / "in", tmp_path / "out", {"same": Same()}, group_by="half", panels=1)
    groups = record["measures"]["recognition/grid"]["nearest"]["groups"]
    assert {name: group["rank_1"]["of"] for name, group in groups.items()} == {"even": 6, "odd": 4}
    pictures = {file.name for file in (tmp_path / "out").glob("*.png")}
    assert pictures == {"groups-grid.png", "distances-grid.png", "roc-grid.png", "panels.png"}


@pytest.mark.parametrize(
    ("anonymizers", "change", "says"),
    [
        ({}, {}, "at least one of each"),
        ({"same": Same(), "SAME": Same()}, {}, "two anonymizers are called 'same'"),
        ({"a/b": Same()}, {}, "can't be called 'a/b'"),
        ({"originals": Same()}, {}, "can't be called 'originals'"),
        ({"same": Same()}, {"twice": True}, "two people are called 'p/0'"),
        ({"plain": lambda photographs, *, person: None}, {"mask": True}, "'plain' takes no masks"),
        ({"fewer": lambda photographs, *, person: AnonymizedPerson(person, [])}, {}, "'fewer' gave other photographs back"),
    ],
)
def test_what_cannot_be_evaluated_is_said_at_once(tmp_path, anonymizers, change, says):
    known = people(tmp_path / "in", 2)
    if change.get("twice"):
        known[1] = Person("P/0", known[1].photographs)
    if change.get("mask"):
        file = known[0].photographs[0]
        known[0] = Person("p/0", (PhotographFile("", file.path, file.path),))
    with pytest.raises(VeraError, match=says):
        run(tmp_path, tmp_path / "out", anonymizers, known)


def test_drawn_masks_reach_the_anonymizer(tmp_path):
    known = people(tmp_path / "in", 2)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[30:40, 18:30] = True
    write_png(tmp_path / "mask.png", mask)
    known[0] = Person("p/0", (PhotographFile("", known[0].photographs[0].path, tmp_path / "mask.png"),))
    seen = {}

    def take(photographs, *, person, masks=None):
        seen[person] = masks
        return Same()(photographs, person=person)

    run(tmp_path, tmp_path / "out", {"takes": take}, known)
    assert (seen["p/0"][0] == mask).all()
    assert seen["p/1"] is None
