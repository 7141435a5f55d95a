"""The measures can fail: a real portrait, untouched and replaced by grey, through real detection and recognition."""

import numpy as np
import pytest
import skimage.data
import torch
from tests.reference.constant import Constant

from vera.evaluation.baselines.controls import Untouched
from vera.evaluation.baselines.obscuring import Blur
from vera.evaluation.judges import Observer
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.recognition import DetectionRate, ReIdentification
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import DlibRecogniser
from vera.features.pooled import Lite0Features
from vera.types import image_to_tensor


@pytest.fixture(scope="module")
def portrait():
    return photograph_from_pixels(np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380]), "astronaut")


@pytest.fixture(scope="module")
def observer():
    return Observer([DlibDetector()], [DlibRecogniser()])


def judged(anonymizer, portrait, observer):
    """Rank-1, recognised, detected."""
    source = observer(portrait)
    made = anonymizer([portrait], person="p").photographs[0]
    seen = observer(photograph_from_pixels(made.image, made.name), place=source.landmarks)
    name, rng = observer.recognisers[0].name, np.random.default_rng(0)
    metric = ReIdentification("euclidean", thresholds={"own": observer.recognisers[0].threshold})
    others = source.embeddings[name] + 0.05 * rng.normal(size=(20, 128))  # people at about the distance 0.57
    metric.add_gallery(others, [f"other{i}" for i in range(20)], [f"other{i}" for i in range(20)])
    metric.add_gallery([source.embeddings[name]], ["p"], [portrait.digest])
    metric.update([seen.embeddings[name]], ["p"], [portrait.digest])
    rate = DetectionRate()
    rate.update([seen.found[observer.detectors[0].name]], ["p"])
    result = metric.compute()
    return result["rank_1"]["share"], result["recognised"]["own"]["share"], rate.compute()["share"]


def test_untouched_is_identified_and_grey_is_not_detected(portrait, observer):
    assert judged(Untouched(), portrait, observer) == (1, 1, 1)
    assert judged(Constant(), portrait, observer)[1:] == (0, 0)
    assert judged(Blur(DlibDetector(), width=0.5), portrait, observer)[1] == 0


def test_untouched_is_at_no_distance_and_grey_is_far(portrait):
    parts = torch.stack([image_to_tensor(portrait.pixels)[:, y : y + 64, x : x + 64] for y in (0, 90, 200) for x in (0, 90, 200)])
    distance = []
    for made in (parts, torch.zeros_like(parts)):
        metric = FrechetDistance(Lite0Features(side=64))
        metric.update(parts, real=True)
        metric.update(made, real=False)
        distance.append(float(metric.compute()))
    assert distance[0] < 1e-4 * distance[1]
