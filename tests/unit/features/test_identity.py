"""A recogniser from an ONNX file that the test writes: one linear layer over a grey 4-pixel face."""

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")

from vera.features.identity import OnnxIdentity  # noqa: E402
from vera.features.onnx_network import cut  # noqa: E402
from vera.types import VeraError  # noqa: E402

NORMAL = {"size": 2, "mean": [127.5] * 3, "std": [127.5] * 3}


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    """Its embedding is the left half's mean and the right half's, over all channels."""
    helper = onnx.helper
    weight = np.zeros((12, 2), np.float32)
    weight.reshape(3, 2, 2, 2)[:, :, 0, 0] = weight.reshape(3, 2, 2, 2)[:, :, 1, 1] = 1 / 6
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["face"], ["flat"], axis=1), helper.make_node("MatMul", ["flat", "weight"], ["embedding"])],
        "recogniser",
        [helper.make_tensor_value_info("face", onnx.TensorProto.FLOAT, ["n", 3, 2, 2])],
        [helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    path = tmp_path_factory.mktemp("onnx") / "recogniser.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


def halves(left, right):
    image = torch.full((1, 3, 2, 2), float(left))
    image[..., 1:] = right
    return image


def test_distance_is_one_minus_the_cosine(recogniser):
    network = OnnxIdentity(path=recogniser, **NORMAL)
    torch.testing.assert_close(network.embed(halves(0.6, 0.8)), torch.tensor([[0.6, 0.8]]), atol=1e-5, rtol=0)
    assert network(halves(0.6, 0.8), halves(0.3, 0.4)).item() == pytest.approx(0, abs=1e-5)
    assert network(halves(0.5, 0.0), halves(0.0, 0.5)).item() == pytest.approx(1, abs=1e-5)
    assert network(halves(0.5, 0.5), halves(-0.5, -0.5)).item() == pytest.approx(2, abs=1e-5)


def test_gradients_reach_the_first_image_and_nothing_else(recogniser):
    network = OnnxIdentity(path=recogniser, **NORMAL)
    a, b = halves(0.6, 0.2).requires_grad_(), halves(0.2, 0.6).requires_grad_()
    network(a, b).sum().backward()
    assert a.grad.abs().max() > 0
    assert b.grad is None
    assert not any(p.requires_grad for p in network.parameters())


def test_the_box_is_what_it_looks_at(recogniser):
    image = torch.full((1, 3, 4, 4), -1.0)
    image[..., 1:3, 1:2], image[..., 1:3, 2:3] = 0.6, 0.8
    network = OnnxIdentity(path=recogniser, box=[0.25, 0.25, 0.75, 0.75], **NORMAL)
    torch.testing.assert_close(network.embed(image), torch.tensor([[0.6, 0.8]]), atol=1e-5, rtol=0)
    outside = cut(image, [-0.5, 0.0, 0.5, 1.0], 4)
    assert not outside[..., :2].any()  # grey
    torch.testing.assert_close(outside[..., 2:], image[..., :2])


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(VeraError, match="give the path"):
        OnnxIdentity(path=tmp_path / "none.onnx", **NORMAL)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(VeraError, match="choose another network"):
        OnnxIdentity(path=tmp_path / "text.onnx", **NORMAL)
