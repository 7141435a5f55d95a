"""The benchmark of the generator: what it reports, and that what it times is the training's own iteration, on equal networks."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from benchmarks import busy
from benchmarks.generator import Pair, made_up
from benchmarks.memory import peak_bytes
from benchmarks.networks import configuration, ours, published
from benchmarks.operations import flops, seconds_in_products
from benchmarks.start import CALLS
from benchmarks.timing import interleaved

from vera.generator.published import Checkpoint, load_discriminator, load_generator

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stage():
    return configuration(size=64, classes=13, narrow=32, compiled=False, checkpointing=False)


@pytest.mark.slow
def test_the_benchmark_reports_lines_and_ratios():
    command = [sys.executable, "-m", "benchmarks.generator", "--size", "64", "--narrow", "32", "--repeats", "1", "--against", "reference"]
    done = subprocess.run([*command, "--threads", "1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    measured = {(line["measure"], line["network"]): line for line in lines}
    assert len(measured) == len(lines)
    for measure in ("forward", "forward and backward", "training iteration", "memory of the local generators", "memory of an iteration"):
        assert {name for what, name in measured if what == measure} == {"vera", "reference"}
    assert all({"torch", "threads", "device", "commit", "date", "size", "batch", "precision"} <= line.keys() for line in lines)
    assert last.keys() == {"summary"}
    assert last["summary"].keys() == {"forward", "training_iteration", "local_memory"}
    d, r1, g, path = (measured[f"phase {phase}", "vera"]["seconds"] for phase in ("discriminator", "r1", "generator", "path"))
    expected = d + r1 / 16 + g + path / 4 + measured["average", "vera"]["seconds"]
    assert measured["training iteration", "vera"]["seconds"] == pytest.approx(expected, abs=1e-4)
    assert measured["training iteration", "vera"]["flops"] < measured["training iteration", "reference"]["flops"]
    for what in ("forward", "forward and backward"):
        inside = measured[f"convolutions of {what}", "vera"]
        assert 0 < inside["share_of_the_time"] < 1
        assert inside["share_of_the_matrix_product"] > 0
    memory = [measured["memory of the local generators", name]["peak_bytes"] for name in ("vera", "reference")]
    assert last["summary"]["local_memory"] == pytest.approx(memory[0] / memory[1], abs=1e-3)


def test_the_busy_machine_is_compared_in_turns(monkeypatch, tmp_path):
    took = {"now": 2.0, "before": 8.0, "one thread": 2.5}
    asked = []

    def seconds(photograph, out, options, environment, *, root):
        if root == tmp_path:
            assert options == []
            return 7.0
        asked.append(environment)
        return took[next(way for way, settings in busy.WAYS.items() if settings == environment)]

    monkeypatch.setattr(busy, "_seconds", seconds)
    line = busy._line(Path("x.jpg"), "exemplars", 1, 2)
    assert asked == [*busy.WAYS.values()] * 2
    assert (line["busy"], line["seconds"], line["now_over_before"], line["now_over_one_thread"]) == (1, took, 0.25, 0.8)
    line = busy._line(Path("x.jpg"), "exemplars", 1, 1, tmp_path)
    assert (line["seconds"], line["earlier_over_now"]) == ({**took, "earlier": 7.0}, 3.5)
    with busy.computing(2) as others:
        assert [other.poll() for other in others] == [None, None]
    assert all(other.poll() for other in others)


class OneBatch(pl.LightningDataModule):
    def __init__(self, sample):
        super().__init__()
        self.sample, self.batch_size = sample, len(sample["image"])

    def train_dataloader(self):
        return torch.utils.data.DataLoader([self.sample], batch_size=None)


def test_an_iteration_is_the_training_modules_step(stage):
    torch.manual_seed(0)
    module = ours(stage, CPU)
    faces = made_up(4, 64, 13, CPU)
    trained = copy.deepcopy(module)
    settings = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", max_epochs=1, **settings)
    trainer.fit(trained, datamodule=OneBatch(faces.sample))

    pair = Pair(module, faces, bf16=False)
    for phase in module.objective.phases:
        pair.phase(phase)
    pair.average()
    for expected, got in ((trained.objective, module.objective), (trained.ema.network, module.ema.network)):
        for (name, a), (_, b) in zip(expected.named_parameters(), got.named_parameters(), strict=True):
            assert torch.equal(a, b), name


def test_both_pairs_of_networks_have_the_same_losses(stage):
    torch.manual_seed(0)
    reference = published(stage, CPU)
    g, d = reference.objective.generator, reference.objective.discriminator
    with torch.no_grad():
        for parameter in (*g.parameters(), *d.parameters()):
            if not parameter.any():
                parameter.normal_(std=0.1)
    args = {"size": 64, "residual_refine": True, "transparent_dims": [10, 12], "base_layers": 2, "depth_layers": 6, "min_feat_size": 16}
    read = Checkpoint(Path("none.pt"), "", args, {"g_ema": g.state_dict(), "d": d.state_dict()})
    module = ours(stage, CPU)
    module.objective.generator.load_state_dict(load_generator(read).state_dict())
    module.objective.discriminator.load_state_dict(load_discriminator(read).state_dict())
    faces = made_up(4, 64, 13, CPU)
    for mine, theirs in zip(module.objective.phases, reference.objective.phases, strict=True):
        assert mine.loss(faces)[0].item() == pytest.approx(theirs.loss(faces)[0].item(), rel=1e-3), mine.name


def test_peak_memory_of_known_allocations():
    def three_megabytes():
        a = torch.ones(250_000)
        b = a + 1
        del a
        c = b + 1
        d = c + 1
        return b, d

    assert peak_bytes(three_megabytes, CPU) == pytest.approx(3e6, rel=1e-3)


def test_operations_of_a_gradient_penalty():
    weight, x = torch.randn(8, 4, 3, 3, requires_grad=True), torch.randn(2, 4, 10, 10, requires_grad=True)

    def penalty():
        (gradient,) = torch.autograd.grad(F.conv2d(x, weight, padding=1).square().sum(), x, create_graph=True)
        gradient.square().sum().backward()

    once = 2 * 2 * 8 * 4 * 9 * 100
    assert flops(penalty) == 6 * once  # forward, its gradient, two second derivatives of that, two first ones


def test_the_time_in_products_is_not_counted_twice_and_leaves_out_the_rest():
    a = torch.randn(700, 700)
    with_products, everything = seconds_in_products(lambda: (a @ a).sin())
    assert 0 < with_products < everything
    assert seconds_in_products(lambda: a.sin())[0] == 0


def test_calls_take_turns_after_one_that_does_not_count():
    calls = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2, device=CPU)
    assert "".join(calls) == "ababab"
    assert [len(times[name].wall) for name in "ab"] == [2, 2]


def test_the_benchmark_of_the_start_reports_ratios_to_a_revision():
    command = [sys.executable, "-m", "benchmarks.start", "--before", "HEAD", "--repeats", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["call"] for line in lines] == list(CALLS)
    for line in lines:
        assert line["ratio"] == last[line["call"]] == pytest.approx(line["seconds"]["now"] / line["seconds"]["before"], rel=0.05)
    assert "before" not in subprocess.run(["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
