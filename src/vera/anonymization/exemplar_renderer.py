"""The default renderer: photographic faces of nobody, mixed from a bank and fitted to each photograph. It is not the paper's method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import islice
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from vera.anonymization.clip import each_frame, key_frames, steady_subjects
from vera.anonymization.exemplar_identity import ExemplarIdentity
from vera.anonymization.exemplar_search import Picture, Search, SearchCandidate
from vera.anonymization.joining import join
from vera.anonymization.placement import Window, to_window
from vera.anonymization.renderer import Request, SavedIdentity
from vera.anonymization.request import Options
from vera.anonymization.scene import Scene
from vera.bundle import BundleInfo
from vera.exemplars.bank import ExemplarBank
from vera.exemplars.eyes import kept_iris
from vera.exemplars.fitting import Fitter, Subject, mean_hair, observe
from vera.exemplars.hair import HairEdge
from vera.exemplars.identity import STUBBLE, Appearance, Exemplar, deal, descendant, draw, farthest, pool
from vera.exemplars.pose import eye_distance
from vera.faces.alignment import align, resample, transform
from vera.faces.marking import COMPOSITE_WITH_SYNTHETIC
from vera.rng import derived_seed, seeds_up_to
from vera.types import AlignedFace, Anonymized, Mask, Pixels, Semantic, Unsupported, VeraError

Floats = npt.NDArray[np.float32]

SEARCH_SIZE = 112
"""DECISION: side at which candidates are rendered and shown to the recognisers."""
MOST_TURNED = 25.0
"""DECISION: degrees of yaw beyond which a frontal face cannot be made to fit."""
DONORS = 0.5
"""DECISION: weight of an identity's promised distance from the donors beside that from the person."""
UNLIKE = 3
"""DECISION: attempts for which a seed's face must be unlike the one of the seed before it in its group: likeness is better than refusal."""
GLASSES = 0.1
"""DECISION: from this area on, in squared eye distances, frames of spectacles are in the way."""
BEARD = 9.0
"""DECISION: lightness by which chin and upper lip are darker than the cheeks of a face that is called bearded."""


class ExemplarRenderer:
    """Renders with a bank of exemplars; implements :class:`vera.anonymization.renderer.Renderer`.

    Args:
        bank: the bank of exemplars, loaded from its bundle.
        leave_out_person: rows that the person of this id went into, and the embeddings of the person's photographs, are not used; for
            evaluation on the bank's own donors.

    """

    name = "exemplars"
    source_type = COMPOSITE_WITH_SYNTHETIC
    """DECISION: no generative model makes its pixels, yet "a composite of captures" would say that this face was once before a camera."""

    def __init__(self, bank: torch.nn.Module, *, leave_out_person: bool = False) -> None:
        self.bank, self.leave_out_person = cast(ExemplarBank, bank), leave_out_person
        self.fitter = Fitter(self.bank)

    @property
    def info(self) -> BundleInfo:
        """Record of the bank's bundle."""
        return cast(BundleInfo, self.bank.info)

    def check(self, options: Options) -> None:
        """Raise a VeraError for options that exemplars cannot meet."""
        options.require_inversion("ExemplarBank", self.info.path)
        if options.hair:
            raise VeraError("--hair: exemplars are faces without hair; leave it out, or take the generator (--renderer generator)")
        if options.kind is not None and options.kind not in self.bank.sexes:
            raise VeraError(f"--kind {options.kind}: this bundle knows {', '.join(self.bank.sexes)}")

    def open(self, request: Request) -> ExemplarCase:
        """Look at a person's photographs.

        Raises:
            Unsupported: a head that is turned too far, or spectacles.
            VeraError: a face of which hardly any skin is seen.

        """
        if request.identity is not None:
            if not isinstance(request.identity, ExemplarIdentity):
                raise VeraError("this identity was drawn by another renderer: use the renderer of the first visit (--renderer)")
            request.identity.require_rows(self.bank)
        with request.clock("fit"):
            seen = each_frame(self._seen, request.scenes, clip=request.clip)
            if request.clip:
                steady = steady_subjects([subject for _, subject in seen])
                seen = [(crop, subject) for (crop, _), subject in zip(seen, steady, strict=True)]
            views = each_frame(lambda one: self._view(one[0], *one[1]), list(zip(request.scenes, seen, strict=True)), clip=request.clip)
        return ExemplarCase(self, request, views)

    def _seen(self, scene: Scene) -> tuple[AlignedFace, Subject]:
        """The face's crop at the bank's size, and what is measured in it."""
        size, photograph = self.bank.size, scene.photograph
        crop = align(photograph, scene.face.landmarks, size)
        image = ((crop.image + 1) * 127.5).permute(1, 2, 0).numpy()
        probabilities = F.interpolate(scene.parsed[None], size=size, mode="bilinear", align_corners=False)[0]
        labels = np.argmax(probabilities.numpy(), axis=0).astype(np.uint8)  # torch's takes four times as long along this axis
        landmarks = (transform(crop.landmarks, crop.from_photograph) + 0.5) / size
        if (labels == Semantic.GLASSES).sum() > GLASSES * (eye_distance(landmarks) * size) ** 2:
            raise Unsupported(
                f"photograph '{photograph.name}' shows spectacles, which would be cut in half: take a photograph without them, "
                "or the generator, which replaces them by bare eyes (--renderer generator)",
                photograph,
            )
        subject = observe(self.bank, image, labels, landmarks)
        if abs(subject.camera.yaw) > MOST_TURNED:
            raise Unsupported(
                f"the head in photograph '{photograph.name}' is turned by about {abs(subject.camera.yaw):.0f} degrees, "
                f"at most {MOST_TURNED:.0f} can be anonymized: give one from the front, or let it be covered (--unsupported cover)",
                photograph,
            )
        return crop, subject

    def _view(self, scene: Scene, crop: AlignedFace, subject: Subject) -> View:
        photograph = scene.photograph
        edge = self.fitter.hair(subject)
        window = Window.around_face(crop, photograph.size)
        region, band = (window.into(_in_photograph(mask, crop, window) > 0.5, photograph.size) for mask in (subject.region, edge.band))
        band &= ~scene.preserved
        replaced = region & ~band & ~scene.preserved
        if replaced.sum() < 0.15 * region.sum():
            raise VeraError(
                f"the preserved region covers almost all of the face in photograph '{photograph.name}': "
                "almost nothing would be anonymized; preserve less"
            )
        return View(replace(scene, replaced=replaced, hair_edge=band), crop, subject, edge)


