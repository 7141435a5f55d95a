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


def packed(*numbers: int) -> bytes:
    """Integers as dlib packs them."""
    return b"".join(bytes([8 + (0x80 if number < 0 else 0)]) + abs(number).to_bytes(8, "little") for number in numbers)


@pytest.mark.parametrize("sides", [(2**62, 2**62, 1, 1), (-1, 1, 1, 1), (0, 1, 1, 1)])
def test_sides_of_no_tensor_are_named(tmp_path: Path, sides: tuple[int, ...]) -> None:
    """A count of numbers beyond any file, and one below 0, which would be all that follow."""
    path = tmp_path / "crafted.dat"
    path.write_bytes(b"\x01\x05con_4" + packed(2, *sides) + bytes(400))
    with pytest.raises(VeraError, match=r"crafted\.dat does not hold dlib's recognition network"):
        DlibResNet(path)


def test_numbers_that_are_not_finite_are_named(tmp_path: Path) -> None:
    """A NaN in a convolution."""
    content = WEIGHTS.read_bytes()
    at = content.index(b"\x01\x05con_4") + 200
    (tmp_path / "nan.dat").write_bytes(content[:at] + b"\xff" * 16 + content[at + 16 :])
    with pytest.raises(VeraError, match=r"nan\.dat does not hold"):
        DlibResNet(tmp_path / "nan.dat")
