import numpy as np
import pytest
import torch

from vera.evaluation.metrics.frechet import FrechetDistance, Statistics, frechet
from vera.features.pooled import Lite0Features, PooledFeatures
from vera.types import VeraError


class Pixels(PooledFeatures):
    """An image's 12 values as its vector."""

    name, short, dimension = "pixels", "pixels", 12

    def forward(self, images):
        return images.flatten(1)


def images(count, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(12, 12, generator=generator)
    return ((torch.randn(count, 12, generator=generator) @ mixing) / 20 + shift).view(count, 3, 2, 2)


def measured(real, made, **kwargs):
    metric = FrechetDistance(Pixels(), **kwargs)
    for batch in real.split(7):
        metric.update(batch, real=True)
    for batch in made.split(5):
        metric.update(batch, real=False)
    return metric


def test_two_gaussians_in_closed_form():
    a, b = torch.rand(6, dtype=torch.float64) + 0.1, torch.rand(6, dtype=torch.float64) + 0.1
    mean = torch.arange(6.0, dtype=torch.float64)
    expected = mean.square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    torch.testing.assert_close(frechet(mean, a.diag(), torch.zeros_like(mean), b.diag()), expected)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    turned = [rotation @ m.diag() @ rotation.T for m in (a, b)]
    torch.testing.assert_close(frechet(mean, turned[0], torch.zeros_like(mean), turned[1]), expected)


def test_agrees_with_torch_fidelity():
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    real, made = images(60, 1), images(50, 2, shift=0.1)

    def statistics(x):
        vectors = x.flatten(1).double().numpy()
        return {"mu": vectors.mean(0), "sigma": np.cov(vectors, rowvar=False)}

    expected = fidelity.fid_statistics_to_metric(statistics(real), statistics(made), False)["frechet_inception_distance"]
    assert measured(real, made).compute().item() == pytest.approx(expected, rel=1e-6)


def test_zero_for_the_same_images_even_when_they_are_few():
    real = images(5, 3)
    assert measured(real, real.flip(0)).compute().item() < 1e-6
    assert measured(real, images(5, 3, shift=0.2)).compute().item() == pytest.approx(12 * 0.04, rel=1e-3)


def test_reference_statistics_stand_for_the_real_images(tmp_path):
    real, made = images(30, 4), images(30, 5)
    both = measured(real, made)
    both.statistics(real=True, source="drawn, PNG").save(tmp_path / "reference.safetensors")
    loaded = Statistics.load(tmp_path / "reference.safetensors")
    assert (loaded.count, loaded.source, loaded.features) == (30, "drawn, PNG", "pixels")
    alone = FrechetDistance(Pixels(), reference=loaded)
    alone.update(made, real=False)
    torch.testing.assert_close(alone.compute(), both.compute())
    with pytest.raises(VeraError, match="real side is given"):
        alone.update(real, real=True)


def test_statistics_that_do_not_fit_are_refused(tmp_path):
    statistics = measured(images(9, 6), images(9, 7)).statistics(real=True, source="drawn, PNG")
    with pytest.raises(VeraError, match="source"):
        Statistics(statistics.mean, statistics.covariance, 9, "pixels").save(tmp_path / "x")
    with pytest.raises(VeraError, match="with this network"):
        FrechetDistance(Lite0Features(side=32, pretrained=False), reference=statistics)
    statistics.save(tmp_path / "x")
    content = bytearray((tmp_path / "x").read_bytes())
    content[-3] ^= 1
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(VeraError, match="altered"):
        Statistics.load(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(VeraError, match="damaged"):
        Statistics.load(tmp_path / "x")
    with pytest.raises(VeraError, match="no reference statistics"):
        Statistics.load(tmp_path / "absent")


def test_statistics_are_written_whole_and_readable_by_others(tmp_path, monkeypatch):
    statistics = measured(images(9, 6), images(9, 7)).statistics(real=True, source="drawn, PNG")
    statistics.save(tmp_path / "kept")
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o644
    before = (tmp_path / "kept").read_bytes()

    def stops_in_the_middle(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("vera.files.os.fsync", stops_in_the_middle)
    with pytest.raises(VeraError, match="no space left"):
        statistics.save(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_too_few_images_are_refused():
    with pytest.raises(VeraError, match="at least two generated"):
        measured(images(4, 8), images(1, 9)).compute()


def test_only_inception_makes_it_the_fid():
    features = Lite0Features(side=32, pretrained=False)
    metric = FrechetDistance(features)
    assert metric.name == "frechet_lite0"
    metric.update(torch.rand(3, 3, 20, 24), real=True)
    metric.update(torch.rand(3, 3, 20, 24), real=False)
    assert torch.isfinite(metric.compute())
    features.short = "inception"
    assert metric.name == "fid"
