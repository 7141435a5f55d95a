"""Load an anonymizer in another process: the choices of a call travel there, the networks do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vera.anonymization.request import Options

if TYPE_CHECKING:
    from vera.cli.assembly import PersonAnonymizer


@dataclass(frozen=True)
class AnonymizerLoader:
    """The arguments of :func:`vera.cli.assembly.assemble`.

    Attributes:
        options: the choices of the call.
        device: device of the networks, ``cpu`` or ``cuda``.
        bundle: folder of a bundle or bank; None for the packaged one.
        renderer: ``exemplars`` or ``generator``; None: what the bundle is for.
        method: ``cover``, ``blur`` or ``pixelate``; None for a renderer.
        parser: name or path of a face parser; None for the packaged one.
        recognisers: names or paths of further recognisers.
        far: false-accept rate of the recognisers' thresholds.
        threads: threads of the process that loads them; None leaves it as it is.

    """

    options: Options
    device: str
    bundle: Path | None
    renderer: str | None
    method: str | None
    parser: str | None
    recognisers: tuple[str, ...]
    far: float
    threads: int | None = None

    def __call__(self) -> PersonAnonymizer:
        """Load the networks.

        Raises:
            VeraError: see :func:`vera.cli.assembly.assemble`.

        """
        from vera.cli.assembly import assemble  # only now torch: the process that only hands on a loader needs none

        if self.threads is not None:
            import cv2
            import torch

            torch.set_num_threads(self.threads)
            cv2.setNumThreads(self.threads)
        parts = {"renderer": self.renderer, "method": self.method, "parser": self.parser}
        return assemble(self.bundle, self.device, self.options, **parts, recognisers=self.recognisers, far=self.far)

    @property
    def settings(self) -> dict[str, Any]:
        """The choices of the whole call, as the audit says them."""
        return settings_of(self.device, self.options, method=self.method, far=self.far)


def settings_of(device: str, options: Options, *, method: str | None, far: float) -> dict[str, Any]:
    """The choices of a whole call, as the audit says them."""
    return {"device": device, **choices(options), "false_accept_rate": far, "method": method}


def choices(options: Options) -> dict[str, Any]:
    """The choices that one process can change from call to call."""
    return {
        "preserve": options.preserved_names,
        "hair": options.hair,
        "leave_others": options.leave_others,
        "upright": options.upright,
        "unsupported": options.unsupported,
    }
