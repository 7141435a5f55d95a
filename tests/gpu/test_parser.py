"""On a CUDA device: `pytest -m gpu tests/gpu`. Faces are corrupted and parsed as on the CPU, and the parser trains there."""

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from vera.data.procedural import ProceduralFaces
from vera.training.runs.run import train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
CUDA = torch.device("cuda")


def config(*overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", ["experiment=smoke_parser", "run.folder=/tmp/unused", *overrides])


def test_a_corrupted_face_is_the_cpus_and_so_is_what_is_seen_in_it():
    module = instantiate(config("segmenter.size=64").stage.module, _convert_="all").objective
    samples = [ProceduralFaces(size=64, count=8, seed=1)[n] for n in range(8)]
    images = torch.stack([s["image"] for s in samples]).float() / 127.5 - 1
    labels = torch.stack([s["labels"] for s in samples])
    numbers = torch.rand(8, module.corruption.numbers), torch.randn(8, module.corruption.normals(64))
    expected = module.corruption(images, labels, *numbers)
    got = module.corruption(images.to(CUDA), labels.to(CUDA), *(n.to(CUDA) for n in numbers))
    assert float((got[0].cpu() - expected[0]).abs().mean()) < 1e-3
    assert float((got[1].cpu() == expected[1]).float().mean()) > 0.999
    network = module.network.eval()
    with torch.no_grad():
        logits = network(images)
        there = network.to(CUDA)(images.to(CUDA)).cpu()
    assert float((there - logits).norm() / logits.norm()) < 1e-2


def test_training_in_bfloat16_goes_on_where_it_stopped(tmp_path):
    common = ["trainer=gpu", "trainer.devices=1", "trainer.precision=bf16-mixed", f"run.folder={tmp_path}"]
    train(config(*common, "images=64"))
    last = train(config(*common, "images=128", "run.resume=auto"))
    checkpoint = torch.load(last, weights_only=True, map_location="cpu")
    assert checkpoint["vera"]["images_seen"] == 128
    assert all(torch.isfinite(value).all() for value in checkpoint["vera"]["ema"].values() if value.is_floating_point())
