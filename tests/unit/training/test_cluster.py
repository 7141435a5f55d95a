"""One owner of the signals: the run keeps them while it trains, hands on what stopped it, and Lightning has none of it."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from pytorch_lightning.utilities import rank_zero_only

from vera.training.callbacks.snapshots import Snapshots
from vera.training.runs.run import environment, hand_on, own_processes

SLURM = {
    "SLURM_NTASKS": "16", "SLURM_NTASKS_PER_NODE": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "1234", "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "node[1-2]",
}  # fmt: skip


@pytest.fixture
def slurm(monkeypatch):
    for key, value in SLURM.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_outside_of_slurm_lightning_chooses_for_itself():
    assert environment() == []


def test_under_slurm_lightning_does_not_requeue(slurm):
    (one,) = environment()
    assert not one.auto_requeue
    assert (one.world_size(), one.global_rank(), one.local_rank()) == (16, 9, 1)


def test_torchrun_within_slurm_stays_torchruns(slurm, monkeypatch):
    for key in ("RANK", "GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(key, "0")
    assert environment() == []


def test_two_nodes_of_eight_devices_are_sixteen_processes_and_lightning_takes_no_signal(slurm, handlers, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)  # a Trainer sets it for the whole process
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose("train", ["trainer=slurm", "run.folder=/tmp/unused"])
    trainer = instantiate(config.trainer, logger=False, plugins=environment(), accelerator="cpu")
    assert (trainer.world_size, trainer.num_nodes, trainer.global_rank) == (16, 2, 9)
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    trainer._signal_connector.register_signal_handlers()
    assert {number: signal.getsignal(number) for number in before} == before
    trainer._signal_connector.teardown()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_run_keeps_a_signal_until_it_has_saved_and_hands_it_on(tmp_path, handlers, name, monkeypatch):
    number, waiting = getattr(signal, name), []
    signal.signal(number, lambda received, frame: waiting.append(received))  # as submitit's
    snapshots = Snapshots(folder=tmp_path, every=8)
    monkeypatch.setattr("vera.training.callbacks.snapshots.save_checkpoint", lambda trainer, path: path.write_text("saved"))
    trainer = SimpleNamespace(world_size=1, should_stop=False)
    module = SimpleNamespace(images_seen=4, schedule=SimpleNamespace(total=100), device=torch.device("cpu"))
    snapshots.on_train_start(trainer, module)
    signal.raise_signal(number)
    assert not waiting
    snapshots.on_train_batch_end(trainer, module, None, {"image": torch.zeros(4, 1)}, 0)
    assert trainer.should_stop
    assert (tmp_path / "last.ckpt").is_file()
    snapshots.on_train_end(trainer, module)
    assert snapshots.interrupted == number
    hand_on(snapshots.interrupted)
    assert waiting == [number]


def test_a_signal_for_which_nobody_waits_is_not_raised_again(handlers):
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    hand_on(signal.SIGUSR1)  # its default would end the process
    hand_on(signal.SIGINT)  # Python's own is the KeyboardInterrupt that follows anyway


def test_a_run_leaves_no_processes_names_behind(monkeypatch):
    names = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is put back at the end, also where it was not set
        monkeypatch.delenv(name)
    monkeypatch.setenv("MASTER_PORT", "1")
    with own_processes():
        os.environ.update(dict.fromkeys(names, "7"))
    assert {name: os.environ[name] for name in names if name in os.environ} == {"MASTER_PORT": "1"}
    monkeypatch.setenv("LOCAL_RANK", "0")  # started by another
    with own_processes():
        os.environ["WORLD_SIZE"] = "2"
    assert os.environ["WORLD_SIZE"] == "2"
