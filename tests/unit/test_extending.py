"""The recipes of docs/architecture.md ("Add a part"): one small, complete example of each, run as a newcomer would write it."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.attributes.encoder import AttributeEncoder
from vera.attributes.objective import ContrastiveObjective, NTXent
from vera.bundle import BundleInfo
from vera.data.datamodule import FaceDataModule
from vera.data.people import Person, PhotographFile
from vera.data.procedural import ProceduralFaces
from vera.distributed import Collected
from vera.evaluation.api import evaluate
from vera.evaluation.baselines.controls import Untouched
from vera.evaluation.judges import Judge
from vera.evaluation.measures.base import Measure
from vera.faces.detection import DetectedFace, Finds
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.faces.photograph import photograph_from_pixels, write_png
from vera.training.module import StageModule
from vera.training.objectives.base import Objective, Phase
from vera.training.schedule import Schedule
from vera.types import NUM_CLASSES, Anonymized, Refused, Semantic

SIDE = 200


def landmarks():
    """68 points of a frontal face in the middle of the photograph, in iBUG order."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.column_stack([62 * np.cos(angle), 8 + 72 * np.sin(angle)])
    brow = np.column_stack([np.linspace(-46, -14, 5), [-22, -28, -30, -29, -26]])
    bridge = np.column_stack([np.zeros(4), [-10, 0, 10, 20]])
    base = np.column_stack([np.linspace(-12, 12, 5), [26, 28, 30, 28, 26]])
    eye = np.array([[-11, 0], [-4, -5], [4, -5], [11, 0], [4, 4], [-4, 4]], dtype=float)
    around = np.linspace(-np.pi, np.pi, 20, endpoint=False)
    lips = np.column_stack([24 * np.cos(around), 50 + 8 * np.sin(around)])
    parts = [jaw, brow, brow[::-1] * (-1, 1), bridge, base, eye - (30, 8), eye - (-30, 8), lips]
    return np.vstack(parts) + np.array([SIDE / 2, 100])


@pytest.fixture
def photograph():
    """Noise on a grey photograph: the detector below finds its face by definition."""
    pixels = np.random.default_rng(0).integers(60, 200, (240, SIDE, 3))
    return photograph_from_pixels(pixels.astype(np.uint8), "drawn")


class Detector:
    """Finds one face in every photograph."""

    name = "drawn"

    def detect(self, photograph):
        points = landmarks()
        return [DetectedFace((*points.min(axis=0), *points.max(axis=0)), points, 1.0)]

    def search(self, photograph):
        return Finds(self.detect(photograph), [])


class Parser:
    """Calls everything skin."""

    name = "skin"

    def parse(self, face):
        probabilities = torch.zeros(NUM_CLASSES, face.size, face.size)
        probabilities[Semantic.SKIN] = 1
        return probabilities


# A metric


class Brightness(Collected):
    """Mean grey level of anonymized photographs."""

    def __init__(self):
        super().__init__()
        self.add_column("levels", torch.float64)

    def update(self, pixels):
        self.append("levels", [pixels.mean()])

    def compute(self):
        return {"mean": float(self.column("levels").mean())}


class BrightnessMeasure(Measure):
    """Feeds the written photographs of one method to the metric."""

    name = "brightness"

    def __init__(self, metric):
        self.metric = metric

    def written(self, written):
        self.metric.update(written.photograph.pixels)


def test_add_a_metric(tmp_path, photograph):
    write_png(tmp_path / "one.png", photograph.pixels)
    person = Person("one", (PhotographFile("before", tmp_path / "one.png"),), {})
    judges, measures = [Judge(Detector(), MeanColour(), "euclidean")], [BrightnessMeasure(Brightness())]
    (result,) = evaluate([person], {"none": Untouched()}, out=tmp_path / "run", judges=judges, measures=measures, panels=0)
    assert result["measures"]["brightness"]["mean"] == pytest.approx(photograph.pixels.mean(), abs=1e-3)


# A data set


