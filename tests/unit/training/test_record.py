import json
import logging
import os
import sys
from types import SimpleNamespace

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from vera.cli.errors import told
from vera.files import made_folder
from vera.training.runs import run as job
from vera.training.runs.folder import finished, read_record, require_recipe, write_record
from vera.training.runs.record import Measures, alone, write_environment
from vera.types import VeraError

CONFIG = {"images": 100, "optim": {"lr": 0.1, "betas": [0.9, 0.99]}, "data": {"workers": 0}, "trainer": {"devices": 1}, "run": {}}


def kept(folder, *, state=True, images=100):
    OmegaConf.save(OmegaConf.create(CONFIG), folder / "config.yaml")
    write_record(folder, finished=state, images=images, measures={})


def asked(**changes):
    return OmegaConf.merge(OmegaConf.create(CONFIG), changes)


def test_the_last_value_of_each_measure_is_kept_and_what_is_not_finite_is_null(tmp_path):
    measures = Measures({"loss": 3.0, "old": 1.0})
    measures.log_metrics({"loss": 2.0}, step=8)
    measures.log_metrics({"loss": 1.5, "distance": float("nan")}, step=16)
    write_record(tmp_path, finished=False, images=16, measures=measures.last)
    assert read_record(tmp_path) == {"state": "unfinished", "images": 16, "measures": {"distance": None, "loss": 1.5, "old": 1.0}}
    assert "NaN" not in (tmp_path / "run.json").read_text()


def test_there_may_be_no_record_and_a_damaged_one_is_named(tmp_path):
    assert read_record(tmp_path) is None
    (tmp_path / "run.json").write_text('{"state": "fin')
    with pytest.raises(VeraError, match=r"run.json' is damaged"):
        read_record(tmp_path)


def test_only_the_same_finished_run_is_passed_over(tmp_path):
    assert not finished(tmp_path, asked())
    kept(tmp_path, state=False, images=50)
    assert not finished(tmp_path, asked())
    kept(tmp_path)
    assert finished(tmp_path, asked())
    assert not finished(tmp_path, asked(images=200))  # it goes on
    elsewhere = {"trainer": {"devices": 8}, "data": {"workers": 4}, "run": {"resume": "auto"}}  # where and how, not what
    assert finished(tmp_path, asked(**elsewhere))


def test_of_a_stage_what_is_built_is_compared_not_what_its_settings_are_called(tmp_path):
    OmegaConf.save(OmegaConf.create(CONFIG | {"stage": {"module": {"ema": 3}}}), tmp_path / "config.yaml")
    write_record(tmp_path, finished=True, images=100, measures={})
    assert finished(tmp_path, asked(stage={"half_life": 3, "module": {"ema": 3}}))
    with pytest.raises(VeraError, match=r"stage.module.ema: 3 there, 4 here"):
        finished(tmp_path, asked(stage={"half_life": 4, "module": {"ema": 4}}))


def test_a_part_that_has_moved_or_has_another_name_is_the_same(tmp_path):
    parsing = {"_target_": "vera.training.objectives.parsing.Parsing"}
    old = parsing | {"disturbance": {"_target_": "vera.faces.disturbance.Disturbance", "rare": 0.1}}
    new = parsing | {"corruption": {"_target_": "vera.data.corruption.corrupt.Corruption", "rare": 0.1}}
    OmegaConf.save(OmegaConf.create(CONFIG | {"stage": {"module": old}}), tmp_path / "config.yaml")
    write_record(tmp_path, finished=True, images=100, measures={})
    assert finished(tmp_path, asked(stage={"module": new}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"optim": {"lr": 0.2}}, "optim.lr: 0.1 there, 0.2 here"), ({"images": 50}, "images: 100"), ({"new": 1}, "new: None there, 1 here")],
)
def test_another_configuration_is_not_taken_for_finished(tmp_path, changes, said):
    kept(tmp_path)
    with pytest.raises(VeraError, match=said):
        finished(tmp_path, asked(**changes))


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize(("changes", "said"), [({"optim": {"lr": 0.2}}, "optim.lr=0.1, and 0.2 is"), ({"new": 1}, "new=None, and 1 is")])
def test_a_run_goes_on_with_its_own_recipe(tmp_path, changes, said, state):
    kept(tmp_path, state=state, images=50)
    longer = {"images": 200, "trainer": {"devices": 8}, "data": {"workers": 4}, "unset": None}
    for checkpoint in (tmp_path / "last.ckpt", tmp_path / "top" / "1.ckpt"):
        require_recipe(checkpoint, asked(**longer))
        with pytest.raises(VeraError, match=said):
            require_recipe(checkpoint, asked(**changes))
    require_recipe(tmp_path / "moved" / "by" / "hand" / "last.ckpt", asked(**changes))  # nothing to compare with


