"""experiments/paper: the whole chain at tiny size, its records, and its larger studies' commands."""

import csv
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from vera import bundle
from vera.training.module import StageModule

EXPERIMENT = "paper"
LITTLE = ["~callbacks.sheet", "~callbacks.progress", "trainer.log_every_n_steps=1"]
FACES = ["images1=48", "images2=16", "images3=96", "identities=8", "faces=2", "people=16"]


@pytest.fixture
def study(script, vera, monkeypatch):
    """Run studies in this process, with little of all that takes time; each call's commands, and its exit code."""
    monkeypatch.setattr("vera.training.export.contrastive.FACES", 32)
    monkeypatch.setattr("vera.training.build.networks.BEGINNING", 16)
    made, scripts, ran = script("study"), {name: script(name) for name in ("drawn", "dual")}, []
    monkeypatch.setattr(scripts["dual"], "TAUGHT", {"faces": 64, "epochs": 1, "seed": 1})
    monkeypatch.setattr(scripts["dual"], "RANDOM", 16)

    def run(words):
        ran.append(words)
        if words[0] == "vera":
            curve = ["~callbacks.curve"] if "experiment=smoke_inversion" not in words else []
            code, _, call.said = vera(*words[1:], *([*LITTLE, *curve] if words[1] == "train" else []))
        else:
            code, call.said = scripts[Path(words[1]).stem].main(words[2:]), ""
        if code:
            raise subprocess.CalledProcessError(code, words)

    monkeypatch.setattr(made, "run", run)

    def call(*arguments):
        ran.clear()
        return made.main(list(map(str, arguments))), list(ran)

    return call


def test_the_chain_ends_in_anonymized_faces_and_goes_on_where_it_was(study, script, tmp_path, capfd):
    out = tmp_path / "study"
    code, ran = study("tiny", "--out", out, *FACES)
    assert (code, len(ran)) == (0, 8), study.said
    made = bundle.load(out / "bundle")
    assert made.mapped
    assert made.generator.attributes
    first, last = losses(out / "runs" / "stage1", "loss/mask")
    assert last < 0.7 * first, "stage 1: coarse and refined segmentation come to agree"
    first, last = losses(out / "runs" / "stage3", "loss/inversion")
    assert last < 0.97 * first, "stage 3, in six steps"
    results = json.loads((out / "anonymized" / "results.json").read_text())
    assert results["regions kept"] == "2 of 2", results
    assert results["output to its source"] > 1.5 * results["a person's other picture"], results
    capfd.readouterr()
    assert script("figures").main([str(out)]) == 0
    lines = list(map(json.loads, capfd.readouterr().out.splitlines()))
    stages, dual = ([line for line in lines if kind in line] for kind in ("stage", "dual space"))
    (drawn,) = (line for line in lines if "regions kept" in line)
    assert {line["stage"] for line in stages} == {"1", "2", "3"}
    assert all(line["last over first"] == pytest.approx(line["last"] / line["first"], rel=0.01) for line in stages)
    assert drawn["output to its source"] == results["output to its source"]
    codes, *read = dual
    assert codes["attribute codes are the photograph's"]
    assert codes["replaced classes have the identity's codes"]
    assert codes["kept classes have the photograph's codes"]
    assert codes["rows of the identity"] + codes["rows of the photograph"] == made.generator.rows
    assert len(read) == 6
    assert all({"yaw", "smile", "light"} <= line.keys() for line in read)
    record = json.loads((out / "study.json").read_text())
    assert record["stage 3"]["takes"] == record["attributes"]["makes"]
    code, ran = study("tiny", "--out", out, *FACES)
    assert (code, ran) == (0, []), "all is done"
    del record["bundle"], record["anonymized"], record["dual space"]
    (out / "study.json").write_text(json.dumps(record))
    assert study("tiny", "--out", out, *FACES)[0] == 1
    assert "exists: a bundle is never overwritten" in study.said
    assert study("tiny", "--out", out, *FACES[1:])[0] == 2, "other values are another study"
    assert "made by another command" in capfd.readouterr().err


def losses(run, name):
    """Means of a loss over the first three steps of a run, and over its last three."""
    with (run / "metrics.csv").open() as stream:
        values = [float(row[name]) for row in csv.DictReader(stream) if row.get(name)]
    return sum(values[:3]) / 3, sum(values[-3:]) / 3


@pytest.mark.slow
def test_a_study_interrupted_in_each_stage_makes_the_same_bundles_and_pictures(study, tmp_path, monkeypatch):
    assert study("tiny", "--out", tmp_path / "whole", *FACES)[0] == 0
    step, interrupted = StageModule.training_step, []

    def stopped(self, *given):
        if self.objective.stage not in interrupted:
            interrupted.append(self.objective.stage)
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    monkeypatch.setattr(StageModule, "training_step", stopped)
    ended = [study("tiny", "--out", tmp_path / "part", *FACES)[0] for _ in range(4)]
    assert ended == [1, 1, 1, 0]
    assert interrupted == ["generator", "contrastive", "inversion"]
    whole, part = (json.loads((tmp_path / name / "study.json").read_text()) for name in ("whole", "part"))
    for name in whole:
        assert whole[name] | {"seconds": 0} == part[name] | {"seconds": 0}, f"{name}: commands and digests of bundles"
    for made in ("anonymized", "dual"):
        for file in (tmp_path / "whole" / made).iterdir():
            assert file.read_bytes() == (tmp_path / "part" / made / file.name).read_bytes()


@pytest.mark.parametrize("name", ["paper512", "ablations", "tiny", "ablations_tiny"])
def test_every_command_of_a_study_composes(script, name):
    given = {"paper512": ["data=DATA", "held_out=HELD", "people=ids.txt"], "ablations": ["data=DATA"]}.get(name, [])
    study = script("study")
    steps = study.read(name, given)
    made = {folder for step in steps for folder in step["makes"]}
    for step in steps:
        words = shlex.split(study.placed(step["command"], Path("studies/x")))
        if words[1] in ("train", "evaluate"):
            config = words[1] if words[1] == "evaluate" else "train"
            with initialize_config_module("vera.conf", version_base="1.3"):
                compose(config, [word for word in words[2:] if word != "-m" and not word.startswith("hydra.")])
        assert set(step["takes"]) <= made | {"generator", "discriminator", "attributes"}


def test_what_a_study_needs_is_said(script, tmp_path, capsys):
    main = script("study").main
    assert main(["paper512", "--out", str(tmp_path)]) == 2
    assert "needs data=... and held_out=... and people=..." in capsys.readouterr().err
    assert main(["tiny", "--out", str(tmp_path), "image=3"]) == 2
    assert "has the values images1, images2" in capsys.readouterr().err
    assert main(["tiny", "--out", str(tmp_path), "--list"]) == 0
    assert capsys.readouterr().out.startswith("vera train experiment=smoke_generator images=24000")


def test_a_sheet_shows_two_pairs_in_a_row(script):
    pairs = [np.full((8, 16, 3), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = script("figures").sheet(pairs)
    assert sheet.shape == (8, 16, 3)
    assert [sheet[row, column, 0] for row, column in ((0, 0), (0, 8), (4, 0), (4, 8))] == [10, 20, 30, 255]