class GreyFaces:
    """Grey squares, all skin."""

    def __init__(self, size, count):
        self.size, self.count = size, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.full((3, self.size, self.size), 20 * index, dtype=torch.uint8)
        return {"image": image, "labels": torch.full((self.size, self.size), int(Semantic.SKIN), dtype=torch.uint8)}


def test_add_a_data_set():
    data = FaceDataModule(dataset=GreyFaces(8, count=4), batch_size=4, workers=0, seed=0, mirror=False)
    data.trainer = SimpleNamespace(world_size=1, global_rank=0, lightning_module=SimpleNamespace(images_seen=0))
    batch = next(iter(data.train_dataloader()))
    assert sorted(batch["image"][:, 0, 0, 0].tolist()) == [0, 20, 40, 60]  # every face once in an epoch
    assert batch["labels"].unique().tolist() == [Semantic.SKIN]


# An attribute encoder


class HairShare(AttributeEncoder):
    """Share of the image that is hair; reads the segmentation only."""

    size = None

    def __init__(self, *, ranges):
        super().__init__()
        self.describe({"hair": "share of the image"}, ranges)

    def forward(self, images, segmentations):
        return segmentations[:, Semantic.HAIR].mean(dim=(1, 2))[:, None]


def test_add_an_attribute_encoder():
    torch.manual_seed(0)  # of so few hidden units, all may be off by chance
    encoder = HairShare(ranges={"hair": [0.1, 0.4]})
    segmentations = torch.rand(6, NUM_CLASSES, 8, 8).softmax(1).requires_grad_()
    heads = {"hidden": 4, "outputs": 2}
    objective = ContrastiveObjective(encoders={"hair": encoder}, weights={"hair": 1.0}, loss=NTXent(temperature=0.1), projection=heads)
    losses = objective(objective.read(torch.zeros(6, 3, 8, 8), segmentations), {"hair": torch.tensor([0, 0, 1, 1, 2, 2])})
    objective.total(losses).backward()
    assert segmentations.grad[:, Semantic.HAIR].abs().sum() > 0
    assert not list(encoder.parameters())


# A stage


class Colour(nn.Module):
    """One trainable colour."""

    def __init__(self):
        super().__init__()
        self.config = {}
        self.value = nn.Parameter(torch.zeros(3))


class MeanColourObjective(nn.Module):
    """Learns the mean colour of all faces."""

    stage, group, strength, equal_rates, draws = "mean colour", 1, None, False, None

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.phases = (Phase("colour", trains="colour", every=1, shrink=1, precise=False, loss=self.loss),)

    @property
    def networks(self):
        return {"colour": self.network}

    @property
    def averaged(self):
        return self.network

    def loss(self, faces):
        return (faces.images.mean(dim=(2, 3)) - self.network.value).square().mean(), {}

    def on_step_end(self, terms, *, images):
        """No state besides the network."""


def run(images, checkpoint=None):
    """Train to this many images; returns the trainer."""
    optim, ema = {"lr": 0.05, "betas": [0.5, 0.9], "eps": 1e-8}, {"half_life": 100, "ramp_up": 0.1}
    schedule = Schedule(total=images, warm_up=0.0, cool_down=0.0)
    objective: Objective = MeanColourObjective(Colour())
    module = StageModule(objective=objective, optim=optim, schedule=schedule, ema=ema, per_device=None, clip=None, seed=0)
    data = FaceDataModule(dataset=ProceduralFaces(size=16, count=8, seed=0), batch_size=4, workers=0, seed=0, mirror=False)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", devices=1, max_epochs=-1, **quiet)
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_add_a_stage(tmp_path):
    whole = run(images=16).lightning_module
    half = run(images=8)
    assert half.lightning_module.images_seen == 8
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed = run(images=16, checkpoint=tmp_path / "half.ckpt").lightning_module
    assert resumed.images_seen == 16
    assert whole.objective.network.value.abs().min() > 0
    assert torch.equal(resumed.objective.network.value, whole.objective.network.value)  # 2 + 2 steps are 4 steps, bit for bit
    assert torch.equal(resumed.ema.network.value, whole.ema.network.value)


