"""Are identities that are drawn from the bank nearer to its donors than donors are to each other? See README.md beside this file.

python experiments/exemplars/memorisation.py --photos PHOTOS --people people.csv [--samples 1000] [--publish]
PHOTOS and people.csv are what the bank was made from (`vera data mosaic`). With --publish, results_memorisation.jsonl and memorisation.png
are written beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from rich.progress import track
from scipy.spatial.distance import cdist

from vera import __version__
from vera.anonymization.exemplar_renderer import SEARCH_SIZE
from vera.anonymization.exemplar_search import Search
from vera.bundle import exemplar_bundle, load
from vera.evaluation.judges import Judge, dlib_judge, sface_judge
from vera.evaluation.report.figures import save
from vera.exemplars.bank import ExemplarBank
from vera.exemplars.fitting import Fitter, Subject, observe
from vera.exemplars.identity import Appearance, Exemplar, deal, draw, pool
from vera.exemplars.light import Light
from vera.exemplars.pose import fit_camera
from vera.faces.alignment import align, transform
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import read_photograph
from vera.faces.recognition import Embedding
from vera.mosaic.people import SourcePerson, read_people
from vera.mosaic.points import FOREHEAD_POINTS, OUTLINE, mesh
from vera.mosaic.warping import filled
from vera.rng import derived_seed
from vera.types import Mask, Pixels, Points, Semantic, VeraError

HERE = Path(__file__).parent
SIDE = 192
"""DECISION: side of the pictures, as large as those that the search for a different face looks at."""
QUANTILES = {"q01": 0.01, "median": 0.5}
BORDER = 0.01
"""Width, in units of the side, over which a face passes into the plain skin around it."""
Floats = npt.NDArray[np.float32]
Face = tuple[Pixels, Points]
"""A picture, and ``(68, 2)`` landmarks in its pixels."""
Versions = list[list[Embedding]]
"""Of each recogniser the embeddings of all pictures of one person."""


def main() -> int:
    """Measure, draw the figure, judge; exit code 1 when the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=exemplar_bundle())
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only the first N donors")
    parser.add_argument("--out", type=Path, default=Path("outputs/exemplars_memorisation"))
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network: Any = load(options.bundle)
    bank: ExemplarBank = network
    judges = [dlib_judge(), sface_judge()]
    donors = read_people(options.people, options.photos)[: options.limit]
    shown, cut = [], []
    for donor in track(donors, "donors"):
        alone, all_versions = look_at(bank, donor, judges)
        cut.append(alone)
        shown.append(all_versions)
    booth = Booth(bank, judges[::-1])
    made = [seen(judges, *booth.portrait(number, options.seed)) for number in track(range(options.samples), "identities")]
    known = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "vera": __version__, "bundle": network.info.digest[:16]}
    lines, curves = [], {}
    for number, judge in enumerate(judges):
        versions = [one[number] for one in shown]
        near = distances([one[number] for one in made], versions, judge).min(axis=1)
        table = distances([one[number] for one in cut], versions, judge)
        np.fill_diagonal(table, np.inf)
        others = table.min(axis=1)
        curves[judge.recogniser.name] = (near, others, judge.recogniser.threshold)
        facts = {"recogniser": judge.recogniser.name, "identities": len(made), "donors": len(donors), "seed": options.seed}
        lines.append(known | facts | {"identity_to_nearest_donor": quantiles(near), "donor_to_nearest_other_donor": quantiles(others)})
    print("\n".join(json.dumps(line) for line in lines))
    options.out.mkdir(parents=True, exist_ok=True)
    save(histograms(curves), options.out / "memorisation.png")
    if options.publish:
        (HERE / "results_memorisation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        save(histograms(curves), HERE / "memorisation.png")
    failures = [failure for line in lines for failure in verdict(line)]
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


class Booth:
    """Shows identities: the mean face of their group, in even light, with plain skin all around it.

    Args:
        bank: bank of exemplars whose identities are shown.
        judges: recognisers of the search, the one that is hardest to deceive first.

    """

    def __init__(self, bank: ExemplarBank, judges: Sequence[Judge]) -> None:
        self.bank, self.fitter, self.judges = bank, Fitter(bank), list(judges)
        distances = {judge.recogniser.name: judge.recogniser.distance for judge in self.judges}
        self.beyond = cache(lambda row: bank.beyond_donors(row, distances))

    def portrait(self, number: int, seed: int) -> Face:
        """An identity for the appearance of a row that is drawn, too."""
        facts = self.bank.facts
        row = int(np.random.default_rng(derived_seed(seed, number, "appearance")).integers(self.bank.rows))
        wanted = Appearance(int(facts["sex"][row]), facts["tone"][row], float(facts["age"][row]), float(facts["beard"][row]))
        rows = pool(self.bank, wanted, suits=self.fitter.has_forehead)
        subject = self.subject(wanted)
        identity = self.found(rows, subject, seed, str(number), brown_eyes=wanted.brown_eyes)
        face = self.fitter.fit(identity, subject, ())
        return set_in_skin(face.image, subject.region, subject.image[0, 0]), face.points * SIDE - 0.5

    def found(self, rows: npt.NDArray[np.int64], subject: Subject, seed: int, person: str, *, brown_eyes: bool) -> Exemplar:
        """The identity that the product's search finds where there is nobody to be unlike."""
        dealt, small = deal(rows, seed=seed, person=person, search=0), subject.at(SEARCH_SIZE)

        def drawn(own: int, candidate: int, stage: int, parent: Exemplar | None) -> Exemplar:
            return draw(dealt, seed=own, person=person, number=candidate, brown_eyes=brown_eyes)

        def shown(identity: Exemplar) -> list[Face]:
            face = self.fitter.fit(identity, small, (), quick=True)
            return [(set_in_skin(face.image, small.region, small.image[0, 0]), face.points * SEARCH_SIZE - 0.5)]

        search = Search(
            drawn,
            shown,
            [judge.recogniser for judge in self.judges],
            [[] for _ in self.judges],
            foresee=lambda identity: identity.promised(self.beyond),
            donors=[self.bank.donor_embeddings(judge.recogniser.name) for judge in self.judges],
            strangers=[self.bank.strangers[judge.recogniser.name] for judge in self.judges],
        )
        return next(search.candidates(seed)).exemplar

    def subject(self, wanted: Appearance) -> Subject:
        """A face without features to fit the identity to."""
        frontal = self.bank.mean_of(wanted.sex).neutral
        points = mesh(frontal[:68], frontal[FOREHEAD_POINTS])
        labels = np.full((SIDE, SIDE), Semantic.SKIN, np.uint8)
        tone = np.asarray(wanted.tone, np.float64)
        everywhere = np.array([[-0.5, 0.5], [-0.5, 0.5]])
        light = Light(np.vstack([tone[:1], np.zeros((5, 1))]), np.vstack([tone[None, 1:], np.zeros((2, 2))]), everywhere, np.inf, 0.0)
        return Subject(
            plain(tone), labels, points, fit_camera(self.bank.mean.neutral, points[:68]), 0.0, light,
            filled(points[OUTLINE], SIDE), tone, wanted.beard, wanted.hair, np.full(2, np.nan), None,
        )  # fmt: skip


def look_at(bank: ExemplarBank, donor: SourcePerson, judges: list[Judge]) -> tuple[Versions, Versions]:
    """A donor's faces cut out as the identities are, and these together with the whole photographs.

    Raises:
        VeraError: no face in a photograph.

    """
    parser = choose_parser(None)
    cut, whole = [], []
    for path in donor.photographs.values():
        photograph = read_photograph(path)
        faces = judges[0].detector.detect(photograph)
        if not faces:
            raise VeraError(f"no face found in a photograph of '{donor.id}': leave the person out of the table")
        face = align(photograph, faces[0].landmarks, bank.size)
        points = (transform(face.landmarks, face.from_photograph) + 0.5) / face.size
        shares = F.interpolate(parser.parse(face)[None], size=SIDE, mode="bilinear", align_corners=False)[0]
        small = align(photograph, faces[0].landmarks, SIDE)
        image = ((small.image + 1) * 127.5).permute(1, 2, 0).numpy()
        subject = observe(bank, image, shares.argmax(dim=0).numpy().astype(np.uint8), points)
        cut.append((set_in_skin(image, subject.region, plain(subject.tone)[0, 0]), points * SIDE - 0.5))
        whole.append((photograph.pixels, faces[0].landmarks))
    alone = [seen(judges, *one) for one in cut]
    both = [*alone, *(seen(judges, *one) for one in whole)]
    return _turned(alone), _turned(both)


def seen(judges: list[Judge], pixels: Pixels, landmarks: Points) -> Versions:
    """One picture as each recogniser sees it."""
    return [[judge.recogniser.embed(pixels, landmarks)] for judge in judges]


def plain(tone: npt.NDArray[np.float64]) -> Floats:
    """``(S, S, 3)`` RGB, 0 to 255, of one skin colour."""
    lab = np.broadcast_to(np.asarray(tone, np.float32), (SIDE, SIDE, 3))
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(lab), cv2.COLOR_LAB2RGB) * 255, np.float32)


