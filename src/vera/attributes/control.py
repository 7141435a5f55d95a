"""Control a generator by attribute values: linear regressors from attribute codes to the encoders' readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.network import Generator
from vera.types import LatentCodes, VeraError

RIDGE = 1e-3
"""Share of the mean variance that the fit adds to every direction of the codes."""


class Regressor(nn.Module):
    """Linear regressor of one attribute: ``values ≈ mean + (code - centre) @ slope``, with the covariance of the codes.

    Args:
        code: dimension of the attribute's code.
        values: number of values that its encoder reads.

    """

    slope: Tensor
    centre: Tensor
    covariance: Tensor
    mean: Tensor
    spread: Tensor
    explained: Tensor

    def __init__(self, *, code: int, values: int) -> None:
        super().__init__()
        shapes = {"slope": (code, values), "centre": (code,), "covariance": (code, code), "mean": (values,), "spread": (values,)}
        for name, shape in {**shapes, "explained": (values,)}.items():
            self.register_buffer(name, torch.zeros(shape))

    @torch.no_grad()
    def fit(self, codes: Float[Tensor, "n d"], values: Float[Tensor, "n v"]) -> None:
        """Ridge regression on three quarters of the rows; ``explained`` is R² on the last quarter."""
        count = 3 * len(codes) // 4
        x, y = codes[:count].double(), values[:count].double()
        centre, mean = x.mean(dim=0), y.mean(dim=0)
        covariance = (x - centre).T @ (x - centre) / count
        ridge = RIDGE * covariance.diagonal().mean() * torch.eye(len(centre), dtype=x.dtype, device=x.device)
        slope = torch.linalg.solve(covariance + ridge, (x - centre).T @ (y - mean) / count)
        held = values[count:].double()
        off = held - mean - (codes[count:].double() - centre) @ slope
        explained = 1 - off.square().mean(dim=0) / held.var(dim=0, correction=0).clamp(min=1e-12)
        found = {"slope": slope, "centre": centre, "covariance": covariance, "mean": mean, "spread": y.std(dim=0), "explained": explained}
        for name, value in found.items():
            getattr(self, name).copy_(value)

    def predict(self, codes: Float[Tensor, "b d"]) -> Float[Tensor, "b v"]:
        """Predict the encoder's readings from attribute codes."""
        return self.mean + (codes - self.centre) @ self.slope

    def reach(self, codes: Float[Tensor, "b d"], wanted: Mapping[int, float | Tensor]) -> Float[Tensor, "b d"]:
        """Smallest edit of the codes (Mahalanobis norm) for which the regressor predicts ``wanted``.

        Args:
            codes: latent codes at the start of the way.
            wanted: value (one for all, or ``(B,)``) by its place among the encoder's numbers; the others are left free.

        """
        slope = self.slope[:, list(wanted)]
        target = torch.stack([torch.as_tensor(value).to(codes).expand(len(codes)) for value in wanted.values()], dim=1)
        missing = target - self.predict(codes)[:, list(wanted)]
        along = self.covariance @ slope
        way: Tensor = torch.linalg.pinv(slope.T @ along) @ along.T
        return codes + missing @ way


class QuantityPlace(NamedTuple):
    """Position of a quantity: its attribute, and its index among the attribute's numbers."""

    attribute: str
    number: int


class ControlledGenerator(Generator):
    """A generator with attribute regressors, so that ``edit`` can ask for values: the result of stage 2.

    Args:
        controls: names of each attribute's quantities.
        **config: constructor arguments of :class:`Generator`.

    """

    def __init__(self, *, controls: Mapping[str, Sequence[str]], **config: Any) -> None:
        super().__init__(**config)
        self.config["controls"] = {name: list(quantities) for name, quantities in controls.items()}
        self.regressors = nn.ModuleDict(
            {name: Regressor(code=self.attributes[name], values=len(quantities)) for name, quantities in controls.items()}
        )
        self.places = {q: QuantityPlace(name, number) for name, quantities in controls.items() for number, q in enumerate(quantities)}

    def regressor(self, attribute: str) -> Regressor:
        """The attribute's regressor."""
        found = self.regressors[attribute]
        assert isinstance(found, Regressor)
        return found

    def read(self, codes: LatentCodes) -> dict[str, Float[Tensor, "b"]]:
        """Predict the value of every quantity from the attribute codes."""
        parts = self.split(codes.attributes)
        return {q: self.regressor(place.attribute).predict(parts[place.attribute])[:, place.number] for q, place in self.places.items()}

    def edit(self, codes: LatentCodes, wanted: Mapping[str, float | Tensor]) -> LatentCodes:
        """Codes for wanted values; what is not asked for stays as it is.

        Args:
            codes: latent codes of any faces.
            wanted: value by quantity (``yaw``) in its encoder's unit; one for all faces, or ``(B,)``.

        Raises:
            VeraError: a quantity that this generator does not know.

        """
        unknown = set(wanted) - set(self.places)
        if unknown:
            raise VeraError(f"this generator has no control called {', '.join(sorted(unknown))}: choose from {', '.join(self.places)}")
        parts = self.split(codes.attributes)
        for name in dict.fromkeys(self.places[q].attribute for q in wanted):
            own = {self.places[q].number: value for q, value in wanted.items() if self.places[q].attribute == name}
            parts[name] = self.regressor(name).reach(parts[name], own)
        return LatentCodes(codes.local, torch.cat(list(parts.values()), dim=1))

    def split(self, attributes: Float[Tensor, "b a"]) -> dict[str, Tensor]:
        """The concatenated attribute codes, by attribute."""
        return dict(zip(self.attributes, torch.split(attributes, list(self.attributes.values()), dim=1), strict=True))
