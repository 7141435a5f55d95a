from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vera.faces import insightface_backend
from vera.faces.insightface_backend import InsightFaceBackend, five_points
from vera.faces.photograph import photograph_from_pixels
from vera.types import VeraError


class FakeModel:
    """Stands for a loaded ONNX model; records what it is given."""

    def __init__(self, answer: Any, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> None:
        self.answer = answer
        self.session = SimpleNamespace(get_providers=lambda: list(providers))
        self.seen: list[tuple[np.ndarray, Any]] = []

    def get(self, image: np.ndarray, face: Any) -> Any:
        self.seen.append((image, face))
        return self.answer

    def detect(self, image: np.ndarray, max_num: int, metric: str) -> Any:
        self.seen.append((image, (max_num, metric)))
        return self.answer, None


class FakeAnalysis:
    """insightface.app.FaceAnalysis as far as the backend uses it."""

    tasks: dict[str, Any] = {}  # noqa: RUF012
    made: list[FakeAnalysis] = []  # noqa: RUF012

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.prepared = arguments, {}
        self.models = dict(self.tasks)
        self.made.append(self)

    def prepare(self, **arguments: Any) -> None:
        self.prepared = arguments


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "buffalo_x"
    folder.mkdir(parents=True)
    (folder / "det.onnx").write_bytes(b"weights")
    return folder


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeModel]:
    points = np.random.default_rng(0).uniform(20, 60, (68, 3)).astype(np.float32)
    boxes = np.array([[10, 10, 30, 30, 0.9], [5, 5, 65, 75, 0.8]], np.float32)
    tasks = {"detection": FakeModel(boxes), "landmark_3d_68": FakeModel(points), "recognition": FakeModel(np.array([[3.0, 4.0]]))}
    monkeypatch.setattr(FakeAnalysis, "tasks", tasks)
    monkeypatch.setattr(FakeAnalysis, "made", [])
    face = type("Face", (dict,), {"__getattr__": dict.__getitem__})
    modules = {"insightface.app": SimpleNamespace(FaceAnalysis=FakeAnalysis), "insightface.app.common": SimpleNamespace(Face=face)}
    real = insightface_backend._installed
    monkeypatch.setattr(insightface_backend, "_installed", lambda name: modules.get(name) or real(name))
    return tasks


def test_an_absent_pack_is_named_and_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("nothing may be loaded or downloaded")

    monkeypatch.setattr(insightface_backend, "_installed", refuse)
    with pytest.raises(VeraError) as caught:
        InsightFaceBackend("buffalo_l", root=tmp_path)
    for part in (str(tmp_path / "models" / "buffalo_l"), "buffalo_l.zip", "github.com/deepinsight", "non-commercial"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by_name", [True, False])
def test_it_pins_size_modules_and_providers(pack: Path, models: dict[str, FakeModel], by_name: bool) -> None:
    backend = InsightFaceBackend("buffalo_x" if by_name else pack, root=pack.parent.parent, det_size=(320, 320))
    (analysis,) = FakeAnalysis.made
    assert analysis.arguments["name"] == str(pack)
    assert analysis.arguments["allowed_modules"] == ["detection", "landmark_3d_68", "recognition"]
    assert analysis.arguments["providers"] == ["CPUExecutionProvider"]
    assert analysis.prepared == {"ctx_id": -1, "det_thresh": 0.5, "det_size": (320, 320)}
    assert backend.detector.name == "insightface-buffalo_x-320x320"
    assert backend.recogniser.name == "insightface-buffalo_x"


def test_it_detects_in_bgr_and_gives_68_points_largest_first(pack: Path, models: dict[str, FakeModel]) -> None:
    pixels = np.zeros((80, 90, 3), np.uint8)
    pixels[..., 0] = 200
    large, small = InsightFaceBackend(pack).detector.detect(photograph_from_pixels(pixels, "red"))
    assert large.box == (5, 5, 65, 75)
    assert small.score == pytest.approx(0.9)
    assert np.allclose(large.landmarks, models["landmark_3d_68"].answer[:, :2])
    assert models["detection"].seen[0][0][0, 0].tolist() == [0, 0, 200]


def test_no_face_gives_an_empty_list(pack: Path, models: dict[str, FakeModel]) -> None:
    models["detection"].answer = np.empty((0, 5), np.float32)
    assert InsightFaceBackend(pack).detector.detect(photograph_from_pixels(np.zeros((80, 90, 3), np.uint8), "x")) == []


def test_it_embeds_from_five_points_in_the_crop(pack: Path, models: dict[str, FakeModel]) -> None:
    landmarks = np.random.default_rng(1).uniform(100, 200, (68, 2))
    recogniser = InsightFaceBackend(pack).recogniser
    embedding = recogniser.embed(np.zeros((1000, 1200, 3), np.uint8), landmarks)
    assert np.allclose(embedding, [0.6, 0.8])
    image, face = models["recognition"].seen[0]
    assert max(image.shape) < 700
    assert face["kps"].shape == (5, 2)
    assert (face["kps"] > 0).all()
    assert (face["kps"] < image.shape[0]).all()
    scale = np.linalg.norm(face["kps"][0] - face["kps"][4]) / np.linalg.norm(np.subtract(*five_points(landmarks)[[0, 4]]))
    assert scale == pytest.approx(240 / np.ptp(landmarks, axis=0).max(), rel=1e-4)


def test_the_distance_is_one_minus_cosine(pack: Path, models: dict[str, FakeModel]) -> None:
    recogniser = InsightFaceBackend(pack).recogniser
    assert recogniser.distance(np.array([2.0, 0]), np.array([5.0, 0])) == pytest.approx(0)
    assert recogniser.distance(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(1)
    assert recogniser.threshold == 0.72
    assert np.isnan(recogniser.false_accept_rate)
    assert "not measured" in recogniser.calibration


def test_incomplete_packs_and_sleeping_gpus_are_refused(pack: Path, models: dict[str, FakeModel], monkeypatch: pytest.MonkeyPatch) -> None:
    del models["landmark_3d_68"]
    with pytest.raises(VeraError, match="landmark_3d_68"):
        InsightFaceBackend(pack)
    models["landmark_3d_68"] = FakeModel(None)
    with pytest.raises(VeraError, match="cpu or cuda"):
        InsightFaceBackend(pack, device="tpu")
    monkeypatch.setattr(insightface_backend, "choose_providers", lambda device: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(VeraError, match="could not start CUDAExecutionProvider"):
        InsightFaceBackend(pack, device="cuda")


def test_a_damaged_pack_of_the_real_package_is_one_clear_error(pack: Path) -> None:
    pytest.importorskip("insightface")
    with pytest.raises(VeraError, match="cannot be loaded"):
        InsightFaceBackend(pack)
