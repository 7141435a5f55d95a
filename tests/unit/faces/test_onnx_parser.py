from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vera.faces.labels import ORDERS
from vera.faces.onnx_parser import DEVIATION, MEAN, OnnxParser
from vera.types import AlignedFace, Semantic, VeraError

onnx = pytest.importorskip("onnx")


def tiny_model(path: Path, weight: np.ndarray, bias: np.ndarray, size: int | str = 32) -> Path:
    """One 1x1 convolution from RGB to logits."""
    helper, kinds = onnx.helper, onnx.TensorProto
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["logits"])
    tensors = [
        helper.make_tensor("weight", kinds.FLOAT, (len(bias), 3, 1, 1), weight.astype(np.float32).ravel()),
        helper.make_tensor("bias", kinds.FLOAT, bias.shape, bias.astype(np.float32)),
    ]
    image = helper.make_tensor_value_info("image", kinds.FLOAT, [1, 3, size, size])
    logits = helper.make_tensor_value_info("logits", kinds.FLOAT, [1, len(bias), size, size])
    graph = helper.make_graph([node], "tiny", [image], [logits], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def face(size: int = 24, value: float | torch.Tensor = 0.0) -> AlignedFace:
    return AlignedFace(torch.zeros(3, size, size) + value, np.eye(3)[:2], np.zeros((68, 2)))


EXPECTED = {
    "celebamask-hq": [0, 1, 5, 10, 2, 2, 3, 3, 6, 6, 4, 4, 4, 7, 11, 12, 8, 8, 9],
    "face-parsing": [0, 1, 3, 3, 2, 2, 10, 6, 6, 12, 4, 4, 4, 5, 8, 8, 9, 7, 11],
}


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_every_label_becomes_its_class(tmp_path: Path, order: str) -> None:
    assert len(ORDERS[order].split()) == 19
    for label in range(19):
        path = tiny_model(tmp_path / "parser.onnx", np.zeros((19, 3)), 20.0 * np.eye(19)[label])
        result = OnnxParser(path, order=order).parse(face())
        assert result.shape == (13, 24, 24)
        assert torch.equal(result.argmax(0).unique(), torch.tensor([EXPECTED[order][label]]))


def test_classes_of_several_labels_add_up(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "parser.onnx", np.zeros((19, 3)), np.zeros(19))
    result = OnnxParser(path, order="face-parsing").parse(face())
    assert torch.allclose(result.sum(0), torch.ones(24, 24))
    assert result[Semantic.MOUTH, 3, 3].item() == pytest.approx(3 / 19)
    assert result[Semantic.HAT, 3, 3].item() == pytest.approx(1 / 19)


@pytest.mark.parametrize("size", [16, "side"])
def test_the_input_is_normalised_rgb_and_the_size_may_be_open(tmp_path: Path, size: int | str) -> None:
    weight = np.zeros((19, 3))
    weight[1] = 1, 2, 3
    path = tiny_model(tmp_path / "parser.onnx", weight, np.zeros(19), size)
    colour = torch.tensor([1.0, 0.0, -1.0]).view(3, 1, 1)
    logit = sum(w * ((c - m) / d) for w, c, m, d in zip((1, 2, 3), (1, 0.5, 0), MEAN, DEVIATION, strict=True))
    skin = OnnxParser(path).parse(face(8, colour))[Semantic.SKIN]
    assert torch.allclose(skin, torch.tensor(np.exp(logit) / (np.exp(logit) + 18), dtype=torch.float32), atol=1e-5)


def test_unfit_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VeraError, match="no face parser"):
        OnnxParser(tmp_path / "absent.onnx")
    good = tiny_model(tmp_path / "good.onnx", np.zeros((19, 3)), np.zeros(19))
    with pytest.raises(VeraError, match="celebamask-hq, face-parsing"):
        OnnxParser(good, order="mine")
    with pytest.raises(VeraError, match="cpu or cuda"):
        OnnxParser(good, device="tpu")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(VeraError, match="cannot be loaded"):
        OnnxParser(tmp_path / "bad.onnx")
    with pytest.raises(VeraError, match="19"):
        OnnxParser(tiny_model(tmp_path / "eleven.onnx", np.zeros((11, 3)), np.zeros(11))).parse(face())
