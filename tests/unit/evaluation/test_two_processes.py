"""Every metric gives two processes the answer of one, however the items are dealt, and even if one process has none."""

import functools
import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from vera.evaluation.metrics.appearance import AppearanceChange
from vera.evaluation.metrics.attackers import LinkingAttacker, NaiveAttacker, ParrotAttacker
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.discrepancy import KernelDistance, MeanDiscrepancy
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.preservation import LpipsDistance, Preservation
from vera.evaluation.metrics.recognition import DetectionRate, Diversity, ReIdentification
from vera.evaluation.metrics.segmentation import SegmentationConsistency
from vera.evaluation.metrics.utility import LandmarkUtility
from vera.evaluation.metrics.verification import PairedConsistency, VerificationCalibration
from vera.types import NUM_CLASSES, AlignedFace, VeraError

COUNT = 24
SETS = ("frechet", "kernel", "discrepancy")


class Pixels(nn.Module):
    name, short, dimension = "pixels", "pixels", 12

    def forward(self, images, others=None):
        return images.flatten(1) if others is None else (images - others).abs().mean(dim=(1, 2, 3))


class Maps(nn.Module):
    def forward(self, images):
        return [images]


class Brightest:
    name = "brightest"

    def parse(self, face):
        return nn.functional.one_hot((face.image[0] * 6 + 6).long(), NUM_CLASSES).permute(2, 0, 1).float()


def results(items):
    """All metrics, fed with these of the made-up photographs."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.uniform(-1, 1, (2, COUNT, 3, 2, 2))).float()
    before, after = rng.normal(size=(2, COUNT, 5))
    people, names = [f"p{i // 2}" for i in range(COUNT)], [str(i) for i in range(COUNT)]
    groups = ["a" if i < 5 else "b" for i in range(COUNT)]
    pixels = rng.integers(0, 256, (2, COUNT, 16, 16, 3)).astype(np.uint8)
    mask = np.zeros((16, 16), bool)
    mask[4:9, 4:9] = True
    marks = rng.uniform(0, 200, (2, COUNT, 68, 2))
    masks = torch.from_numpy(rng.uniform(size=(COUNT, NUM_CLASSES, 2, 2))).float()

    metrics = {
        "frechet": FrechetDistance(Pixels()),
        "kernel": KernelDistance(Pixels(), subsets=3, subset_size=6),
        "lpips": LpipsDistance(Pixels()),
        "reidentification": ReIdentification("euclidean", thresholds={"own": 2.0}, groups=("a", "b")),
        "consistency": PairedConsistency("euclidean"),
        "calibration": VerificationCalibration(false_accept_rates=(0.2,)),
        "detection": DetectionRate(groups=("a", "b")),
        "preservation": Preservation(),
        "attributes": AttributePreservation(),
        "diversity": Diversity("euclidean", threshold=2.0),
        "segmentation": SegmentationConsistency(Brightest()),
        "appearance": AppearanceChange(),
        "discrepancy": MeanDiscrepancy(Pixels()),
        "naive": NaiveAttacker("euclidean"),
        "parrot": ParrotAttacker("euclidean"),
        "linking": LinkingAttacker("euclidean", threshold=2.0),
        "utility": LandmarkUtility(Maps(), side=4),
    }

    def compare(i):
        for name in SETS:
            metrics[name].update(images[1, i : i + 1], real=False)

    for i in items:
        one = slice(i, i + 1)
        for name in ("naive", "parrot", "linking"):
            metrics[name].add_gallery((after if name == "linking" else before)[one], people[one], names[one])
            metrics[name].update(after[one], people[one], names[one])
        metrics["appearance"].update(pixels[0, i], pixels[1, i], mask, marks[0, i] / 13, marks[1, i] / 13)
        for name in SETS:
            metrics[name].update(images[0, one], real=True)
        compare(i)
        metrics["lpips"].update(images[0, one], images[1, one])
        metrics["reidentification"].add_gallery(before[one], people[one], names[one])
        metrics["reidentification"].update(after[one], people[one], names[one], groups[one])
        metrics["consistency"].update(after[one], before[one], people[one])
        metrics["calibration"].update(np.linalg.norm(before[one] - after[one], axis=1), [i % 3 == 0])
        metrics["detection"].update([i % 4 != 0], people[one], groups[one])
        metrics["preservation"].update(pixels[0, i], pixels[1, i], mask)
        metrics["attributes"].update(marks[0, i], marks[1, i], size=(200, 200), irises=(marks[0, i, :2] / 99, marks[1, i, :2] / 99))
        metrics["diversity"].update(np.stack([before[i], after[i]]))
        metrics["segmentation"].update(AlignedFace(images[0, i], np.eye(2, 3), marks[0, i]), masks[i])
        metrics["utility"].update(images[1, one], images[0, one], torch.from_numpy(marks[0, one]), people[one])
    computed = {name: metric.compute() for name, metric in metrics.items()}
    computed["distances"] = metrics["reidentification"].distances().tolist()
    computed["curves"] = [part.tolist() for side in metrics["consistency"].distances().values() for part in side]
    computed["judged"] = metrics["calibration"].judge(1.5)
    for name in SETS:  # one more method wrote nothing, and another one the same again
        metrics[name].forget_made()
        with warnings.catch_warnings(action="ignore"), pytest.raises(VeraError):
            metrics[name].compute()
        metrics[name].forget_made()
    for i in items:
        compare(i)
    computed["again"] = {name: metrics[name].compute() for name in SETS}
    for name, value in leaves(computed["again"]).items():
        assert value == pytest.approx(leaves(computed)[name], rel=1e-9, abs=1e-12)
    computed["statistics"] = metrics["frechet"].statistics(real=True).mean.tolist()
    return computed


def run(rank, folder, deal):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{deal}", rank=rank, world_size=2)
    dealt = {"uneven": [[7, 1, 11], [n for n in range(COUNT) if n not in (1, 7, 11)]], "all to one": [[], list(range(COUNT))]}
    torch.save(results(dealt[deal][rank]), f"{folder}/{deal}-{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def run_all(rank, folder):
    for deal in ("uneven", "all to one"):
        run(rank, folder, deal)


def leaves(value, path=""):
    if isinstance(value, dict):
        return functools.reduce(lambda a, b: a | b, (leaves(v, f"{path}.{k}") for k, v in value.items()), {})
    if isinstance(value, list):
        return functools.reduce(lambda a, b: a | b, (leaves(v, f"{path}.{k}") for k, v in enumerate(value)), {})
    return {path: value if value is None or isinstance(value, str) else float(value)}


def test_two_processes_equal_one(tmp_path):
    alone = leaves(results(range(COUNT)))
    assert len(alone) > 100
    multiprocessing.spawn(run_all, args=(str(tmp_path),), nprocs=2)
    for deal in ("uneven", "all to one"):
        for rank in (0, 1):
            together = leaves(torch.load(tmp_path / f"{deal}-{rank}.pt", weights_only=False))
            assert together.keys() == alone.keys()
            for name, value in alone.items():
                if isinstance(value, float):
                    np.testing.assert_allclose(together[name], value, rtol=1e-9, atol=1e-7, err_msg=f"{deal}: {name}")
                else:
                    assert together[name] == value, name
