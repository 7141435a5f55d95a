"""Pseudonyms of a person for the headers of DICOM files: a name and UIDs, which only who knows the secrets can trace."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms that are a function of (seed, person), as the identity is (docs/architecture.md#contract-3).

    The same originals become the same pseudonyms for one person and seed, so that photographs of one study stay together, in later calls,
    too, with a saved identity. Another person or seed gives others. DECISION: HMAC-SHA256, so that UIDs cannot be traced back to their
    originals; who knows seed and person can compute them, as with the new face.

    Args:
        seed: seed of the identity; whole number from 0.
        person: id of the person in this call.

    Examples:
        >>> from vera.anonymization.pseudonyms import Pseudonyms
        >>> study = Pseudonyms(7, "p1").uid("study", "1.2.3")
        >>> study == Pseudonyms(7, "p1").uid("study", "1.2.3"), study == Pseudonyms(8, "p1").uid("study", "1.2.3")
        (True, False)

    """

    seed: int
    person: str

    @property
    def name(self) -> str:
        """Name of the person: ``VERA-`` and 16 hexadecimal digits."""
        return f"VERA-{self._digest('name').hex()[:16].upper()}"

    def uid(self, *parts: str) -> str:
        """A DICOM UID (``2.25.`` and a UUID as a number, PS3.5 B.2) for an original one.

        Args:
            *parts: purpose of the UID, and the original UID or its substitute.

        """
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', *parts)[:16], version=5).int}"

    def _digest(self, *parts: str) -> bytes:
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(f"{self.seed}/{self.person}".encode(), text.encode(), hashlib.sha256).digest()
