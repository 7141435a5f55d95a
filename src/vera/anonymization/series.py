"""A person's series: photographs that the renderer makes, and those that it cannot, which are covered or kept (``--unsupported``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vera.anonymization.faceless import COVER, KEEP, RENDERED, FacelessScene
from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.renderer import Case, Renderer, Request, SavedIdentity
from vera.anonymization.scene import Scene
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.types import Anonymized, Photograph, Unsupported


@dataclass(frozen=True)
class SeriesPart:
    """One photograph of a series.

    Attributes:
        scene: the photograph made ready.
        handling: treatment of the photographs, one of :data:`vera.anonymization.faceless.HANDLINGS`.
        why: why the renderer cannot make it; empty where it can.

    """

    scene: Scene | FacelessScene
    handling: str = RENDERED
    why: str = ""

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        if self.handling == RENDERED:
            return self.scene.facts() | {"handling": RENDERED}
        source_type = ALTERED_BY_ALGORITHM if self.handling == COVER else None
        return self.scene.facts() | {"handling": self.handling, "unsupported": self.why, "digital_source_type": source_type}


class SeriesCase:
    """All photographs of one person: the renderer's case, covers, and kept photographs.

    Args:
        renderer: renderer of the case: the call's own, or the cover where it can make no photograph.
        case: the renderer's case over its own photographs.
        covers: covers of photographs with a face that the renderer cannot make.
        parts: all photographs, in the order of the request.

    """

    def __init__(self, renderer: Renderer, case: Case, covers: Case, parts: Sequence[SeriesPart]) -> None:
        self.renderer, self.case, self.covers, self.parts = renderer, case, covers, list(parts)
        self.handlings = [part.handling for part in parts]

    @property
    def warnings(self) -> list[str]:
        """Warnings for the audit: what a person must check by eye."""
        return [*self.case.warnings, *(_told(part) for part in self.parts if part.handling != RENDERED)]

    def identity(self, attempt: int) -> SavedIdentity:
        """The identity of an attempt, from 1; another face each."""
        return self.case.identity(attempt)

    def render(self, identity: SavedIdentity) -> list[Anonymized]:
        """The photographs with this identity, in the order of the request."""
        made, hidden = iter(self.case.render(identity)), iter(self.covers.render(identity))
        outputs = []
        for part in self.parts:
            if isinstance(part.scene, FacelessScene):
                outputs.append(part.scene.output())
            else:
                outputs.append(next(made if part.handling == RENDERED else hidden))
        return outputs

    def facts(self) -> dict[str, Any]:
        """Plain values about the renderer's case, for the audit."""
        return self.case.facts()


def open_series(
    renderer: Renderer, request: Request, *, faceless: Mapping[int, tuple[FacelessScene, str]], photographs: Sequence[Photograph]
) -> SeriesCase:
    """Let the renderer look at a person's photographs, and cover those that it cannot make, if the options say so.

    Args:
        renderer: the renderer of the call.
        request: the person; its scenes are the photographs with a face, in their order.
        faceless: photographs without a face by their number in ``photographs``, and why the renderer cannot make them.
        photographs: all photographs of the person.

    Raises:
        Unsupported: the renderer cannot make a photograph that shows a face, and the options do not say that it may be covered.

    """
    scenes, cover = list(request.scenes), ObscuringRenderer(COVER)
    covered: dict[int, str] = {}
    while True:
        left = [scene for number, scene in enumerate(scenes) if number not in covered]
        chosen = renderer if left else cover
        try:
            case = chosen.open(replace(request, scenes=left))
            break
        except Unsupported as error:
            found = {number: str(error) for number, scene in enumerate(scenes) if scene.photograph is error.photograph}
            if request.options.unsupported != COVER or not found.keys() - covered.keys():
                raise
            covered |= found
    covers = cover.open(replace(request, scenes=[scenes[number] for number in sorted(covered)]))
    made = iter(case.scenes)
    faced = iter(
        SeriesPart(scene, COVER, covered[number]) if number in covered else SeriesPart(next(made)) for number, scene in enumerate(scenes)
    )
    handling = KEEP if request.options.unsupported == KEEP else COVER
    parts = [SeriesPart(faceless[n][0], handling, faceless[n][1]) if n in faceless else next(faced) for n in range(len(photographs))]
    return SeriesCase(chosen, case, covers, parts)


def _told(part: SeriesPart) -> str:
    """The warning of a photograph that was covered or kept: somebody must look at it."""
    name = part.scene.photograph.name
    if part.handling == KEEP:
        return f"{name}: no face is found, and the photograph is kept as it is: make sure that nobody is recognisable in it"
    what = "all but the drawn region" if isinstance(part.scene, FacelessScene) else "the face"
    return f"{name}: {what} is covered, since the renderer cannot make it: make sure that nobody is recognisable in it"
