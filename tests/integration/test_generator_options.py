"""Options of stage 1 that change speed and memory but not what is trained: precision, compilation, checkpointing."""

import pytest
import torch
from hydra import compose, initialize_config_module
from tests.integration.equal_runs import DOUBLE, assert_equal_runs

from vera.training.objectives import gan as adversaries
from vera.training.runs.run import train

RUN = [
    "experiment=smoke_generator", "batch_size=4", "images=12", "~callbacks.progress", "optim.lr=2e-3", "optim.eps=0.1",
    "~callbacks.curve", "~callbacks.sheet", "~callbacks.throughput",
    "stage.r1_every=2", "stage.path_every=2", "stage.path_shrink=1",
]  # fmt: skip
CHECKPOINTING = ["stage.checkpointing=true", "discriminator.checkpointing=true"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    def weights(*overrides):
        folder = tmp_path_factory.mktemp("run")
        with initialize_config_module("vera.conf", version_base="1.3"):
            last = train(compose("train", [*RUN, *overrides, f"run.folder={folder}"]))
        return torch.load(last, weights_only=True)["state_dict"]

    return weights


@pytest.fixture(scope="module")
def plain(run):
    return run(DOUBLE)


def furthest(a, b):
    return max(float((a[name].float() - b[name].float()).abs().max()) for name in a if a[name].numel())


def test_checkpointing_changes_memory_only(run, plain):
    assert_equal_runs(plain, run(DOUBLE, *CHECKPOINTING))


def test_bfloat16_spares_the_phases_that_differentiate_twice(run, plain, monkeypatch):
    seen = {}

    def watch(name):
        original = getattr(adversaries.Adversaries, name)

        def phase(self, faces):
            seen[name] = torch.is_autocast_enabled("cpu")
            return original(self, faces)

        monkeypatch.setattr(adversaries.Adversaries, name, phase)

    for name in ("discriminate", "penalise_gradients", "generate", "penalise_paths"):
        watch(name)
    got = run("trainer.precision=bf16-mixed")
    assert seen == {"discriminate": True, "penalise_gradients": False, "generate": True, "penalise_paths": False}
    assert all(value.dtype == torch.float32 for value in got.values())
    assert 1e-6 < furthest(got, plain) < 6e-3  # three steps of 2e-3 at most


@pytest.mark.slow
def test_compiled_networks_train_alike(run, plain):
    assert furthest(run(DOUBLE, "stage.compiler=aot_eager"), plain) < 1e-5
