"""Stage 1 on procedural faces at tiny size: resume, signals, accumulation, what stops a run, what it leaves behind."""

import csv
import os
import signal

import pytest
import torch
from hydra import compose, initialize_config_module
from tests.integration.equal_runs import DOUBLE, assert_equal_runs

from vera import bundle
from vera.faces.parser_choice import shipped_parser
from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.training.export.api import Statement, export
from vera.training.export.autoencoder import BankSettings
from vera.training.objectives.gan import Adversaries
from vera.training.runs.run import train
from vera.types import VeraError

TINY = ["experiment=smoke_generator", "batch_size=8", "~callbacks.progress"]
QUIET = ["~callbacks.curve", "~callbacks.sheet", "~callbacks.throughput"]
# Adam's step is no longer a sign: rounding stays rounding.
LARGE_EPS = ["optim.lr=2e-3", "optim.eps=0.1"]
# Every phase several times in six steps, and a strength that moves.
BUSY = [
    "augmentation=adaptive", "augmentation.strength.interval=8", "augmentation.strength.speed=64",
    "stage.r1_every=3", "stage.path_every=2",
]  # fmt: skip


def composed(folder, *overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", [*TINY, f"run.folder={folder}", *overrides])


def everything(path):
    """All tensors of a checkpoint by name, and the rest of its state."""
    checkpoint = torch.load(path, weights_only=True)
    tensors = {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}
    for side, optimizer in enumerate(checkpoint["optimizer_states"]):
        tensors |= {f"adam{side}/{n}/{k}": v for n, state in optimizer["state"].items() for k, v in state.items()}
    return tensors, {k: v for k, v in checkpoint["vera"].items() if k != "ema"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The checkpoint of an uninterrupted run."""
    return train(composed(tmp_path_factory.mktemp("whole"), "images=48", *QUIET, *BUSY))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_preempted_and_resumed_equals_uninterrupted(tmp_path, monkeypatch, whole, number):
    generate = Adversaries.generate

    def preempted(self, faces):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), number)  # in the middle of a step
        return generate(self, faces)

    calls: list[int] = []
    monkeypatch.setattr(Adversaries, "generate", preempted)
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        train(composed(tmp_path / "part", "images=48", "trainer.log_every_n_steps=1", *QUIET, *BUSY))
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == handlers
    monkeypatch.undo()
    assert everything(tmp_path / "part" / "last.ckpt")[1]["images_seen"] == 24
    resumed = train(composed(tmp_path / "part", "images=48", "run.resume=auto", *QUIET, *BUSY))
    assert (tmp_path / "part" / "metrics.1.csv").is_file()  # the log of the first half is kept

    (expected, first), (got, second) = everything(whole), everything(resumed)
    assert first == second
    assert first["images_seen"] == 48
    assert first["strength"]["strength"] > 0
    assert expected["game.path_mean"] > 0
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_accumulated_micro_batches_equal_the_whole_batch(tmp_path):
    runs = [
        train(composed(tmp_path / str(size), "images=16", DOUBLE, *LARGE_EPS, f"stage.per_device={size}", *QUIET, *BUSY)) for size in (4, 8)
    ]
    (first, _), (second, _) = map(everything, runs)
    assert_equal_runs(first, second)


def test_a_non_finite_gradient_stops_before_the_step(tmp_path, monkeypatch):
    generate = Adversaries.generate

    def poisoned(self, faces):
        loss, terms = generate(self, faces)
        calls.append(1)
        return loss * (torch.nan if len(calls) == 3 else 1.0), terms

    calls: list[int] = []
    monkeypatch.setattr(Adversaries, "generate", poisoned)
    with pytest.raises(VeraError, match="loss of the generator phase is nan after 16 images; no step was taken"):
        train(composed(tmp_path, "images=48", "callbacks.snapshots.every=8", *QUIET))
    tensors, rest = everything(tmp_path / "last.ckpt")
    assert rest["images_seen"] == 16
    assert all(torch.isfinite(value).all() for value in tensors.values())


def test_impossible_micro_batches_are_refused(tmp_path):
    with pytest.raises(VeraError, match="multiple of the micro-batch"):
        train(composed(tmp_path, "images=48", "stage.per_device=2", *QUIET))


def test_what_a_run_leaves_behind(tmp_path):
    every = [f"callbacks.{name}.every=8" for name in ("throughput", "snapshots", "sheet", "curve")]
    few = ["callbacks.curve.images=8", "callbacks.curve.batch=4", "callbacks.curve.keep=2", "callbacks.sheet.faces=3"]
    train(composed(tmp_path, "images=32", "trainer.log_every_n_steps=1", "callbacks.throughput.skip=1", *every, *few))

    with (tmp_path / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    logged = {name: [(int(row["step"]), float(row[name])) for row in rows if row[name]] for name in rows[0]}
    assert [step for step, _ in logged["frechet_lite0"]] == [0, 8, 16, 24, 32]
    assert [step for step, _ in logged["loss/generator"]] == [8, 16, 24, 32]
    assert len({value for _, value in logged["loss/r1"]}) == 1  # one step of sixteen: until the next, the log repeats it
    assert len({value for _, value in logged["loss/mask"]}) == 4
    assert [step for step, _ in logged["speed/images_per_second"]] == [16, 24, 32]
    assert all(speed > 0 for _, speed in logged["speed/images_per_second"])
    assert all(0.05 < gib < 64 for _, gib in logged["memory/peak_gib"])
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [f"{n:08d}.png" for n in (8, 16, 24, 32)]

    best = sorted(value for step, value in logged["frechet_lite0"] if step)[:2]
    kept = sorted((tmp_path / "top").iterdir())
    assert [float(p.name.split("-")[0]) for p in kept] == pytest.approx(best, abs=1e-4)
    assert everything(kept[0])[1]["images_seen"] == int(kept[0].stem.split("-")[1])


def test_a_run_starts_from_bundles_whatever_its_configuration_says(tmp_path):
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose("train", ["generator=tiny"])
    other = {**config.generator, "latent": 12}
    torch.manual_seed(5)
    generator, discriminator = Generator(**other), Discriminator(size=32, classes=13, channels={4: 4, 8: 4, 16: 4, 32: 4}, group=4)
    stated = {"provenance": {}, "licence": "CC0", "card": "", "dtype": torch.float32}
    bundle.save(tmp_path / "g", generator, **stated)
    bundle.save(tmp_path / "d", discriminator, **stated)
    starts = [f"stage.start.generator={tmp_path / 'g'}", f"stage.start.discriminator={tmp_path / 'd'}"]
    last = train(composed(tmp_path / "run", "images=8", "optim.lr=1e-6", *starts, *QUIET))
    tensors, rest = everything(last)
    assert rest["networks"]["generator"]["config"]["latent"] == 12
    for side, network in (("generator", generator), ("discriminator", discriminator)):
        moved = [(tensors[f"game.{side}.{name}"] - value).abs().max() for name, value in network.named_parameters() if value.numel()]
        assert 0 < max(moved) < 1e-5
    with pytest.raises(VeraError, match="not of a discriminator"):
        train(composed(tmp_path / "again", "images=8", f"stage.start.discriminator={tmp_path / 'g'}", *QUIET))
    with pytest.raises(VeraError, match="bundle of Segmenter, not of a discriminator"):
        train(composed(tmp_path / "again", "images=8", f"stage.start.discriminator={shipped_parser()}", *QUIET))
    assert not (tmp_path / "again").exists()


def test_the_averaged_generator_and_its_discriminator_become_bundles(tmp_path):
    last = train(composed(tmp_path / "run", "images=16", *QUIET))
    options = {
        "checkpoint": "last.ckpt", "statement": Statement(licence="CC0", card="# tiny", data="procedural"),
        "bank": BankSettings(identities=4, seed=0, pattern=None), "exact": True,
    }  # fmt: skip
    export(tmp_path / "run", tmp_path / "g", discriminator=tmp_path / "d", **options)
    generator, discriminator = bundle.load(tmp_path / "g"), bundle.load(tmp_path / "d")
    tensors, _ = everything(last)
    assert isinstance(generator, Generator)
    assert generator.info.provenance["images_seen"] == 16
    for network, prefix in ((generator, "ema/"), (discriminator, "game.discriminator.")):
        assert all(torch.equal(value, tensors[prefix + name]) for name, value in network.state_dict().items())
    codes = generator.map(torch.randn(4, generator.latent), {})
    made = generator(codes)
    assert discriminator(made.image, made.segmentation).shape == (4,)
    assert generator.mean_code(count=50).shape == (generator.latent,)
    with pytest.raises(VeraError, match="draws its own"):
        export(tmp_path / "run", tmp_path / "h", discriminator=None, **{**options, "bank": BankSettings(identities=4, seed=0, pattern="*")})
