"""The protocol with face parts without weights. Run as a script, this file is the run that gets killed, or one of two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from vera.data.people import Person, PhotographFile
from vera.data.verification_pairs import Pair
from vera.distributed import parse_shard
from vera.evaluation.api import evaluate
from vera.evaluation.judges import Judge
from vera.evaluation.measures.photographs import OfCrops, Preserved
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.preservation import Preservation
from vera.evaluation.protocol.calibration import CalibrationPairs
from vera.evaluation.protocol.items import Contestant, Ledger, stem
from vera.evaluation.report import results as report
from vera.faces.detection import DetectedFace
from vera.faces.photograph import write_png
from vera.types import Anonymized, AnonymizedPerson, Refused, VeraError

SIDE, PEOPLE = 48, 5
COUNTS = ("written", "refused", "unusable", "failed")


def landmarks():
    """68 points of a frontal face in the middle."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.column_stack([24 + 12 * np.cos(angle), 24 + 14 * np.sin(angle)])
    points[36:42], points[42:48] = (18, 20), (30, 20)
    points[48], points[54] = (19, 32), (29, 32)
    return points


class Detector:
    """Sees a face wherever there is something to see."""

    name = "drawn"

    def detect(self, photograph):
        seen = photograph.pixels.std() > 5
        return [DetectedFace((10, 10, 38, 38), landmarks(), 1.0)] if seen else []


