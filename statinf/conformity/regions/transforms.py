"""Maps between outcomes and a latent variable in which regions are simple."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.learners.cvae import FittedCvae

_ROWS = 5
_CLOSE = 1e-6
"""Error of a round trip that is allowed, in standard deviations."""


@dataclass(frozen=True)
class OutcomeUnits:
    """Mean and standard deviation (d,), (d,) of the training rows' outcomes."""

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, Y: np.ndarray, names: tuple[str, ...]) -> OutcomeUnits:
        """From outcomes (n, d).

        Raises
        ------
        DataError
            If one does not vary.
        """
        centre, scale = Y.mean(axis=0), Y.std(axis=0)
        for name, column, spread in zip(names, Y.T, scale, strict=True):
            if not (spread > 0 and np.ptp(column) > 0 and np.isfinite(spread)):
                raise DataError(
                    f"the outcome '{name}' has zero variance on the training rows; no region can be scaled by it."
                )
        return cls(centre, scale)

    def standard(self, Y: np.ndarray) -> np.ndarray:
        """Outcomes in units of the standard deviation."""
        return (Y - self.centre) / self.scale

    def original(self, Y: np.ndarray) -> np.ndarray:
        """Standardised outcomes in their own units."""
        return self.centre + self.scale * Y


@dataclass(frozen=True)
class LatentDecoder:
    """The decoder of a trained autoencoder."""

    fitted: FittedCvae

    def encode(self, Y: np.ndarray, X: np.ndarray, seed: int) -> np.ndarray:
        """Draws (n, r) of the latent variable."""
        return self.fitted.encode(Y, X, seed)

    def decode(self, Z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Standardised outcomes (G, d) of latent points (G, r) at covariates (p,)."""
        return self.fitted.decode(Z, x)


@dataclass(frozen=True)
class GivenTransform:
    """A map that the caller gives, of outcomes in their own units.

    Attributes
    ----------
    forward : callable
        From outcomes (n, d) and covariates (n, p) to latent values (n, r), roughly standard normal given the covariates.
    inverse : callable
        Back, from latent values (n, r) and covariates (n, p).
    units : OutcomeUnits
    """

    forward: Callable[[np.ndarray, np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray, np.ndarray], np.ndarray]
    units: OutcomeUnits

    def encode(self, Y: np.ndarray, X: np.ndarray, seed: int) -> np.ndarray:
        """Latent values (n, r) of standardised outcomes (n, d)."""
        return _values(self.forward(self.units.original(Y), X), "the transform", len(Y))

    def decode(self, Z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Standardised outcomes (G, d) of latent points (G, r) at covariates (p,)."""
        made = _values(self.inverse(Z, np.broadcast_to(x, (len(Z), len(x)))), "the transform's inverse", len(Z))
        if made.shape[1] != len(self.units.scale):
            raise DataError(f"the transform's inverse makes {made.shape[1]} outcomes of {len(self.units.scale)}.")
        return self.units.standard(made)

    def check(self, X: np.ndarray, Y: np.ndarray) -> None:
        """Go there and back on a few rows of covariates (n, p) and standardised outcomes (n, d).

        Raises
        ------
        DataError
            If what comes back has another shape or other values.
        """
        X, Y = X[:_ROWS], Y[:_ROWS]
        Z = self.encode(Y, X, 0)
        back = np.concatenate([self.decode(z[None], x) for z, x in zip(Z, X, strict=True)])
        error = float(np.abs(back - Y).max())
        if not error <= _CLOSE:
            raise DataError(
                f"the transform's inverse does not bring outcomes back: it is {error:.2g} standard deviations off on the first "
                "rows."
            )


def check_transform(name: str, given: Any) -> Any:
    """A name, a pair of functions, or a function with an inverse; a function comes back as a pair."""
    if isinstance(given, str):
        if given not in ("cvae", "identity"):
            raise OptionError(
                f"{name}={given!r} is not known; choose 'cvae' or 'identity', or give a function with an inverse."
            )
        return given
    pair = given if isinstance(given, tuple) else (given, getattr(given, "inverse", None))
    if len(pair) != 2 or not all(map(callable, pair)):
        raise OptionError(
            f"{name}= needs a function (Y, X) with an attribute `inverse`, a function (Z, X), or both as a pair; "
            f"got {type(given).__name__}."
        )
    return pair


def _values(made: Any, what: str, n: int) -> np.ndarray:
    found = np.asarray(made, np.float64)
    if found.ndim != 2 or len(found) != n:
        raise DataError(
            f"{what} gave an array of shape {found.shape} for {n} rows; two dimensions, {n} rows, are needed."
        )
    if not np.isfinite(found).all():
        raise DataError(f"{what} gave values that are not finite.")
    return found
