"""experiments/baselines: which evaluation it asks for, and what it calls a failure."""

import copy
import sys
from types import SimpleNamespace

import pytest

EXPERIMENT = "baselines"


def record(*, rank_1=0.5, recognised=0.0, found=1.0, distance=9.0):
    nearest = {"rank_1": {"share": rank_1}, "recognised": {"own": {"share": recognised}}, "people_in_gallery": 81}
    return {
        "measures": {
            "detection/dlib-hog-68": {"anonymized": {"share": found}},
            "recognition/dlib-resnet-128": {"nearest": nearest},
            "preservation": {"identical": {"share": 1.0}},
            "frechet_lite0": {"value": distance},
        }
    }


def records(run):
    return {name: record() for name in (*run.METHODS, *run.OBSCURED)} | {"none": record(rank_1=1, recognised=1, distance=0.0)}


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("none", {"rank_1": 0.99, "distance": 0.0}),
        ("none", {"rank_1": 1, "distance": 0.1}),
        ("blur", {"rank_1": 0.01}),
        ("vera", {"recognised": 0.02}),
        ("generator", {"found": 0.9}),
    ],
)
def test_each_claim_can_fail(script, method, change):
    run = script("run")
    assert run.verdict(records(run)) == []
    assert len(run.verdict(records(run) | {method: record(**change)})) == 1
    changed = copy.deepcopy(records(run))
    changed["ksame"]["measures"]["preservation"]["identical"]["share"] = 0.9
    assert run.verdict(changed) == ["ksame changes what it says it keeps"]


def test_untouched_photographs_without_a_face_are_no_failure(script):
    run = script("run")
    assert run.verdict(records(run) | {"none": record(rank_1=0.98, found=0.98, distance=0.0)}) == []


def test_one_command_asks_for_the_whole_table(script, monkeypatch, tmp_path):
    run, called = script("run"), []
    monkeypatch.setattr(run.subprocess, "run", lambda command, check: called.append(command) or SimpleNamespace(returncode=3))
    for given in (["--photos", tmp_path, "--leave-out-donors", "--iris", "iris.tflite"], ["--lfw-people", tmp_path, "--limit", "100"]):
        monkeypatch.setattr(sys, "argv", ["run.py", "--data", "x", *map(str, given)])
        assert run.main() == 3  # the evaluation's own exit code
    whole = {"anonymizer=[vera,generator,blur,pixelate,mask,ksame,none]", "judges=[dlib,sface]", "attack=all", "preserve=[mouth]"}
    assert whole | {"people=by_role", "anonymizer.vera.leave_out_donors=true", "files.iris=iris.tflite"} <= set(called[0])
    assert whole | {"people=lfw", "limit=100"} <= set(called[1])
