"""Options that the methods of `si.conformal_online` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results import Options, choice, count

GAMMAS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Candidate steps of Gibbs and Candes (2022)."""

PLAIN = "none: the plain quantile has no infinite and no empty sets, which the bound of ACI needs"
"""What is known of the coverage of levels that become radii by `quantile="plain"`."""


def check_gammas(name: str, given: Any) -> tuple[float, ...]:
    """Several steps in (0, 1]."""
    made = np.atleast_1d(np.asarray(given, dtype=object)).ravel()
    try:
        found = tuple(float(g) for g in made)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0.0 < g <= 1.0 for g in found) or len(set(found)) < len(found):
        raise OptionError(f"{name}={given!r} must be different numbers above 0 and at most 1.")
    return found


@dataclass(frozen=True, kw_only=True)
class BurnInOptions(Options):
    """How the stream begins."""

    burn_in: int | None = count(
        None,
        "rows without intervals at the beginning: half of them train the model, the others are the first scores; by default "
        "100, or none for given predictions",
        low=0,
        also=(None,),
    )

    def first_rows(self, given: bool) -> int:
        """Rows of the burn-in."""
        if self.burn_in is None:
            return 0 if given else 100
        if self.burn_in < 2 and not given:
            raise OptionError(f"burn_in={self.burn_in}: a model needs at least two rows before the first interval.")
        return self.burn_in


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(BurnInOptions):
    """Scores, and when the model is fitted again."""

    score: str = choice(
        "residual", ("residual", "cqr"), "the error of a mean, or the distance to the interval of two quantiles"
    )
    refit: int | None = count(
        None, "fit the model again to all rows so far after every so many rows; None: never", also=(None,)
    )


@dataclass(frozen=True, kw_only=True)
class LevelOptions(ScoreOptions):
    """How levels become radii."""

    window: int | None = count(None, "how many of the latest scores count; None: all", also=(None,))
    quantile: str = choice(
        "finite-sample",
        ("finite-sample", "plain"),
        "the k-th smallest of n scores with k >= (n + 1) level, or k >= n level as R's AdaptiveConformal takes it",
    )