def test_one_process_works_in_a_folder(tmp_path):
    with alone(tmp_path), pytest.raises(VeraError, match=f"process {os.getpid()} on .* is at work"), alone(tmp_path):
        pytest.fail("two are at work")
    with alone(tmp_path):  # it is given back
        assert (tmp_path / ".lock").read_text().startswith("process")


@pytest.mark.parametrize(("seen", "before"), [(0, ()), (8, ()), (0, ("metrics.csv",))])
def test_a_run_that_fails_before_its_first_image_leaves_nothing_that_was_not_there(tmp_path, seen, before):
    folder = tmp_path / "runs" / "1"
    for name in before:
        folder.mkdir(parents=True)
        (folder / name).write_text("of an earlier start")

    def fail():
        with made_folder(folder), alone(folder), job._nothing_left(folder, SimpleNamespace(images_seen=seen)):
            (folder / "config.yaml").write_text("")
            (folder / "top").mkdir()
            raise VeraError("no such trainer")

    with pytest.raises(VeraError, match="no such trainer"):
        fail()
    if seen or before:
        assert {path.name for path in folder.iterdir()} == {"config.yaml", "top", ".lock", *before}
    else:
        assert not list(tmp_path.iterdir())


def test_without_a_logger_the_last_measures_are_kept_and_a_compiler_on_a_cpu_is_told(caplog):
    trainer = {"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu"}
    config = OmegaConf.create({"trainer": trainer, "stage": {"compiler": "inductor"}})
    measures = Measures({})
    assert job._trainer(config, [], measures).loggers == [measures]
    assert "stage.compiler=inductor on a CPU: compiling takes longer than it saves" in caplog.text


@pytest.mark.parametrize(
    ("setting", "said"), [({"precision": "bf17"}, "'bf17' is invalid"), ({"accelerator": "gpuu"}, "gpuu"), ({"devices": 0}, "devices")]
)
def test_a_trainer_that_cannot_be_is_told_in_one_sentence(setting, said):
    config = OmegaConf.create({"trainer": {"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu", **setting}})
    with pytest.raises(InstantiationException) as raised:
        job._trainer(config, [], Measures({}))
    sentence, code = told(raised.value)
    assert code == 2
    assert said in sentence
    assert "\n" not in sentence


def test_each_start_tells_on_what_it_ran_with_git_or_without(tmp_path, monkeypatch):
    write_environment(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # no git there
    write_environment(tmp_path)
    first, second = json.loads((tmp_path / "environment.json").read_text())
    assert first["versions"]["torch"] == second["versions"]["torch"] != "absent"
    assert first["command"] == sys.argv
    assert second["git"] is None
    (tmp_path / "environment.json").write_text("[{")
    write_environment(tmp_path)
    assert len(json.loads((tmp_path / "environment.json").read_text())) == 1


def test_a_finished_run_is_passed_over_and_gives_its_objective(tmp_path, monkeypatch, caplog):
    kept(tmp_path)
    write_record(tmp_path, finished=True, images=100, measures={"loss/total": 0.25, "distance": None})
    monkeypatch.setattr(job, "train", lambda config: pytest.fail("it was trained again"))
    run = {"folder": str(tmp_path), "resume": "auto"}
    with caplog.at_level(logging.INFO):
        assert job.run(asked(run=run, objective="loss/total")) == 0.25
    assert "finished" in caplog.text
    assert job.run(asked(run=run, objective=None)) is None
    for nothing in ("loss/else", "distance"):
        with pytest.raises(VeraError, match=f"objective={nothing} has no last value: name one of distance, loss/total"):
            job.run(asked(run=run, objective=nothing))
