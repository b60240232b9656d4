"""Least-squares temporal differences: the batch counterpart of averaged TD.

Bradtke & Barto (1996), Machine Learning 22; Boyan (2002), Machine Learning 49. With eligibility traces e_k, features
phi_k and rewards r_k, theta solves sum e_k ((phi_k - discount phi_{k+1})'theta - r_k) = 0 exactly. It needs no step size
and no stability of the mean matrix, so it is the way out off policy. With trace=1 and complete episodes it is the
regression of Monte Carlo returns on the features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.inference import Covariance, Moments
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import Fit
from statinf.results.methods import Method
from statinf.results.predicting import prediction_frame
from statinf.stochastic.covariance import bartlett, default_lags
from statinf.stochastic.options import StreamOptions
from statinf.stochastic.readers import Block, TransitionReader
from statinf.stochastic.run import add_counts, warn_dropped
from statinf.stochastic.state import Rows
from statinf.stochastic.transitions import TransitionStream

CITATION = "Bradtke and Barto (1996); Boyan (2002)"


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
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(
        default="hac", names=("hac", "HC0", "episode"), robust="HC0", clustered=()
    )

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
        kind = VcovSpec.read(vcov, kinds=self.vcov_kinds).kind
        if kind not in self.held:
            raise OptionError(
                f"vcov={vcov!r} is not there for these rows; choose one of {', '.join(map(repr, self.held))}."
            )
        return replace(self, cov=Covariance(self.held[kind], kind, _LABELS[kind].format(self.lags), np.inf), draws=None)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Values of states: column estimate, and conf_low, conf_high with interval="confidence"."""
        from scipy.special import ndtri

        check_level(level)
        if interval not in (None, "confidence"):
            raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
        new = self.new_rows(newdata, roles=["covariates"])
        X = new.part("covariates").values[:, self.estimable]
        columns = {"estimate": X @ self.theta[self.estimable]}
        if interval is not None:
            se = np.sqrt(np.einsum("ij,jk,ik->i", X, self.cov.matrix, X))
            half = float(ndtri(0.5 + level / 2.0)) * se
            columns |= {
                "std_error": se, "conf_low": columns["estimate"] - half, "conf_high": columns["estimate"] + half,
            }  # fmt: skip
        return prediction_frame(new, columns)

    def lean(self) -> Self:
        """The same fit without its scores; its covariances stay."""
        return replace(self, scores=None, inverse=None, episode=None)


_LABELS = {"hac": "HAC, {} lags", "HC0": "HC0 (independent rows)", "episode": "clustered by episode"}


@dataclass(frozen=True, kw_only=True)
class LstdOptions(StreamOptions):
    """Options of the batch solution."""


def estimate(stream: TransitionStream, options: LstdOptions) -> LstdFit:
    """Solve the equations of all rows."""
    opening, reader, terms = stream.begin(options)
    rows, dropped = _collect(reader, opening.frames, stream.na_action == "raise", len(terms))
    warn_dropped(dropped, len(rows) + sum(dropped.values()))
    return lstd(
        stream.formula, rows, terms, lags=options.lags, markov=stream.sampling == "markov", recipe=opening.recipe,
        kind=stream.kind(opening), dropped=dropped,
    )  # fmt: skip


def _collect(reader: TransitionReader, frames: Iterator[Any], strict: bool, d: int) -> tuple[Rows, dict[str, int]]:
    rows, dropped = Rows.none(d), {}
    parts: list[Block] = []
    for table in frames:
        block, reader = reader.read(table, strict=strict)
        parts.append(block)
        dropped = add_counts(dropped, block.dropped)
    kept = [p.rows for p in parts if len(p.rows)]
    if kept:
        rows = Rows(*(np.concatenate([getattr(r, name) for r in kept]) for name in ("F", "G", "c", "episode")))
    return rows, dropped


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


METHOD = Method(
    verb="td",
    name="lstd",
    estimate=estimate,
    options=LstdOptions,
    summary="the root of the same equations, solved in one batch",
    citation=CITATION,
    guarantee="batch root of the same equations; HAC or episode-clustered standard errors",
    vignette="lsa-bootstrap",
)
