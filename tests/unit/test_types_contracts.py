import numpy as np
import pytest
import torch

from vera.types import (
    AlignedFace,
    Anonymized,
    LatentCodes,
    Photograph,
    Semantic,
    VeraError,
    image_to_tensor,
    tensor_to_image,
    to_probabilities,
)


def test_bytes_survive_the_round_trip():
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(tensor_to_image(image_to_tensor(every)), every)


def test_probabilities_of_an_unbounded_segmentation():
    p = to_probabilities(torch.tensor([[[[3.0]], [[-5.0]], [[1.0]]]]))
    torch.testing.assert_close(p.flatten(), torch.tensor([2.0, 0.0, 1.0]) / 3, atol=1e-5, rtol=0)


def test_the_way_back_is_exact():
    face = AlignedFace(torch.zeros(3, 8, 8), np.array([[2.0, -0.5, 30], [0.5, 2.0, -7]]), np.zeros((68, 2)))
    forth, back = face.to_photograph, face.from_photograph
    point = np.array([3.0, 5.0])
    there = forth[:, :2] @ point + forth[:, 2]
    np.testing.assert_allclose(back[:, :2] @ there + back[:, 2], point)


def test_unknown_class_names_the_known_ones():
    assert Semantic.named(" Mouth ") is Semantic.MOUTH
    with pytest.raises(VeraError, match="mouth"):
        Semantic.named("teeth")


def test_rows_of_classes():
    assert LatentCodes.rows([Semantic.SKIN, Semantic.EARRINGS]) == [4, 5, 26, 27]


def test_results_are_shown_in_a_line():
    pixels, some = np.zeros((20, 10, 3), dtype=np.uint8), np.arange(20)[:, None].repeat(10, 1) < 5
    assert repr(Anonymized("one", pixels, some, ~some)) == "Anonymized('one', 10 x 20, 25.0% preserved, 75.0% replaced)"
    assert repr(Photograph(pixels, "one", "")) == "Photograph('one', 10 x 20)"
