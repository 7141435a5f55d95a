"""experiments/paper: the whole chain at tiny size, its records, and its larger studies' commands."""

import csv
import json
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from vera import bundle

EXPERIMENT = "paper"
LITTLE = ["~callbacks.sheet", "~callbacks.progress", "trainer.log_every_n_steps=1"]
FACES = ["images1=48", "images2=16", "images3=96", "identities=8", "faces=2"]


@pytest.fixture
def study(script, vera, monkeypatch):
    """Run studies in this process, with little of all that takes time; each call's commands, and its exit code."""
    monkeypatch.setattr("vera.training.export.contrastive.FACES", 32)
    monkeypatch.setattr("vera.training.build.networks.BEGINNING", 16)
    made, drawn, ran = script("study"), script("drawn"), []

    def run(words):
        ran.append(words)
        if words[0] == "vera":
            curve = ["~callbacks.curve"] if "experiment=smoke_inversion" not in words else []
            code, _, said = vera(*words[1:], *([*LITTLE, *curve] if words[1] == "train" else []))
            assert code == 0, said
        else:
            assert drawn.main(words[2:]) == 0

    monkeypatch.setattr(made, "run", run)

    def call(*arguments):
        ran.clear()
        return made.main(list(map(str, arguments))), list(ran)

    return call


def test_the_chain_ends_in_anonymized_faces_and_goes_on_where_it_was(study, tmp_path, capfd):
    out = tmp_path / "study"
    code, ran = study("tiny", "--out", out, *FACES)
    assert (code, len(ran)) == (0, 7)
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
    record = json.loads((out / "study.json").read_text())
    assert record["stage 3"]["takes"] == record["attributes"]["makes"]
    code, ran = study("tiny", "--out", out, *FACES)
    assert (code, ran) == (0, []), "all is done"
    del record["bundle"], record["anonymized"]
    (out / "study.json").write_text(json.dumps(record))
    assert "exists: a bundle is never overwritten" in _failure(study, "tiny", "--out", out, *FACES)
    assert study("tiny", "--out", out, *FACES[1:])[0] == 2, "other values are another study"
    assert "made by another command" in capfd.readouterr().err


def losses(run, name):
    """Means of a loss over the first three steps of a run, and over its last three."""
    with (run / "metrics.csv").open() as stream:
        values = [float(row[name]) for row in csv.DictReader(stream) if row.get(name)]
    return sum(values[:3]) / 3, sum(values[-3:]) / 3


def _failure(study, *arguments):
    with pytest.raises(AssertionError) as failed:
        study(*arguments)
    return str(failed.value)


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
    assert capsys.readouterr().out.startswith("vera train experiment=smoke_generator images=4000")
