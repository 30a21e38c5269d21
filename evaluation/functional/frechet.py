"""The Fréchet distance between two normal distributions, and what it is about: mean and covariance."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution."""

    mean: Float[Tensor, " feature"]
    covariance: Float[Tensor, "feature feature"]

    def in_units_of(self, other: "Gaussian") -> "Gaussian":
        """The same with every feature centred on and divided by the other's mean and standard deviation."""
        unit = other.covariance.diagonal().sqrt()
        return Gaussian((self.mean - other.mean) / unit, self.covariance / unit / unit[:, None])


def gaussian(rows: Float[Tensor, "row feature"], least: float = 0.0) -> Gaussian:
    """Mean and covariance of rows, in float64; `least` is a standard deviation added to all features.

    Raises:
        ValueError: less than 2 rows.
    """
    if len(rows) < 2:
        raise ValueError(f"frechet.gaussian: {len(rows)} rows; at least 2 are needed")
    exact = rows.double()
    return Gaussian(
        exact.mean(0), torch.cov(exact.T).reshape(2 * (rows.shape[1],)) + least**2 * torch.eye(rows.shape[1])
    )


def frechet(one: Gaussian, other: Gaussian) -> float:
    """Squared Fréchet (2-Wasserstein) distance: |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2). 0 for equals."""
    root = _root(one.covariance)
    cross = _root(root @ other.covariance @ root)
    spread = one.covariance.trace() + other.covariance.trace() - 2 * cross.trace()
    return float(((one.mean - other.mean).square().sum() + spread).clamp(min=0))


def _root(matrix: Float[Tensor, "feature feature"]) -> Float[Tensor, "feature feature"]:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    root: Tensor = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return root
