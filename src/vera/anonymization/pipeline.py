"""The way of a person's photographs through the house: find, invert, draw an identity, harmonize, composite, verify."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from vera.anonymization.assembly import assemble, kept_rows
from vera.anonymization.audit import Clock, opening, outcome
from vera.anonymization.compositing import Rendering, composite
from vera.anonymization.harmonization import Surroundings, harmonize
from vera.anonymization.identity import Identity, draw
from vera.anonymization.kinds import Kinds
from vera.anonymization.proportions import reshape
from vera.anonymization.request import Options
from vera.anonymization.scene import Chosen, Scene, find_face, set_scene
from vera.anonymization.verification import Verifier
from vera.bundle import BundleInfo
from vera.faces.detection import Detector
from vera.faces.parsing import Parser
from vera.faces.recognition import Recogniser
from vera.features.perceptual import PerceptualDistance
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.objective import InversionObjective, Weights
from vera.inversion.refinement import refine
from vera.rng import derived_seed
from vera.types import Anonymized, AnonymizedPerson, LatentCodes, Mask, Photograph, Refused, Semantic, VeraError, to_probabilities

REFINEMENT = Weights(face=3.0, pixel=1.0, perceptual=0.5, segmentation=0.2, prior=0.02)
"""DECISION: what counts when codes are refined on one photograph."""
WIDENING = 0.1
"""DECISION: each further attempt draws from faces farther from the mean by this share: what stays of the photograph (hair, outline, the
preserved region) makes some people hard to leave."""


@dataclass(frozen=True)
class WithIdentity(AnonymizedPerson):
    """An anonymized person and the identity that was given, for a later visit."""

    identity: Identity | None = None


Progress = Callable[[str, int, int], None]
"""Takes what is going on, the steps done, and the budget of steps."""


class VeraAnonymizer:
    """Anonymizes all photographs of one person with one identity, or refuses; implements :class:`vera.types.Anonymizer`.

    Args:
        network: from a bundle, frozen.
        detector: finds faces and landmarks.
        parser: segments an aligned face.
        recognisers: at least one; all must agree that the person is not recognised.
        options: see there.
        perceptual: distance network for refinement and harmonization; the embedded one if None.

    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        detector: Detector,
        parser: Parser,
        recognisers: Sequence[Recogniser],
        options: Options,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        if not recognisers:
            raise VeraError("anonymization needs at least one recogniser to verify with")
        self.network = cast(Autoencoder, network)
        self.detector, self.parser, self.recognisers, self.options = detector, parser, list(recognisers), options
        self.network.identities(options.kind)  # before anything is read: is there such a kind?
        self.device = next(network.parameters()).device
        self.perceptual = (perceptual or PerceptualDistance()).to(self.device)
        self.kinds = Kinds(self.network, detector=detector, recogniser=self.recognisers[0])

    @property
    def bundle(self) -> BundleInfo:
        """What is known of the network."""
        return cast(BundleInfo, self.network.info)

    def __call__(
        self,
        photographs: Sequence[Photograph],
        *,
        person: str,
        masks: Sequence[Mask | None] | None = None,
        identity: Identity | None = None,
        progress: Progress | None = None,
    ) -> WithIdentity:
        """Anonymize all photographs of one person.

        Args:
            photographs: of this person; at least one.
            person: an id; another id, another face.
            masks: what to preserve beside the named classes, one for each photograph (None: nothing more).
            identity: from an earlier visit: it is applied as it was saved, neither drawn again nor harmonized, so that nobody's
                face drifts from visit to visit. One attempt.
            progress: told of every optimisation step.

        Raises:
            VeraError: a photograph or mask that cannot be used.
            Refused: no identity passed the verification; its ``audit`` says why.

        """
        masks = list(masks) if masks is not None else [None] * len(photographs)
        if not photographs or len(masks) != len(photographs):
            raise VeraError(
                f"{len(photographs)} photographs and {len(masks)} masks: give at least one photograph, and a mask or None for each"
            )
        if identity is not None:
            identity.require_bundle(self.bundle.digest)
            identity.require_codes(tuple(self.network.mean.shape))
        clock = Clock()
        with clock("find"):
            found = [find_face(self.detector, photograph, self.options) for photograph in photographs]
            faces = [one.face for one in found]
        with clock("verify"):
            verifier = Verifier(photographs, faces, detector=self.detector, recognisers=self.recognisers)
        warnings = [warning for one in found for warning in one.warnings] + _one_person(verifier, found)
        with clock("regions"):
            scenes = [
                set_scene(photograph, face.landmarks, self.parser, size=self.network.size, mask=mask, options=self.options)
                for photograph, face, mask in zip(photographs, faces, masks, strict=True)
            ]
        with clock("invert"):
            codes = self._invert(scenes, progress)
        with clock("kind"):
            seen = [embedding for views in verifier.sources[0] for embedding in views]
            kind = None if identity else self.options.kind or self.kinds.nearest(codes, seen)
        seed = identity.seed if identity else secrets.randbits(63) if self.options.seed is None else self.options.seed
        audit = opening(
            scenes,
            person=person,
            seed=seed,
            identity=identity,
            bundle=self.bundle,
            options=self.options,
            backends={"detector": self.detector.name, "parser": self.parser.name},
            warnings=warnings,
        )
        for attempt in range(1, 2 if identity else self.options.attempts + 1):
            chosen = identity or self._settle(scenes, codes, kind, seed, person, attempt, clock, progress)
            with clock("generate"):
                outputs = self._render(scenes, codes, chosen, derived_seed(seed, person, "grain"))
            with clock("verify"):
                verdict = verifier.judge(outputs)
            audit |= outcome(verdict.record, attempt, chosen) | {"kind": kind, "seconds": clock.seconds}
            if verdict.passed:
                return WithIdentity(person, outputs, audit, chosen)
            audit["warnings"].append(f"attempt {attempt} refused: " + "; ".join(verdict.reasons))
        tried = audit["attempt"]
        raise Refused(
            f"'{person}' is refused after {tried} attempt{'s' if tried > 1 else ''}, nothing is written; last reason: {verdict.reasons[0]}",
            audit,
        )

    def _invert(self, scenes: Sequence[Scene], progress: Progress | None) -> LatentCodes:
        images, segmentations = self._stack(scenes)
        with torch.no_grad():
            codes = self.network.encode(images, segmentations)
        objective = InversionObjective(weights=REFINEMENT, perceptual=self.perceptual)
        steps = self.options.refine_steps
        told = _named(progress, "refining", steps)
        axes = self.network.axes
        refined = refine(self.network, images, segmentations, codes, objective=objective, steps=steps, axes=axes, progress=told)
        return refined.map(Tensor.detach)

    def _settle(
        self,
        scenes: Sequence[Scene],
        codes: LatentCodes,
        kind: str | None,
        seed: int,
        person: str,
        attempt: int,
        clock: Clock,
        progress: Progress | None,
    ) -> Identity:
        """Draw an identity and harmonize it with all photographs together."""
        truncation = self.options.truncation * (1 + WIDENING * (attempt - 1))
        network = self.network
        bank, mean = network.identities(kind)
        skin = codes.local[:, LatentCodes.rows([Semantic.SKIN])[1]].mean(dim=0)
        drawn = draw(bank, mean, skin=skin, bundle=self.bundle.digest, seed=seed, person=person, attempt=attempt, truncation=truncation)
        if self.options.harmonize_steps == 0:
            return drawn
        with clock("harmonize"):
            images, segmentations = self._stack(scenes)
            replaced = torch.stack([scene.replaced_share for scene in scenes]).to(self.device)
            local = harmonize(
                network.generator,
                codes,
                drawn.local.to(self.device),
                self._kept(scenes),
                Surroundings.of(images, segmentations, replaced),
                unit=bank.float().std(dim=0),
                steps=self.options.harmonize_steps,
                perceptual=self.perceptual,
                progress=_named(progress, f"harmonizing face {attempt}", self.options.harmonize_steps),
            )
        return replace(drawn, local=local.cpu(), harmonized=True)

    def _render(self, scenes: Sequence[Scene], codes: LatentCodes, identity: Identity, seed: int) -> list[Anonymized]:
        local, kept = identity.local.to(self.device), self._kept(scenes)
        with torch.no_grad():
            synthesis = self.network.generator(assemble(codes, local, kept))
        probabilities = to_probabilities(synthesis.segmentation)
        outputs = []
        for number, scene in enumerate(scenes):
            share = scene.replaced_share.to(self.device)
            image, segmentation = reshape(synthesis.image[number], probabilities[number], identity.proportions, share)
            rendering = Rendering(image, segmentation, scene.tone)
            pixels = composite(scene.photograph, scene.face, scene.parsed, rendering, scene.replaced, seed=derived_seed(seed, number))
            outputs.append(Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced))
        return outputs

    def _stack(self, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
        images, segmentations = (torch.stack(parts) for parts in zip(*((s.image, s.segmentation) for s in scenes), strict=True))
        return images.to(self.device), segmentations.to(self.device)

    def _kept(self, scenes: Sequence[Scene]) -> Tensor:
        rows = len(self.network.mean)
        return torch.stack([kept_rows(scene.kept_classes, hair=self.options.hair, rows=rows) for scene in scenes]).to(self.device)


def _one_person(verifier: Verifier, found: Sequence[Chosen]) -> list[str]:
    """Warnings where the sources may show several people; a VeraError where a face was chosen by its size, so that it may be the wrong one.

    DECISION: single faces are not refused: surgery and years can take a face as far from itself.
    """
    doubts = verifier.strangers()
    if doubts and any(one.among > 1 for one in found):
        raise VeraError(
            f"--face may have chosen different people: {doubts[0]}; crop the photographs to the one face, or make a call for each"
        )
    return [f"{doubt}: make sure that all photographs show the same person" for doubt in doubts]


def _named(progress: Progress | None, what: str, budget: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(what, done, budget)
