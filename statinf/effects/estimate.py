"""From scores that are linear in the effect to estimates and influence values, for groups and repeated splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.effects.rows import EffectRows
from statinf.inference.sandwich import Moments
from statinf.results import stack_scores

Pieces = tuple[float, float, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Score:
    """A score psi = b - theta a of each row, row weights left out.

    Attributes
    ----------
    a, b : ndarray, shape (n,)
    """

    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """What a method hands to its fit.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        Median over splits.
    thetas : ndarray, shape (splits, q)
    moments : tuple of Moments
        One a split.
    pick : ndarray, shape (q, k), optional
        Which combinations of a regression's coefficients the effects are.
    nuisance : mapping of str to ndarray, shape (n,)
        Predictions of the first split.
    notes : mapping of str to object
        Numbers for the summary.
    sensitivity : callable, optional
        Gives sigma2, nu2 and their scores, one tuple a split, for bounds on omitted variables.
    label : str
        What the covariance's label says of the nuisances.
    treated : ndarray of bool, shape (n,), optional
        Rows of the treated arm.
    """

    theta: np.ndarray
    thetas: np.ndarray
    moments: tuple[Moments, ...]
    pick: np.ndarray | None = None
    nuisance: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    sensitivity: Callable[[], list[Pieces]] | None = None
    label: str = ""
    treated: np.ndarray | None = None


def solve_scores(rows: EffectRows, scores: Iterable[Score]) -> tuple[np.ndarray, np.ndarray, tuple[Moments, ...]]:
    """Effects and moments of every split and group.

    Parameters
    ----------
    rows : EffectRows
    scores : iterable of Score
        One a split.

    Returns
    -------
    theta : ndarray, shape (q,)
        Median over splits.
    thetas : ndarray, shape (splits, q)
    moments : tuple of Moments
    """
    masks = np.column_stack([m for _, m in rows.groups]).astype(np.float64)
    plain, everyone = bool((rows.w == 1.0).all()), bool((masks == 1.0).all())
    nobs = int(np.count_nonzero(rows.w))
    thetas, moments = [], []
    for score in scores:
        a, b = (score.a, score.b) if plain else (rows.w * score.a, rows.w * score.b)
        below = a @ masks
        theta = (b @ masks) / below
        unit = score.b[:, None] - score.a[:, None] * theta
        unit = unit if everyone else unit * masks
        stacked = stack_scores(rows.design.weights_object, rows.design.rows, unit)
        thetas.append(theta)
        moments.append(
            Moments(
                unit if plain else unit * rows.w[:, None],
                np.diag(1.0 / below),
                nobs,
                float(nobs - len(theta)),
                **stacked,
            )  # type: ignore[arg-type]
        )
    every = np.stack(thetas)
    return np.median(every, axis=0), every, tuple(moments)
