"""CLIP's image encoder from an ONNX file: what the network is given, and what is no such file."""

import pytest
import torch

from vera.features.clip import MEAN, SCALE, ClipFeatures
from vera.types import VeraError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")


def network(path, *nodes, shape):
    """A small network on images of 4 pixels."""
    values = [onnx.helper.make_tensor_value_info(name, 1, size) for name, size in (("in", ["n", 3, 4, 4]), ("out", shape))]
    graph = onnx.helper.make_graph([onnx.helper.make_node(*node) for node in nodes], "small", values[:1], values[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]), path)
    return path


def test_images_are_given_as_clip_was_trained(tmp_path):
    nodes = (("GlobalAveragePool", ["in"], ["pooled"]), ("Flatten", ["pooled"], ["out"]))
    features = ClipFeatures(network(tmp_path / "vit.onnx", *nodes, shape=["n", 3]), side=4)
    assert (features.short, features.dimension) == ("clip", 3)
    assert "'vit', bicubic antialiased to 4" in features.name
    found = features(torch.tensor([1.0, -1.0, 0.2]).view(1, 3, 1, 1).expand(2, 3, 16, 16))
    expected = (torch.tensor([1.0, 0.0, 153 / 255]) - torch.tensor(MEAN)) / torch.tensor(SCALE)
    torch.testing.assert_close(found, expected.expand(2, 3))


def test_a_network_without_vectors_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(VeraError, match="not one vector an image"):
        ClipFeatures(network(tmp_path / "maps.onnx", ("Relu", ["in"], ["out"]), shape=["n", 3, 4, 4]), side=4)
    with pytest.raises(VeraError, match="no ONNX network at"):
        ClipFeatures(tmp_path / "none.onnx")
