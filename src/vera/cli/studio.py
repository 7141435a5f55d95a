"""The protocol of anonymizers, as the command line uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from vera.cli.plan import PlannedPerson
from vera.types import AnonymizedPerson


class Studio(Protocol):
    """Reads and anonymizes one person's photographs."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the whole call, for the audit."""
        ...

    def anonymize(self, person: PlannedPerson, identity: Any, progress: Callable[[str, int, int], None]) -> tuple[AnonymizedPerson, Any]:
        """The verified result, and the identity it was given; ``progress`` takes what is going on, steps done, and their budget.

        Raises:
            Refused: the verification failed.
            VeraError: the photographs or masks can't be used.

        """
        ...

    def save_identity(self, identity: Any, path: Path) -> None:
        """Keep an identity for a later visit, readable by its owner only."""
        ...
