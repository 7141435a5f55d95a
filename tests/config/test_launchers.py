"""Every launcher and every logger composes, is built, and does what a run needs of it."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

CONF = Path(__file__).parents[2] / "conf"


def options(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed(*overrides, **keywords):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", list(overrides), **keywords)


@pytest.mark.parametrize("name", options("hydra/launcher"))
def test_launchers_are_built(name):
    config = composed(f"hydra/launcher={name}", "sweep=grid", "trainer=slurm", return_hydra_config=True)
    launcher = instantiate(config.hydra.launcher)
    if name == "parallel":
        assert launcher.joblib["n_jobs"] == 2
    else:
        assert launcher.params["timeout_min"] == 24 * 60
        assert launcher.params["submitit_folder"] == "multirun/grid/.submitit/%j"
    if name == "slurm":
        assert [launcher.params[key] for key in ("nodes", "tasks_per_node", "gpus_per_node")] == [2, 8, 8]
        alone = composed("hydra/launcher=slurm", "trainer=gpu", return_hydra_config=True).hydra.launcher
        assert [alone[key] for key in ("nodes", "tasks_per_node", "gpus_per_node")] == [1, 1, 1]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name == "wandb" else ()) for name in options("logger")])
def test_loggers_write_into_the_runs_folder_without_an_account(name, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    config = composed(f"logger={name}", f"run.folder={tmp_path}")
    logger = instantiate(config.logger)
    logger.log_metrics({"loss/total": 1.5}, step=8)
    logger.save()
    logger.finalize("success")
    found = {"csv": "metrics.csv", "tensorboard": "events.out.tfevents.*", "wandb": "wandb/offline-run-*"}
    assert list(tmp_path.glob(found[name]))
    if name == "wandb":
        assert logger.experiment.offline
        logger.experiment.finish()


def test_the_runs_of_a_sweep_are_one_group(tmp_path):
    assert composed("logger=wandb", "sweep=grid", f"run.folder={tmp_path}").logger.group == "grid"
    assert composed("logger=wandb", f"run.folder={tmp_path}").logger.group is None