@dataclass(frozen=True)
class View:
    """One photograph, made ready.

    Attributes:
        scene: scene with the regions of this renderer.
        crop: the face at the bank's size.
        subject: facts of the face in it.
        edge: the hair over it.

    """

    scene: Scene
    crop: AlignedFace
    subject: Subject
    edge: HairEdge


class ExemplarCase:
    """One person's photographs with the rows that fit them.

    Args:
        renderer: the renderer that opened this case.
        request: the person, as the anonymizer asked for them.
        views: the person's photographs, each prepared for fitting.

    """

    def __init__(self, renderer: ExemplarRenderer, request: Request, views: Sequence[View]) -> None:
        self.renderer, self.request, self.views = renderer, request, list(views)
        self.scenes = [view.scene for view in views]
        self.appearance = self._appearance()
        self._dealt, self._away, self._beyond = cache(self._deal), cache(self._row_away), cache(self._row_beyond)
        self.warnings = [
            f"{view.scene.photograph.name}: the face is bearded, and the new one will not be as bearded: look at chin and neck"
            for view in views
            if view.subject.beard > BEARD
        ]
        self._search = self._started()
        self._found = self._far_from_the_person()
        self._taken: list[SearchCandidate] = []

    def identity(self, attempt: int) -> ExemplarIdentity:
        """The candidate that the search puts first (attempt 1), the next one, and so on; the last one again when there are no more."""
        with self.request.clock("search"):
            while len(self._taken) < attempt and (candidate := next(self._found, None)):
                self._taken.append(candidate)
        found = self._taken[-1]
        return ExemplarIdentity(found.exemplar, self.renderer.info.digest, self.request.seed, found.number)

    def render(self, identity: SavedIdentity) -> list[Anonymized]:
        """The photographs with this identity."""
        own = cast(ExemplarIdentity, identity).exemplar
        seed = derived_seed(self.request.seed, self.request.person, "grain")
        made = []
        for number, (view, iris) in enumerate(zip(self.views, self._irises, strict=True)):
            made.append(self._photograph(view, own, iris, None if self.request.clip else derived_seed(seed, number)))
            if self.request.clip and self.request.progress:
                self.request.progress("rendering frames", number + 1, len(self.views))
        return made

    def facts(self) -> dict[str, Any]:
        """The group, how many candidates were looked at, and how far the last one taken is.

        ``away`` is its distance to the nearest photograph of the person in the recognisers' thresholds, ``apart`` that to the face of an
        earlier seed, if there is one.
        """
        found = {"kind": self.renderer.bank.sexes[self.appearance.sex], "candidates": self._search.rendered or 1}
        last = self._taken[-1] if self._taken else None
        far = {"away": last.away, "apart": last.apart} if last else {}
        return found | {name: round(distance, 4) for name, distance in far.items() if np.isfinite(distance)}

    def _appearance(self) -> Appearance:
        bank, request = self.renderer.bank, self.request
        tone = np.mean([view.subject.tone for view in self.views], axis=0)
        beard = float(np.mean([view.subject.beard for view in self.views]))
        names = [recogniser.name for recogniser in request.recognisers]
        if bank.recogniser not in names:
            raise VeraError(f"this bank of exemplars needs the recogniser {bank.recogniser} to find rows that fit: add it")
        seen = [embedding for photograph in request.sources[names.index(bank.recogniser)] for embedding in photograph]
        read = np.append(np.mean(seen, axis=0), 1.0)
        scores = bank.facts["sex_head"] @ read
        sex = bank.sexes.index(request.options.kind) if request.options.kind else int(np.argmax(scores))
        hair = mean_hair([view.subject for view in self.views])
        return Appearance(sex, tone, float(bank.facts["age_head"] @ read), max(beard, STUBBLE), hair)

    def _far_from_the_person(self) -> Iterator[SearchCandidate]:
        """Candidates, best first: unlike the person, and unlike the faces of the seeds before this one in its group."""
        *earlier, own = seeds_up_to(self.request.seed)
        for seed in earlier:
            self._search.pass_over(seed)
        if earlier:
            yield from islice(self._search.candidates(own), UNLIKE)
            self._search.allow_likeness()
        yield from self._search.candidates(own)

    def _draw(self, seed: int, number: int, stage: int, parent: Exemplar | None) -> Exemplar:
        """The identity of a candidate of the search; in its later rounds, rows of a larger pool and faces farther from the mean join."""
        person, brown, search = self.request.person, self.appearance.brown_eyes, stage // 2
        drawn = draw(self._dealt(seed, search), seed=seed, person=person, number=number, search=search, brown_eyes=brown)
        return drawn if parent is None else descendant(parent, drawn, seed=seed, person=person, number=number)

    def _deal(self, seed: int, search: int) -> npt.NDArray[np.int64]:
        """The rows that a search mixes."""
        fits = self.renderer.fitter.has_forehead
        rows = pool(self.renderer.bank, self.appearance, search=search, leave_out=self._left_out, suits=fits)
        rows = farthest(rows, np.array([self._away(int(row)) for row in rows]))
        return deal(rows, seed=seed, person=self.request.person, search=search)

    @property
    def _left_out(self) -> tuple[str, ...]:
        """The person, if rows that it went into must not be used."""
        return (self.request.person,) if self.renderer.leave_out_person else ()

    def _row_away(self, row: int) -> float:
        """Distance of a row from the person, in thresholds, as the mean over the recognisers that the bank was seen by; 0 without any."""
        bank, found = self.renderer.bank, []
        for recogniser, sources in zip(self.request.recognisers, self.request.sources, strict=True):
            if recogniser.name in bank.recognisers:
                pictures = bank.row_embeddings(recogniser.name)[row]
                views = [view for photograph in sources for view in photograph]
                found.append(min(recogniser.distance(one, view) for one in pictures for view in views) / recogniser.refusal_threshold)
        return float(np.mean(found)) if found else 0.0

    def _row_beyond(self, row: int) -> float:
        distances = {recogniser.name: recogniser.distance for recogniser in self.request.recognisers}
        return self.renderer.bank.beyond_donors(row, distances, self._left_out)

    def _foreseen(self, exemplar: Exemplar) -> float:
        """Promised distance of an identity from the person, and less so from the donors: that of its rows, by their shares."""
        return exemplar.promised(lambda row: self._away(row) + DONORS * self._beyond(row))

    def _started(self) -> Search:
        request = self.request
        looked_at = [self.views[number] for number in key_frames(len(self.views))] if request.clip else self.views
        small = [(view, view.subject.at(SEARCH_SIZE), _small(view, SEARCH_SIZE)) for view in looked_at]
        # The recogniser that the bank's rows were chosen by (dlib's) is asked last: the others are harder to leave.
        order = sorted(range(len(request.recognisers)), key=lambda i: request.recognisers[i].name == self.renderer.bank.recogniser)
        recognisers = [request.recognisers[number] for number in order]
        bank, names = self.renderer.bank, [recogniser.name for recogniser in recognisers]
        return Search(
            self._draw,
            lambda exemplar: [self._picture(exemplar, *one) for one in small],
            recognisers,
            [request.sources[number] for number in order],
            foresee=self._foreseen if set(names) & set(bank.recognisers) else None,
            donors=[list(bank.donor_embeddings(name, self._left_out)) if name in bank.recognisers else [] for name in names],
            strangers=[bank.strangers.get(name, 1.0) for name in names],
            threads=torch.get_num_threads(),
            progress=request.progress,
        )

    def _picture(self, own: Exemplar, view: View, subject: Subject, layers: tuple[Floats, Floats]) -> Picture:
        """A candidate in a small photograph, and its landmarks there."""
        face = self.renderer.fitter.fit(own, subject, view.scene.kept_classes, outlined=view.scene.outlined_classes, quick=True)
        share, over = layers
        pixels = (share * face.image + over).clip(0, 255).round().astype(np.uint8)
        return pixels, np.asarray(face.points, dtype=np.float64) * SEARCH_SIZE - 0.5

    @cached_property
    def _irises(self) -> list[Floats | None]:
        """The colour of a preserved eye in each photograph, one for a whole clip; None where the new face has its own."""
        found = [kept_iris(view.subject.image, view.subject.points, _preserved(view)) for view in self.views]
        known = [iris for iris in found if iris is not None]
        return [np.median(known, axis=0)] * len(found) if self.request.clip and known else found

    def _photograph(self, view: View, own: Exemplar, iris: Floats | None, seed: int | None) -> Anonymized:
        scene, edge = view.scene, view.edge
        face = self.renderer.fitter.fit(own, view.subject, scene.kept_classes, outlined=scene.outlined_classes, iris=iris)
        band = cast(Mask, scene.hair_edge)
        covered = scene.replaced | band
        labels = view.subject.labels.astype(np.float32)
        pixels = join(scene.photograph, view.crop, labels, face.image, face.plain, covered, scene.preserved, seed=seed)
        if band.any():
            _lay_hair_over(pixels, edge, view.crop, band)
        return Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced, band)