def set_in_skin(image: Floats, region: Mask, colour: Floats) -> Pixels:
    """A face with one colour of skin around it."""
    share = cv2.GaussianBlur(region.astype(np.float32), (0, 0), BORDER * len(region))[..., None]
    return np.asarray((share * image + (1 - share) * colour).clip(0, 255).round(), np.uint8)


def distances(probes: list[list[Embedding]], gallery: list[list[Embedding]], judge: Judge) -> npt.NDArray[np.float64]:
    """``(N, M)``: of each probe to each person the distance of the nearest pair of pictures."""
    table = [[cdist(probe, person, judge.distance).min() for person in gallery] for probe in probes]
    return np.asarray(table, np.float64)


def quantiles(values: npt.NDArray[np.float64]) -> dict[str, float]:
    """The 1 % quantile and the median."""
    return {name: round(float(np.quantile(values, share)), 4) for name, share in QUANTILES.items()}


def verdict(line: dict[str, Any]) -> list[str]:
    """Which claims do not hold by one recogniser."""
    made, others = line["identity_to_nearest_donor"], line["donor_to_nearest_other_donor"]
    return [f"{line['recogniser']}: {name} of the identities is nearer" for name in QUANTILES if made[name] < others[name]]


def histograms(curves: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]]) -> Figure:
    """Distances to the nearest donor, one panel for each recogniser."""
    figure = Figure(figsize=(7, 2.7 * len(curves)), layout="constrained")
    for axes, (name, (near, others, threshold)) in zip(figure.subplots(len(curves), 1, squeeze=False).flat, curves.items(), strict=True):
        bins = np.linspace(0, 1.05 * float(max(near.max(), others.max())), 61)
        axes.hist(near, bins=bins, density=True, alpha=0.55, label=f"identity to the nearest donor ({len(near)})")
        axes.hist(others, bins=bins, density=True, alpha=0.55, label=f"donor to the nearest other donor ({len(others)})")
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1)
        axes.set(yticks=[], xlabel=f"distance, {name}; dashed: threshold at a false-accept rate of 0.001")
        axes.legend(loc="upper left", frameon=False, fontsize="small")
    return figure


def _turned(pictures: list[Versions]) -> Versions:
    """Pictures by recogniser to, of each recogniser, all pictures."""
    return [[embedding for picture in pictures for embedding in picture[n]] for n in range(len(pictures[0]))]


if __name__ == "__main__":
    sys.exit(main())
