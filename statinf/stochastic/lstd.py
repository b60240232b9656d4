"""Least-squares temporal differences: the batch counterpart of averaged TD.

Bradtke & Barto (1996), Machine Learning 22; Boyan (2002), Machine Learning 49. With eligibility traces e_k, features
phi_k and rewards r_k, theta solves sum e_k ((phi_k - discount phi_{k+1})'theta - r_k) = 0 exactly. It needs no step size
and no stability of the mean matrix, so it is the way out off policy. With trace=1 and complete episodes it is the
regression of Monte Carlo returns on the features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference import Covariance, Moments
from statinf.results import Fit, to_caller
from statinf.stochastic.covariance import bartlett, default_lags
from statinf.stochastic.state import Rows

CITATION = "Bradtke & Barto (1996), Boyan (2002)"


def solve(rows: Rows, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The root of the summed equations and the inverse of their matrix; NaN for features that no row has.

    Returns
    -------
    theta : ndarray, shape (q,)
    inverse : ndarray, shape (m, m)
        On the m features that some row has.
    """
    A, b = rows.F.T @ rows.G, rows.F.T @ rows.c
    seen = (np.abs(A).sum(axis=0) > 0.0) & (np.abs(A).sum(axis=1) > 0.0)
    part = A[np.ix_(seen, seen)]
    if not seen.any() or np.linalg.cond(part) > 1e12:
        raise NotIdentifiedError(
            "the features are collinear along this data: the values are not identified. Leave a feature out"
            + (f" of {', '.join(names)}." if len(names) <= 12 else ".")
        )
    theta = np.full(len(b), np.nan)
    theta[seen] = np.linalg.solve(part, b[seen])
    return theta, np.linalg.inv(part)


def lagged_products(scores: np.ndarray, episode: np.ndarray, lags: int) -> np.ndarray:
    """Sums of s_{k+l} s_k' within episodes, l = 0, ..., lags; shape (lags + 1, q, q)."""
    out = np.zeros((lags + 1, scores.shape[1], scores.shape[1]))
    for lag in range(min(lags, len(scores) - 1) + 1):
        same = episode[lag:] == episode[: len(episode) - lag]
        out[lag] = scores[lag:].T @ (scores[: len(scores) - lag] * same[:, None])
    return out


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LstdFit(Fit):
    """Least-squares temporal differences with a HAC, independent-rows or episode-clustered covariance.

    Attributes
    ----------
    lags : int
        Of the HAC covariance.
    scores, inverse : ndarray, shape (n, m) and (m, m), or None
        Not saved.
    episode : ndarray of int, shape (n,), or None
    held : mapping of str to ndarray
        Covariances by name, which a saved fit keeps.
    """

    lags: int = 0
    scores: np.ndarray | None = field(default=None, metadata={"saved": False})
    inverse: np.ndarray | None = field(default=None, metadata={"saved": False})
    episode: np.ndarray | None = field(default=None, metadata={"saved": False})
    held: dict[str, np.ndarray] = field(default_factory=dict)

    normal_reference: ClassVar[bool] = True
    offers: ClassVar[str] = "vcov='hac', 'HC0' and 'episode'"

    def moments(self) -> Moments:
        """Scores and bread."""
        if self.scores is None or self.inverse is None:
            raise NotIdentifiedError("a saved fit keeps no rows; fit again for influence values and the bootstrap.")
        # The scores are those of A theta - b, so theta_hat - theta is minus A^{-1} times their sum.
        return Moments(-self.scores, self.inverse, self.nobs, float(self.nobs - self.scores.shape[1]))

    def _need_rows(self, what: str) -> Any:
        return None

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with another covariance: "hac", "HC0" (independent rows) or "episode" (clusters)."""
        if vcov not in self.held:
            raise OptionError(f"vcov={vcov!r} is not known for LSTD; choose one of {', '.join(map(repr, self.held))}.")
        return replace(self, cov=Covariance(self.held[vcov], vcov, _LABELS[vcov].format(self.lags), np.inf), draws=None)

    def predict(self, newdata: Any, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Values of states: column estimate, and conf_low, conf_high with interval="confidence"."""
        import pandas as pd
        from scipy.special import ndtri

        if interval not in (None, "confidence"):
            raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
        assert self.recipe is not None
        new = self.recipe.new_rows(newdata, roles=["covariates"])
        X = new.part("covariates").values[:, self.estimable]
        columns = {"estimate": X @ self.theta[self.estimable]}
        if interval is not None:
            half = float(ndtri(0.5 + level / 2.0)) * np.sqrt(np.einsum("ij,jk,ik->i", X, self.cov.matrix, X))
            columns |= {"conf_low": columns["estimate"] - half, "conf_high": columns["estimate"] + half}
        return to_caller(pd.DataFrame(columns), new.kind, new.index)

    def lean(self) -> Self:
        """The same fit without its scores; its covariances stay."""
        return replace(self, scores=None, inverse=None, episode=None)


_LABELS = {"hac": "HAC, {} lags", "HC0": "HC0 (independent rows)", "episode": "clustered by episode"}


def lstd(
    formula: str, rows: Rows, names: tuple[str, ...], *, lags: int | None, markov: bool, recipe: Any, kind: str, dropped: Any
) -> LstdFit:  # fmt: skip
    """Solve and wrap; the default covariance is HAC along a trajectory, by episode from 30 of them on, else HC0."""
    theta, inverse = solve(rows, names)
    seen = ~np.isnan(theta)
    error = rows.G[:, seen] @ theta[seen] - rows.c
    scores = rows.F[:, seen] * error[:, None]
    width = default_lags(len(rows)) if lags is None else lags
    meats = {"hac": bartlett(lagged_products(scores, rows.episode, width)), "HC0": scores.T @ scores}
    count = len(np.unique(rows.episode))
    if markov and count > 1:
        # Rows of an episode lie side by side; their sums are differences of running totals.
        starts = np.flatnonzero(np.append(True, rows.episode[1:] != rows.episode[:-1]))
        sums = np.add.reduceat(scores, starts, axis=0)
        meats["episode"] = sums.T @ sums * count / (count - 1.0)
    held = {name: inverse @ meat @ inverse.T for name, meat in meats.items()}
    chosen = ("episode" if count >= 30 else "hac") if markov else "HC0"
    if "episode" not in held and chosen == "episode":
        chosen = "hac"
    return LstdFit(
        method="lstd", formula=formula, citation=CITATION, nobs=len(rows), terms=names, theta=theta,
        cov=Covariance(held[chosen], chosen, _LABELS[chosen].format(width), np.inf), recipe=recipe, kind=kind,
        dropped=dropped, lags=width, scores=scores, inverse=inverse, episode=rows.episode, held=held,
    )  # fmt: skip
