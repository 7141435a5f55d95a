"""The record of how a person was anonymized: plain values, for a JSON file."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

import cv2
import numpy as np
import PIL
import torch

from vera.anonymization.request import Options
from vera.bundle import BundleInfo
from vera.faces.detection import load_dlib


class HasFacts(Protocol):
    """Anything that can describe itself for the audit, such as an identity."""

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        ...


def opening(
    photographs: Sequence[HasFacts],
    *,
    person: str,
    seed: int | None,
    given: bool,
    renderer: str,
    source_type: str,
    bundle: BundleInfo | None,
    options: Options,
    backends: dict[str, str],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The audit's record of a person before the first attempt; seed and bundle are None where no face is drawn."""
    chosen = choices(seed=seed, given=given, renderer=renderer, bundle=bundle, options=options, backends=backends)
    return {
        "person": person,
        "seed": seed,
        "seed_source": chosen["seed_source"],
        "identity": chosen["identity"],
        "renderer": renderer,
        "digital_source_type": source_type,
        "bundle": chosen["bundle"],
        "backends": backends,
        "options": chosen["options"],
        "photographs": [photograph.facts() for photograph in photographs],
        "warnings": list(warnings),
        "versions": chosen["versions"],
    }


def choices(
    *, seed: int | None, given: bool, renderer: str, bundle: BundleInfo | None, options: Options, backends: dict[str, str]
) -> dict[str, Any]:
    """The record's entries that decide about a person's output, beside the photographs and the person's id."""
    drawn = "identity" if given else "operating system" if options.seed is None else "given"
    return {
        "seed": seed,
        "seed_source": "none" if seed is None else drawn,
        "identity": "given" if given else "none" if seed is None else "drawn",
        "renderer": renderer,
        "bundle": bundle and {"name": bundle.path.name, "digest": bundle.digest, "licence": bundle.licence},
        "backends": backends,
        "options": {name: value for name, value in asdict(options).items() if name != "regions"}
        | {"preserve": options.preserved_names, "seed": seed},
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that decide about the output's bytes; dlib's only where it is installed."""
    known = {
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
    return known | ({"dlib": str(load_dlib().__version__)} if importlib.util.find_spec("dlib") else {})


class Clock:
    """A stopwatch that sums the seconds spent in each named step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the time of a ``with`` block to this step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(self.seconds.get(step, 0.0) + time.perf_counter() - started, 3)


def outcome(record: dict[str, Any], attempt: int, identity: HasFacts, *, searched: Mapping[str, Any]) -> dict[str, Any]:
    """The audit entries of one attempt: the verification's record, and what its distances mean.

    Args:
        record: plain values of the verification's verdict, as the audit stores them.
        attempt: number of the attempt, from 1.
        identity: the identity that was tried in this attempt.
        searched: facts of the renderer's search for this identity; ``candidates`` is how many it looked at.

    """
    chosen = attempt > 1 or searched["candidates"] > 1
    words = (
        "the recognisers chose among several identities: that they do not recognise the person is a condition, not an independent finding"
        if chosen
        else "the recognisers took no part in making this result: the first identity passed"
        if "method" not in searched
        else "the recognisers took no part in making this result: no face was drawn"
    )
    return {
        "attempt": attempt,
        **searched,
        **identity.facts(),
        "verification": record | {"took_part_in_selection": chosen, "took_part_in_optimisation": False, "meaning": words},
    }
