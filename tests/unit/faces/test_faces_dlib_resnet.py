"""dlib's network computed by PyTorch: the same embeddings as dlib's own, and a clear error for another file."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from vera.faces.detection import dlib_weights, load_dlib
from vera.faces.dlib_resnet import DlibResNet
from vera.types import VeraError

WEIGHTS = dlib_weights("dlib_face_recognition_resnet_model_v1.dat")


def test_embeddings_are_dlibs() -> None:
    """On a face, on noise and on a constant chip: equal to 1e-4 of their length; thresholds have three digits."""
    face = np.ascontiguousarray(data.astronaut()[20:170, 150:300])
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    reference = load_dlib().face_recognition_model_v1(str(WEIGHTS))
    network = DlibResNet(WEIGHTS)
    for chip in (face, noise, np.full_like(face, 255)):
        expected = np.array(reference.compute_face_descriptor(chip))
        assert np.linalg.norm(network.embed(chip) - expected) <= 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("kept", [0, 1000, 20_000, -100_000])
def test_a_damaged_file_is_named(tmp_path: Path, kept: int) -> None:
    """A weight file that is cut off anywhere."""
    path = tmp_path / "cut.dat"
    path.write_bytes(WEIGHTS.read_bytes()[:kept])
    with pytest.raises(VeraError, match=r"cut\.dat does not hold dlib's recognition network"):
        DlibResNet(path)