def _lay_hair_over(pixels: Pixels, edge: HairEdge, crop: AlignedFace, band: Mask) -> None:
    """Mix the hair's colours over the new face, within the band, in place."""
    window = Window.around_mask(band, margin=1)
    alpha = _in_photograph(edge.alpha, crop, window)[..., None]
    colour = to_window(torch.from_numpy(edge.colour).permute(2, 0, 1), crop, window)[0]
    part, where = pixels[window.slices], band[window.slices]
    mixed = alpha * colour + (1 - alpha) * part
    part[where] = mixed[where].round().clip(0, 255).astype(np.uint8)


def _preserved(view: View) -> Mask:
    """``(S, S)``: what is preserved, in the crop."""
    return np.asarray(resample(view.scene.preserved, view.crop.to_photograph, view.crop.size) > 0.5, dtype=np.bool_)


def _in_photograph(plane: npt.NDArray[Any], crop: AlignedFace, window: Window) -> Floats:
    """Something of the crop, ``(S, S)``, in a window of the photograph, ``(h, w)``."""
    return to_window(torch.from_numpy(plane.astype(np.float32))[None], crop, window)[0][..., 0]


def _small(view: View, size: int) -> tuple[Floats, Floats]:
    """Blend maps of the search: share of the new face in each pixel of a small crop, and the pixels over and around it."""
    scene, crop = view.scene, view.crop
    ratio = crop.size / size
    smaller = crop.to_photograph @ np.array([[ratio, 0, (ratio - 1) / 2], [0, ratio, (ratio - 1) / 2], [0, 0, 1]])
    preserved = resample(scene.preserved, smaller, size)[..., None]
    subject, edge = view.subject, view.edge
    image, region, band, alpha, colour = (
        np.asarray(cv2.resize(np.ascontiguousarray(plane, np.float32), (size, size), interpolation=cv2.INTER_AREA), np.float32)
        for plane in (subject.image, subject.region, edge.band, edge.alpha, edge.colour * edge.alpha[..., None])
    )
    band, hair = band[..., None], alpha[..., None]
    new = np.maximum(region[..., None], band) * (1 - preserved)
    share = new * (1 - hair)
    return share, (1 - new) * image + new * colour
