"""On a CUDA device: `pytest -m gpu tests/gpu`. The same networks give the same results as on the CPU, and train there."""

import csv
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from vera.generator.augmentation import Augmentation
from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.generator.projected import ProjectedDiscriminator
from vera.inversion.autoencoder import Autoencoder
from vera.rng import Draws

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
CUDA = torch.device("cuda")
GPU = ["trainer=gpu", "trainer.devices=1", "~callbacks.progress", "trainer.log_every_n_steps=1"]


def config(*overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", ["run.folder=/tmp/unused", *overrides])


@pytest.fixture(autouse=True)
def exact():
    """Full float32 products: what is compared is the code, not the tensor cores."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def relative(a, b):
    return float((a.cpu().double() - b.cpu().double()).norm() / b.cpu().double().norm())


@pytest.mark.parametrize("name", ["clinical", "px256"])
def test_the_generator_makes_what_it_makes_on_the_cpu(name):
    torch.manual_seed(0)
    network = Generator(**OmegaConf.to_container(config(f"generator={name}", "generator.mapping_layers=8").generator)).eval()
    codes = network.map(torch.randn(2, network.latent), {})
    with torch.no_grad():
        expected = network(codes)
        got = network.to(CUDA)(codes.map(lambda t: t.to(CUDA)))
    assert relative(got.image, expected.image) < 1e-4
    assert relative(got.segmentation, expected.segmentation) < 1e-4


def test_encoder_and_discriminators_do_what_they_do_on_the_cpu():
    torch.manual_seed(0)
    c = config()
    autoencoder = Autoencoder(
        generator=OmegaConf.to_container(c.generator), encoder={**OmegaConf.to_container(c.encoder), "pretrained": False}, bank=0
    ).eval()
    images, segmentations = torch.randn(4, 3, 256, 256).clamp(-1, 1), torch.softmax(torch.randn(4, 13, 256, 256), dim=1)
    plain = Discriminator(size=256, classes=13, channels={4: 16, 8: 16, 16: 16, 32: 16, 64: 16, 128: 8, 256: 8}, group=4)
    projected = ProjectedDiscriminator(classes=13, resolution=256, channels=[16, 16, 16, 16], width=16, pretrained=False)
    with torch.no_grad():
        expected = autoencoder.encode(images, segmentations).local, plain(images, segmentations), projected(images, segmentations)
        there = images.to(CUDA), segmentations.to(CUDA)
        got = autoencoder.to(CUDA).encode(*there).local, plain.to(CUDA)(*there), projected.to(CUDA)(*there)
    for a, b in zip(got, expected, strict=True):
        assert relative(a, b) < 1e-3


def test_the_same_indices_draw_the_same_numbers_and_the_augmentation_is_the_cpus():
    draws = Draws(3, CUDA)
    first = draws.normal("a", [5, 6, 7], 4)
    assert torch.equal(first[1:], draws.normal("a", [6, 7], 4))
    augmentation = Augmentation(operations=["flip", "rotation", "scale", "hue", "brightness"])
    images, segmentations = torch.rand(3, 3, 64, 64) * 2 - 1, torch.rand(3, 13, 64, 64) * 2 - 1
    uniform = torch.rand(3, augmentation.numbers)
    expected = augmentation(images, segmentations, 0.8, uniform)
    got = augmentation(images.to(CUDA), segmentations.to(CUDA), 0.8, uniform.to(CUDA))
    assert max(relative(a, b) for a, b in zip(got, expected, strict=True)) < 1e-4


@pytest.mark.parametrize("experiment", ["smoke", "smoke_generator"])
@pytest.mark.parametrize("compiler", ["null", "inductor"])
def test_training_in_bfloat16_goes_on_where_it_stopped(tmp_path, experiment, compiler):
    """As users run it, in processes of their own: compiled code and checks of shapes do not go together."""
    common = [f"experiment={experiment}", *GPU, "trainer.precision=bf16-mixed", "batch_size=8", "data.workers=2"]
    common += [f"stage.compiler={compiler}", "~callbacks.sheet", f"run.folder={tmp_path}"]
    common += ["~callbacks.curve"] if experiment == "smoke_generator" else ["stage.adversary=true", "stage.r1_every=2"]
    for more in (["images=64"], ["images=128", "run.resume=auto"]):
        subprocess.run([sys.executable, "-m", "vera.cli", "train", *common, *more], check=True)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True, map_location="cpu")
    assert checkpoint["vera"]["images_seen"] == 128
    assert all(torch.isfinite(value).all() for value in checkpoint["state_dict"].values() if value.is_floating_point())
    with (tmp_path / "metrics.csv").open() as stream:
        assert [int(row["step"]) for row in csv.DictReader(stream)][-1] == 128
