"""experiments/paired_consistency: which evaluation it asks for, and what it calls a failure."""

import copy
import sys
from types import SimpleNamespace

import numpy as np
import pytest

EXPERIMENT = "paired_consistency"
RECOGNISERS = ("dlib-resnet-128", "sface-128")


def figures():
    """Of one recogniser, with all claims met."""
    return {
        "thresholds": {"own": 0.5},
        "nearest": {"recognised": {"own": {"count": 0}}},
        "others": {"rank_1": {"share": 0.02}},
        "pairs": {"anonymized": {"eer": 0.02}},
        "diversity": {"mean_distance": 0.6},
    }


def record():
    """One with which all claims hold."""
    measures = {
        "detection/dlib-hog-68": {"anonymized": {"share": 1.0}},
        "preservation": {"identical": {"share": 1.0}},
        "replacement": {"least": 0.99},
    }
    people = {"written": 97, "refused": 3, "unusable": 0, "failed": 0, "all": 100}
    return {"people": people, "measures": measures | {f"recognition/{name}": figures() for name in RECOGNISERS}}


CURVES = {name: {"anonymized_same": np.array([0.3]), "anonymized_different": np.array([0.8])} for name in RECOGNISERS}
FAULTS = [
    (("people", "written"), 90),
    (("people", "failed"), 1),
    (("measures", "recognition/sface-128", "nearest", "recognised", "own", "count"), 1),
    (("measures", "recognition/dlib-resnet-128", "others", "rank_1", "share"), 0.05),
    (("measures", "recognition/sface-128", "pairs", "anonymized", "eer"), 0.04),
    (("measures", "recognition/sface-128", "diversity", "mean_distance"), 0.4),
    (("measures", "preservation", "identical", "share"), 0.99),
]


@pytest.mark.parametrize(("where", "value"), FAULTS)
def test_each_claim_about_pairs_can_fail(script, where, value):
    verdict = script("run").verdict
    assert verdict(record(), CURVES) == []
    changed = copy.deepcopy(record())
    inner = changed
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    assert len(verdict(changed, CURVES)) == 1


def test_which_evaluation_the_pairs_are(script, monkeypatch, tmp_path):
    run = script("run")
    asked = []
    monkeypatch.setattr(run.subprocess, "run", lambda command, check: asked.append(command) or SimpleNamespace(returncode=0))
    given = ["--photos", tmp_path, "--data", "x", "--renderers", "exemplars,generator", "--leave-out-donors", "--shard", "0/2"]
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, given)])
    assert run.main() == 0
    wanted = {"anonymizer=[vera,generator,none]", "anonymizer.vera.leave_out_donors=true", "shard=0/2", "judges=[dlib,sface]"}
    assert wanted <= set(asked[0])