# A renderer


@dataclass(frozen=True)
class Grey:
    """An identity: one grey level."""

    level: int
    seed: int

    def require_bundle(self, digest):
        """Grey fits every bundle."""

    def facts(self):
        return {"level": self.level}


class GreyCase:
    """One person's photographs, painted grey."""

    warnings = ()

    def __init__(self, request):
        self.request, self.scenes = request, request.scenes

    def identity(self, attempt):
        return Grey((37 * attempt + self.request.seed) % 256, self.request.seed)

    def render(self, identity):
        outputs = []
        for scene in self.scenes:
            pixels = scene.photograph.pixels.copy()
            pixels[scene.replaced] = identity.level
            outputs.append(Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced))
        return outputs

    def facts(self):
        return {"candidates": 1}


class GreyRenderer:
    """Paints the replaced region grey."""

    name, info = "grey", BundleInfo(Path("grey"), "0" * 64, "Apache-2.0", {})
    source_type = ALTERED_BY_ALGORITHM

    def check(self, options):
        """Grey meets all options."""

    def open(self, request):
        return GreyCase(request)


def anonymizer(recogniser):
    parts = {"detector": Detector(), "parser": Parser(), "recognisers": [recogniser]}
    return VeraAnonymizer(GreyRenderer(), **parts, options=Options(seed=0, attempts=3))


def test_add_a_renderer(photograph):
    result = anonymizer(MeanColour())([photograph], person="p")
    (output,) = result.photographs
    assert set(output.image[output.replaced].ravel()) == {37}
    assert np.array_equal(output.image[~output.replaced], photograph.pixels[~output.replaced])
    assert result.audit["renderer"] == "grey"


# A recogniser


class MeanColour:
    """Compares the mean colour inside the landmarks' hull."""

    name, threshold, refusal_threshold = "mean colour", 0.05, 0.1
    false_accept_rate, calibration = float("nan"), "nobody"

    def embed(self, pixels, landmarks):
        hull = np.zeros(pixels.shape[:2], dtype=np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.round(landmarks).astype(np.int32)), 1)
        return pixels[hull.astype(bool)].mean(axis=0) / 255

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


class Suspicious(MeanColour):
    """Takes every two faces for one person."""

    def distance(self, a, b):
        return 0.0


def test_add_a_recogniser(photograph):
    audit = anonymizer(MeanColour())([photograph], person="p").audit
    (record,) = audit["verification"]["recognisers"]
    assert record["name"] == "mean colour"
    with pytest.raises(Refused, match="after 3 attempts"):
        anonymizer(Suspicious())([photograph], person="p")


def test_every_recipe_has_its_example():
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    recipes = page.partition("## Add a part")[2].partition("## Glossary")[0]
    told = [line.strip("*.").lower().replace(" ", "_") for line in recipes.splitlines() if line.startswith("**")]
    assert told == ["a_metric", "a_data_set", "an_attribute_encoder", "a_stage", "a_renderer", "a_recogniser"]
    assert {f"test_add_{part}" for part in told} <= set(globals())
    assert recipes.count("\n1. ") == len(told) == recipes.count("\n5. ")


def test_a_recipe_names_files_and_classes_that_there_are():
    root = Path(__file__).parents[2]
    recipes = (root / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Add a part")[2].partition("## Glossary")[0]
    sources = {path: path.read_text(encoding="utf-8") for path in (root / "src" / "vera").rglob("*.py")}
    classes = {name for text in sources.values() for name in re.findall(r"^class (\w+)", text, re.MULTILINE)}
    named = set(re.findall(r"`(?:[\w.]+\.)?([A-Z]\w*[a-z]\w*)`", recipes)) - {"Metric", "Module"}  # of torchmetrics and torch
    assert named
    assert named <= classes
    files = {path for path in re.findall(r"`([\w/]+/(?:\w+\.(?:py|yaml))?)`", recipes) if "NAME" not in path}
    assert files
    assert not [path for path in files if not (root / path).exists() and not (root / "src" / "vera" / path).exists()]