class Recogniser:
    """Grey values of a coarse grid."""

    name, threshold, false_accept_rate, calibration = "grid", 40.0, 0.5, "nobody"

    def embed(self, pixels, landmarks):
        return cv2.resize(pixels.mean(axis=2), (4, 4), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


class Features(nn.Module):
    """Mean colours of the crop's quarters."""

    name = short = "quarters"
    dimension = 12

    def forward(self, images):
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


class Same:
    """The identity function; counts, blocks and fails as told."""

    def __init__(self, log=None, block=None, fail=None, value=None, error=None):
        self.config = {"value": value}
        self.log, self.block, self.fail, self.value, self.error = log, block, fail, value, error

    def __call__(self, photographs, *, person, masks=None):
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(person + "\n")
        if person == self.block:
            self.log.with_suffix(".blocked").touch()
            time.sleep(600)
        if person == self.fail:
            raise self.error
        images = [p.pixels.copy() if self.value is None else np.full_like(p.pixels, self.value) for p in photographs]
        kept = [np.full(p.size, self.value is None) for p in photographs]
        photographs = [Anonymized("x", image, one, ~one) for image, one in zip(images, kept, strict=True)]
        return AnonymizedPerson(person, photographs, {"kept": bool(kept[0].all())})


class Shift(Same):
    """Another brightness: still recognisable, not the same."""

    def __call__(self, photographs, *, person, masks=None):
        made = super().__call__(photographs, person=person, masks=masks)
        lighter = [Anonymized("x", np.minimum(one.image, 235) + np.uint8(20), ~one.preserved, one.preserved) for one in made.photographs]
        return AnonymizedPerson(person, lighter, {})


Same.__module__ = Shift.__module__ = "parts"  # as a script, this file has another name


def people(root, count=PEOPLE):
    """Everybody has a picture of their own, taken twice with a little noise."""
    root.mkdir(exist_ok=True)
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        face = cv2.resize(rng.uniform(0, 255, (4, 4, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        files = []
        for role in ("before", "after"):
            path = root / f"{number}_{role}.png"
            write_png(path, (face + rng.normal(0, 4, face.shape)).clip(0, 255).astype(np.uint8))
            files.append(PhotographFile(role, path))
        found.append(Person(f"p/{number}", tuple(files), {"half": "odd" if number % 2 else "even"}))
    return found


def run(root, out, anonymizers, known=None, **options):
    """One evaluation with the parts above."""
    measures = [OfCrops(FrechetDistance(Features()), size=16, batch_size=4, device="cpu"), Preserved(Preservation(), device="cpu")]
    known = people(root) if known is None else known
    judges = [Judge(Detector(), Recogniser(), "euclidean")]
    return evaluate(known, anonymizers, out=out, judges=judges, measures=measures, **{"panels": 0} | options)


@pytest.fixture(autouse=True)
def figures_are_drawn(request, monkeypatch):
    """Only where a test is about them: they take longer than all the rest."""
    if "groups" not in request.node.name:
        monkeypatch.setattr(report, "draw", lambda *arguments: [])


def lines(out):
    return [json.loads(line) for path in sorted(out.glob("records-*.jsonl")) for line in path.read_text().splitlines()]


def figures(record):
    """What must not depend on how often a run was stopped, or on how many processes it had."""
    return {key: record[key] for key in ("anonymizer", "people", "photographs", "why", "measures", "data")}


def test_the_identity_function_is_recognised_everywhere_and_at_distance_zero(tmp_path):
    same, grey = run(tmp_path / "in", tmp_path / "out", {"same": Same(), "grey": Same(value=128)})
    recognition = same["measures"]["recognition/grid"]
    assert recognition["nearest"]["rank_1"]["share"] == 1
    interval = {"low": pytest.approx(0.722, abs=1e-3), "high": 1}
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
    assert "| refused by its own verification | 1 | 0 | 0 |" in table
    assert "refuses: 1 of: too alike." in table
    assert "breaks: 1 of: ZeroDivisionError" in table
    # What failed by a fault is tried again, what was refused is not.
    log = tmp_path / "log"
    again = [Contestant(name, Same(log)) for name in anonymizers]
    run(tmp_path, tmp_path / "out", again, known)
    assert log.read_text().split() == ["p/3"]


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


def test_a_killed_run_goes_on_and_gives_the_same_table(tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    process = subprocess.Popen([sys.executable, __file__, "killed", tmp_path])
    deadline = time.monotonic() + 900
    while not log.with_suffix(".blocked").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert log.read_text().split() == ["p/0", "p/1", "p/2"]
    with (out / "records-0.jsonl").open("a") as file:  # what a kill in the middle of a line leaves
        file.write('{"kind": "item", "contestant": "sa')
    finished = [line for line in lines_before(out) if line["kind"] == "item"]

    resumed = run(tmp_path / "in", out, {"same": Same(log), "shift": Shift()})
    assert log.read_text().split() == ["p/0", "p/1", "p/2", "p/2", "p/3", "p/4"]  # only what was in the middle is made again
    assert lines(out)[: len(finished) + 1][1:] == finished
    items = [(line["contestant"], line["person"]) for line in lines(out) if line["kind"] == "item"]
    assert len(items) == len(set(items)) == 3 * PEOPLE

    whole = run(tmp_path / "in", tmp_path / "whole", {"same": Same(), "shift": Shift()})
    assert [figures(record) for record in resumed] == [figures(record) for record in whole]
    tables = [(folder / "table.md").read_text().splitlines() for folder in (out, tmp_path / "whole")]
    first, second = ([row for row in table if "seconds" not in row] for table in tables)
    assert first == second


def lines_before(out):
    """The whole lines of a file whose last one is torn."""
    return [json.loads(line) for line in (out / "records-0.jsonl").read_text().splitlines()[:-1]]


def test_other_settings_or_photographs_are_made_again_other_judges_only_look_again(tmp_path):
    log, known = tmp_path / "log", people(tmp_path / "in", 2)

    def made(seed):
        log.write_text("")
        run(tmp_path, tmp_path / "out", [Contestant("same", Same(log), {"seed": seed})], known)
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
    contestants, judges = [Contestant("same", Same(log), {"seed": 2})], [Judge(other, Recogniser())]
    evaluate(known, contestants, out=tmp_path / "out", judges=judges, measures=[], panels=0)
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
    contestants = [Contestant("grey", Same(value=100), again=(Same(value=100), Same(value=160)))]
    (record,) = run(tmp_path / "in", tmp_path / "out", contestants, repeated=2)
    diversity = record["measures"]["recognition/grid"]["diversity"]
    assert diversity["photographs"] == 4
    assert diversity["mean_distance"] == pytest.approx(2 / 3 * 60 * 4)  # one of three pairs of seeds is alike; 16 numbers, 60 apart
    (record,) = run(tmp_path / "in", tmp_path / "out", contestants)
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


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("item", {"contestant": "a", "person": "b", "figure": 1})
        with pytest.raises(VeraError, match="another run writes to"):
            Ledger(tmp_path)
        Ledger(tmp_path, rank=1)  # the same run's other process
    assert Ledger(tmp_path).start == 2


def test_the_later_start_counts_whatever_the_clock_says(tmp_path, monkeypatch):
    now = iter([500.0, 100.0])
    monkeypatch.setattr("vera.evaluation.protocol.items.time.time", lambda: next(now))
    for rank, figure in ((1, "old"), (0, "new")):
        with Ledger(tmp_path, rank) as ledger:
            ledger.append("item", {"contestant": "a", "person": "b", "figure": figure})
    (item,) = ledger.items().values()
    assert item["figure"] == "new"


def test_a_damaged_line_is_named(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append("item", {"contestant": "a", "person": "b", "at": 0, "figure": float("nan")})
    assert next(iter(ledger.items().values()))["figure"] is None
    with ledger.path.open("a") as file:
        file.write("not JSON\n")
    with pytest.raises(VeraError, match=r"records-0\.jsonl, line 2 is damaged"):
        ledger.items()


def test_two_processes_give_what_one_gives(tmp_path):
    people(tmp_path / "in", 3)
    settings = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29500 + os.getpid() % 400), "WORLD_SIZE": "2"}
    command = [sys.executable, __file__, "ranks", str(tmp_path)]
    started = [subprocess.Popen(command, env=settings | {"RANK": str(rank)}) for rank in range(2)]
    assert [process.wait(timeout=900) for process in started] == [0, 0]
    alone = run(tmp_path, tmp_path / "alone", ranked(), people(tmp_path / "in", 3))
    together = [json.loads(line) for line in (tmp_path / "together" / "results.jsonl").read_text().splitlines()]
    assert [figures(record) for record in together] == [figures(record) for record in alone]
    assert {path.name for path in (tmp_path / "together").glob("records-*")} == {"records-0.jsonl", "records-1.jsonl"}
    before, after = ([np.load(tmp_path / name / "distances.npz")] for name in ("alone", "together"))
    assert all(np.array_equal(before[0][key], after[0][key]) for key in before[0].files)


def test_shards_make_all_items_and_a_last_run_reports(tmp_path):
    known, out, log = people(tmp_path / "in"), tmp_path / "out", tmp_path / "log"
    for shard in ((1, 2), (0, 2)):
        given = {"same": Contestant("same", Same(log), again=(Same(log),))}
        assert run(tmp_path, out, list(given.values()), known, shard=shard, repeated=3) == []
        assert not (out / "results.jsonl").exists()
    assert sorted(log.read_text().split()) == sorted(["p/0", "p/1", "p/2"] * 2 + ["p/3", "p/4"])
    together = run(tmp_path, out, [Contestant("same", Same(log), again=(Same(log),))], known, repeated=3)
    assert len(log.read_text().split()) == 8  # nothing was made again
    alone = run(tmp_path, tmp_path / "alone", [Contestant("same", Same(), again=(Same(),))], known, repeated=3)
    assert [figures(record) for record in together] == [figures(record) for record in alone]


@pytest.mark.parametrize("text", ["2/2", "1", "-1/2", "a/b", "1/0"])
def test_a_shard_that_is_none(text):
    with pytest.raises(VeraError, match="0/2"):
        parse_shard(text)


def test_shards_are_parsed():
    assert (parse_shard(None), parse_shard("1/3")) == (None, (1, 3))


def ranked():
    """The second process has one person, whom the second anonymizer refuses."""
    return {"same": Same(), "refuses": Same(fail="p/1", error=Refused("no"))}


def main(what, root):
    if what == "killed":
        run(root / "in", root / "out", {"same": Same(root / "log", block="p/2"), "shift": Shift()})
    else:
        report.draw = lambda *arguments: []
        torch.distributed.init_process_group("gloo")
        run(root, root / "together", ranked(), people(root / f"in{os.environ['RANK']}", 3))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
