import subprocess
import sys

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import UniformDistribution
from optuna.trial import TrialState

from vera.training.runs.sweep import Study

CODE = """
import sys
from pathlib import Path
from vera.training.runs.sweep import _join
_join(Path(sys.argv[1]))
print("here", flush=True)
input()
"""


@pytest.fixture
def config(tmp_path):
    sweeper = {"storage": f"sqlite:///{tmp_path}/study.db", "study_name": "s", "direction": "minimize", "n_trials": 5}
    config = OmegaConf.create({"objective": "loss", "hydra": {"sweep": {"dir": str(tmp_path)}, "sweeper": sweeper}})
    OmegaConf.set_readonly(config, True)
    return config


def begun(config, *, complete):
    """A study with some complete trials and one that a process left behind."""
    study = optuna.create_study(storage=config.hydra.sweeper.storage, study_name="s")
    for number in range(complete + 1):
        trial = study.ask({"x": UniformDistribution(0, 1)})
        if number < complete:
            study.tell(trial, trial.params["x"])
    return study, trial.params


def test_what_was_interrupted_comes_first_and_only_what_is_missing_is_asked_for(config):
    study, left = begun(config, complete=2)
    Study().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 3
    study = optuna.load_study(storage=config.hydra.sweeper.storage, study_name="s")  # the first one has its own memory
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING]
    assert study.ask({"x": UniformDistribution(0, 1)}).params == left


def test_a_finished_study_asks_for_nothing(config):
    begun(config, complete=6)
    Study().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 0


def test_a_trial_of_another_process_at_work_is_left_alone(config, tmp_path):
    study, _ = begun(config, complete=1)
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "here\n"
        Study().on_multirun_start(config)
        other.communicate("\n")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.RUNNING]
    assert config.hydra.sweeper.n_trials == 3


def test_a_search_must_name_its_objective(config, capsys):
    with pytest.raises(SystemExit) as left:
        Study().on_multirun_start(OmegaConf.merge(config, {"objective": None}))
    assert left.value.code == 2
    assert "objective=" in capsys.readouterr().err
