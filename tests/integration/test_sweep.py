"""Sweeps end to end, on tiny faces: interrupted in the middle, started again with the same command, reported."""

import json
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from optuna.distributions import LogUniformDistribution
from optuna.trial import TrialState

from vera.training.runs.folder import read_runs

TINY = [
    "experiment=smoke", "generator.size=16", "batch_size=8", "images=128", "data.dataset.count=64", "callbacks.snapshots.every=16",
    "trainer.log_every_n_steps=1", "~callbacks.sheet", "~callbacks.progress", "hydra.job.config.override_dirname.exclude_keys="
    "[sweep,sweep.name,objective,experiment,generator.size,batch_size,images,data.dataset.count,callbacks.snapshots.every,"
    "trainer.log_every_n_steps,callbacks.sheet,callbacks.progress]",
]  # fmt: skip


def start(folder, *overrides):
    command = [sys.executable, "-m", "vera.cli", "train", "-m", *TINY, *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def again(vera, monkeypatch, tmp_path):
    """The same command once more, in this process, which has imported everything: (exit code, what was said)."""

    def run(*overrides):
        monkeypatch.chdir(tmp_path)
        code, _, said = vera("train", "-m", *TINY, *overrides, "hydra/job_logging=none", "hydra/hydra_logging=none")
        return code, said

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


def done(process):
    said, _ = process.communicate(timeout=900)
    return process.returncode, said


def record(folder):
    try:
        return json.loads((folder / "run.json").read_text())
    except FileNotFoundError:
        return {"state": "nothing"}


def in_the_middle(sweep, process, *, after=0):
    """The folder of a run that has a snapshot and trains, once so many others are finished; and the process that trains it."""
    while process.poll() is None:
        folders = [path.parent for path in sweep.glob("*/run.json")]
        if sum(record(folder)["state"] == "finished" for folder in folders) >= after:
            for folder in folders:
                if record(folder)["state"] == "unfinished" and (folder / "last.ckpt").is_file():
                    return folder, int((folder / ".lock").read_text().split()[1])
        time.sleep(0.02)
    pytest.fail(f"nothing was in the middle: {process.communicate()[0]}")


def starts(sweep):
    return {path.parent.name: len(json.loads(path.read_text())) for path in sweep.glob("*/environment.json")}


def test_four_trainings_interrupted_and_started_again_do_only_what_is_missing(tmp_path, vera, again):
    sweep, command = tmp_path / "multirun" / "four", ["sweep=base", "sweep.name=four", "seed=0,1", "optim.lr=1e-3,4e-3"]
    process = start(tmp_path, *command)
    folder, trains = in_the_middle(sweep, process, after=1)
    assert trains == process.pid
    process.send_signal(signal.SIGTERM)
    code, said = done(process)
    assert code == 130, said
    assert 2 <= len(starts(sweep)) < 4  # the others were not begun
    assert 16 <= record(folder)["images"] < 128

    code, said = again(*command)
    assert code == 0, said
    assert {run.state for run in read_runs(sweep)} == {"finished"}
    assert sorted(starts(sweep).values()) == [1, 1, 1, 2]
    assert starts(sweep)[folder.name] == 2
    assert all((path / "config.yaml").is_file() for path in sweep.iterdir() if path.is_dir())

    _, page, _ = vera("report", sweep, "--measure", "loss/perceptual")
    assert "4 finished" in page
    assert page.count("2 of 2") == 2


@pytest.mark.parametrize(
    ("axes", "count"), [(["seed=7"], 1), pytest.param(["seed=0,1,2", "optim.lr=1e-3,4e-3"], 6, marks=pytest.mark.slow)]
)
def test_a_job_of_submitit_that_is_pre_empted_goes_on_by_itself(tmp_path, axes, count):
    sweep = tmp_path / "multirun" / "local"
    process = start(tmp_path, "sweep=base", "sweep.name=local", "hydra/launcher=local", *axes)
    folder, trains = in_the_middle(sweep, process)
    assert trains != process.pid
    os.kill(trains, signal.SIGUSR2)
    code, said = done(process)
    assert code == 0, said
    runs = read_runs(sweep)
    assert [run.state for run in runs] == ["finished"] * count
    assert starts(sweep) == {path.name: 1 + (path == folder) for path in folder.parent.glob("*seed*")}


@pytest.mark.slow
@pytest.mark.parametrize(("axes", "then"), [(["seed=0,1"], "basic"), (["seed=0,1,2", "optim.lr=1e-3,4e-3"], "parallel")])
def test_a_job_of_joblib_that_is_stopped_does_not_lose_the_others(tmp_path, axes, then, vera, again):
    sweep, command = tmp_path / "multirun" / "pool", ["sweep=base", "sweep.name=pool", *axes]
    process = start(tmp_path, *command, "hydra/launcher=parallel")
    folder, trains = in_the_middle(sweep, process)
    assert trains != process.pid
    os.kill(trains, signal.SIGTERM)
    code, said = done(process)
    assert code == 1, said
    assert "1 run of the sweep did not finish" in said
    _, page, _ = vera("report", sweep)
    assert f"{len(starts(sweep)) - 1} finished, 1 unfinished" in page

    code, said = again(*command, f"hydra/launcher={then}")
    assert code == 0, said
    assert starts(sweep) == {path.name: 1 + (path == folder) for path in folder.parent.glob("*seed*")}
    _, page, _ = vera("report", sweep)
    assert f"{len(starts(sweep))} finished;" in page


def test_a_study_goes_on_from_its_database_with_what_a_kill_left(tmp_path, again):
    sweep, command = tmp_path / "multirun" / "optuna", ["sweep=optuna", "objective=loss/perceptual", "images=16"]
    assert again(*command, "hydra.sweeper.n_trials=1")[0] == 0
    study = optuna.load_study(storage=f"sqlite:///{sweep}/study.db", study_name="optuna")
    left = study.ask({"optim.lr": LogUniformDistribution(3e-4, 3e-2)})
    code, said = again(*command, "hydra.sweeper.n_trials=2")
    assert code == 0, said
    assert set(starts(sweep)) == {f"optim.lr={trial.params['optim.lr']}" for trial in study.trials[:2]}
    (first, second) = read_runs(sweep)
    study = optuna.load_study(storage=f"sqlite:///{sweep}/study.db", study_name="optuna")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[2].params == left.params
    assert {study.trials[0].value, study.trials[2].value} == {run.measures["loss/perceptual"] for run in (first, second)}


@pytest.mark.slow
def test_an_interrupted_study_goes_on_from_its_database(tmp_path, again):
    sweep = tmp_path / "multirun" / "optuna"
    command = ["sweep=optuna", "hydra.sweeper.n_trials=2", "objective=loss/perceptual"]
    process = start(tmp_path, *command)
    folder, _ = in_the_middle(sweep, process)
    process.send_signal(signal.SIGTERM)
    code, said = done(process)
    assert code == 130, said

    code, said = again(*command)
    assert code == 0, said
    study = optuna.load_study(storage=f"sqlite:///{sweep}/study.db", study_name="optuna")
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert (len(complete), len(study.trials)) == (2, 3)  # one is what was interrupted, and was put first
    assert sorted(starts(sweep).values()) == [1, 2]
    assert starts(sweep)[folder.name] == 2
    measured = {run.measures["loss/perceptual"] for run in read_runs(sweep)}
    assert {trial.value for trial in complete} == measured


@pytest.mark.slow
def test_the_processes_of_a_run_belong_to_it_and_not_to_the_multirun(tmp_path):
    two = ["trainer=ddp_gan", "trainer.accelerator=cpu", "trainer.devices=2"]
    code, said = done(start(tmp_path, "sweep=base", "sweep.name=two", "seed=0,1", *two))
    assert code == 0, said
    runs = read_runs(tmp_path / "multirun" / "two")
    assert [(run.state, run.images) for run in runs] == [("finished", 128)] * 2
    assert set(starts(tmp_path / "multirun" / "two").values()) == {1}
