"""The insightface 2.x backend: a pack of ONNX models as detector and recogniser.

The code is free; the public model packs (buffalo_l, antelopev2, ...) are for non-commercial research only. Nothing is downloaded here:
a pack is put in place by its user, who thereby accepts its licence.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vera.faces.detection import DetectedFace, Finds
from vera.faces.recognition import Embedding, face_crop, five_points
from vera.types import Photograph, Pixels, Points, VeraError

RELEASES = "https://github.com/deepinsight/insightface/releases/tag/model-zoo"
TASKS = ("detection", "landmark_3d_68", "recognition")
DETECTION_THRESHOLD = 0.5
"""insightface's own default."""
COSINE_THRESHOLD = 0.72
"""DECISION: a face counts as the same person from a similarity (cosine) of 0.28 on; insightface's own applications ask for 0.40 or 0.45
(app/privateframe, app/person), which would let more look-alikes through a verification."""


class InsightFaceBackend:
    """A pack of insightface models, offered as :attr:`detector` and :attr:`recogniser`.

    Args:
        name_or_directory: the pack's name under ``root/models/``, or the path of its folder.
        root: folder of insightface's packs.
        det_size: ``(width, height)`` the detector works at; pinned, since results depend on it.
        device: ``cpu`` or ``cuda``; the latter needs onnxruntime-gpu.

    Raises:
        VeraError: when insightface, the pack, the GPU runtime or a needed model is missing; says where to get it.

    """

    def __init__(
        self,
        name_or_directory: str | Path,
        *,
        root: str | Path = "~/.insightface",
        det_size: tuple[int, int] = (640, 640),
        device: str = "cpu",
    ) -> None:
        folder = find_pack(name_or_directory, root)
        providers = choose_providers(device)
        try:
            # An existing folder is taken as it is: with the path instead of the name, FaceAnalysis cannot start a download.
            self.analysis: Any = _installed("insightface.app").FaceAnalysis(
                name=str(folder), root=str(Path(root).expanduser()), allowed_modules=list(TASKS), providers=providers
            )
        except VeraError:
            raise
        except Exception as error:  # damaged models fail in onnx, onnxruntime or insightface, each in its own way
            raise VeraError(f"the insightface pack in '{folder}' cannot be loaded ({error}): copy it again from {RELEASES}") from error
        models = self.analysis.models
        missing = [task for task in TASKS if task not in models]
        if missing:
            raise VeraError(
                f"the insightface pack in '{folder}' has no model for {', '.join(missing)}: take a complete pack, such as "
                f"buffalo_l from {RELEASES}"
            )
        idle = [task for task in TASKS if providers[0] not in models[task].session.get_providers()]
        if idle:  # onnxruntime falls back to the CPU with no more than a log line
            raise VeraError(f"onnxruntime could not start {providers[0]} for {', '.join(idle)}: check CUDA, or take device cpu")
        self.analysis.prepare(ctx_id=0 if device == "cuda" else -1, det_thresh=DETECTION_THRESHOLD, det_size=det_size)
        self.detector = InsightFaceDetector(self.analysis, folder.name, det_size)
        self.recogniser = InsightFaceRecogniser(self.analysis, folder.name)


class InsightFaceDetector:
    """SCRFD with the pack's 68 three-dimensional landmarks, of which x and y are used.

    The jaw's points follow the true outline of a turned head, not the visible one as dlib's do.
    """

    def __init__(self, analysis: Any, pack: str, det_size: tuple[int, int]) -> None:
        self.name = f"insightface-{pack}-{det_size[0]}x{det_size[1]}"
        self._detector: Any = analysis.models["detection"]
        self._landmarks: Any = analysis.models["landmark_3d_68"]

    def search(self, photograph: Photograph) -> Finds:
        """All faces; no weak finds: the pack gives nothing under :data:`DETECTION_THRESHOLD`."""
        return Finds(self.detect(photograph), [])

    def detect(self, photograph: Photograph) -> list[DetectedFace]:
        """All faces, largest first; an empty list when there is none."""
        bgr = np.ascontiguousarray(photograph.pixels[..., ::-1])
        boxes, _ = self._detector.detect(bgr, max_num=0, metric="default")
        faces = [self._with_landmarks(bgr, [float(v) for v in row]) for row in boxes]
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def _with_landmarks(self, bgr: Pixels, row: Sequence[float]) -> DetectedFace:
        x0, y0, x1, y1, score = row
        found = _installed("insightface.app.common").Face(bbox=np.array([x0, y0, x1, y1], dtype=np.float32))
        points = np.asarray(self._landmarks.get(bgr, found), dtype=np.float64)
        return DetectedFace((x0, y0, x1, y1), points[:, :2], score)


class InsightFaceRecogniser:
    """The pack's ArcFace model, compared by ``1 - cos``; its five points are taken from the 68 landmarks."""

    threshold = refusal_threshold = COSINE_THRESHOLD
    false_accept_rate = float("nan")
    calibration = "not measured by this project: run experiments/recogniser_calibration with --insightface on your own photographs"

    def __init__(self, analysis: Any, pack: str) -> None:
        self.name = f"insightface-{pack}"
        self._network: Any = analysis.models["recognition"]

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """The face at these landmarks as a vector of length 1; see :meth:`vera.faces.recognition.Recogniser.embed`.

        Raises:
            VeraError: for landmarks that are not 68 finite points with some extent, or that lie outside the photograph.

        """
        crop, points = face_crop(pixels, landmarks)
        found = _installed("insightface.app.common").Face(kps=five_points(points).astype(np.float32))
        embedding = np.asarray(self._network.get(np.ascontiguousarray(crop[..., ::-1]), found), dtype=np.float64).ravel()
        return embedding / max(float(np.linalg.norm(embedding)), 1e-12)

    def distance(self, a: Embedding, b: Embedding) -> float:
        """``1 - cos``: 0 for the same direction, 1 for unrelated faces, at most 2."""
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return 1.0 - float(np.dot(a, b)) / max(norms, 1e-12)


def find_pack(name_or_directory: str | Path, root: str | Path) -> Path:
    """The folder of a pack.

    Raises:
        VeraError: when it is absent or holds no ONNX file.

    """
    name = Path(name_or_directory).expanduser()
    folder = name if name.is_dir() else Path(root).expanduser() / "models" / name
    if not any(folder.glob("**/*.onnx")):
        raise VeraError(
            f"no insightface models (*.onnx) in '{folder}': if their non-commercial licence allows your use, unpack {name.name}.zip from "
            f"{RELEASES} into that folder, or give the folder of a pack"
        )
    return folder.resolve()


def choose_providers(device: str) -> list[str]:
    """Choose onnxruntime's execution providers for a device, the wanted one first.

    Raises:
        VeraError: for another device than ``cpu`` and ``cuda``, or when onnxruntime has no CUDA.

    """
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if device != "cuda":
        raise VeraError(f"unknown device '{device}' for insightface: choose cpu or cuda")
    if "CUDAExecutionProvider" not in _installed("onnxruntime").get_available_providers():
        raise VeraError(
            "this onnxruntime has no CUDA: install onnxruntime-gpu in place of onnxruntime (make install-gpu), or take device cpu"
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _installed(module: str) -> Any:
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise VeraError(f"{package} cannot be imported ({error}): run `pip install {package}`") from error
