"""Ensemble batch prediction intervals: bagged models, and quantiles of a sliding window of their own errors.

Xu and Xie (2021), Conformal prediction interval for dynamic time-series, ICML, arXiv 2010.09107 (long version: Conformal
prediction for time series, 2023, IEEE TPAMI). Models are fitted once to bootstrap samples of the burn-in; each of its rows
is predicted by the models that did not see it. An interval adds to the ensemble's prediction two quantiles of the latest
errors, between them the share of the level, chosen so that it is shortest. Errors of `batch` rows replace the oldest at
once. Estimand: coverage at the level, asymptotically, if errors are strongly mixing with a stable law over the window and
the ensemble is consistent. Not guaranteed along every path, unlike ACI.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.brief import Brief
from statinf.conformity.online.base import Ends, by_chunks
from statinf.conformity.online.options import BurnInOptions
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.errors import DataError
from statinf.inference.conformal import quantile_rank
from statinf.learners import resolve
from statinf.numerics.order.running import RunningOrder
from statinf.results import choice, count

_CELLS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class EnbPIOptions(BurnInOptions):
    """Options of EnbPI."""

    models: int = count(30, "bootstrap samples of the burn-in, a model each", low=2, high=1000)
    batch: int = count(1, "rows whose errors enter the window together")
    window: int | None = count(
        None, "how many of the latest errors count; None: as many as burn-in rows have one", also=(None,)
    )
    ends: str = choice("shortest", ("shortest", "equal"), "quantiles of the errors: the closest, or with equal tails")


@dataclass(frozen=True, repr=False)
class Ensemble(Brief):
    """Fitted models and their shares (b,) in the prediction.

    `seen` counts the rows so far.
    """

    fitted: tuple[Any, ...]
    shares: np.ndarray
    seen: int

    @property
    def point(self) -> bool:
        """There is a point prediction."""
        return True

    def ends(self, X: np.ndarray, first: int = 0) -> Ends:
        """Predictions of rows X (n, p) whose numbers in the stream begin at `first`."""
        total = sum(s * by_chunks(f.predict, X, first) for s, f in zip(self.shares, self.fitted, strict=True))
        made = np.asarray(total, np.float64)
        if not np.isfinite(made).all():
            raise DataError("the model's predictions are not finite for all rows; use another model.")
        return made, made

    def advance(self, X: np.ndarray, y: np.ndarray) -> tuple[Ensemble, Ends]:
        """The base after rows, and what it predicted for each."""
        return replace(self, seen=self.seen + len(y)), self.ends(X, self.seen)


def bagged(model: Any, X: np.ndarray, y: np.ndarray, options: EnbPIOptions, seed: int) -> tuple[Ensemble, Ends]:
    """Fit models to bootstrap samples, and predict each row by those that did not see it.

    Rows that every model saw, which few models may leave, have no error of their own and are NaN.
    """
    learner = resolve("lm" if model is None else model, "mean", "model")
    random = generator(seed, 53)
    draws = random.integers(0, len(y), (options.models, len(y)))
    fitted = tuple(learner.fit(X[at], y[at], seed=seed + b) for b, at in enumerate(draws))
    out = np.ones((len(y), options.models), bool)
    for b, at in enumerate(draws):
        out[at, b] = False
    counts = out.sum(axis=1)
    own = np.where(counts[:, None] > 0, out / np.maximum(counts, 1)[:, None], 0.0)
    predicted = np.stack([by_chunks(f.predict, X, 0) for f in fitted], axis=1)
    left_out = np.where(counts > 0, (own * predicted).sum(axis=1), np.nan)
    return Ensemble(fitted, own[counts > 0].mean(axis=0), len(y)), (left_out, left_out)


@dataclass(frozen=True, repr=False)
class EnbPI(Brief):
    """The window of errors in the order of time, with those of the unfinished batch at its end."""

    errors: np.ndarray = field(repr=False)
    size: int
    batch: int
    level: float
    equal: bool

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[EnbPI, OnlineSteps]:
        """See `Tracker.advance`."""
        series = np.concatenate([self.errors, above])
        place = len(self.errors) - self.size + np.arange(len(above))
        start = place // self.batch * self.batch
        low, high = self._ends(series, start)
        begin = (len(series) - self.size) // self.batch * self.batch
        steps = OnlineSteps(-low, high, np.full(len(above), self.level), (above >= low) & (above <= high))
        return replace(self, errors=series[begin:]), steps

    def _ends(self, series: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two quantiles of each row's window, shape (n,) each; infinite where the window is too short."""
        span = quantile_rank(self.size, self.level)
        spare = self.size - span
        if spare < 1:
            return np.full(len(start), -np.inf), np.full(len(start), np.inf)
        first = np.array([(spare + 1) // 2]) if self.equal else np.arange(1, spare + 1)
        # Rows of one batch share their window.
        begins, which = np.unique(start, return_inverse=True)
        order = RunningOrder.of(series)
        low, high = np.empty(len(begins)), np.empty(len(begins))
        many = max(1, _CELLS // len(first))
        for at in range(0, len(begins), many):
            part = np.repeat(begins[at : at + many], len(first))
            k = np.tile(first, len(part) // len(first))
            lower = order.smallest(k, part, part + self.size).reshape(-1, len(first))
            upper = order.smallest(k + span, part, part + self.size).reshape(-1, len(first))
            best = np.argmin(upper - lower, axis=1)[:, None]
            low[at : at + many] = np.take_along_axis(lower, best, axis=1)[:, 0]
            high[at : at + many] = np.take_along_axis(upper, best, axis=1)[:, 0]
        return low[which], high[which]

    def bound(self, rows: int) -> float | None:
        """Coverage is asymptotic."""
        return None


def estimate(problem: OnlineProblem, options: EnbPIOptions) -> EnbPI:
    """The state before the first interval."""
    errors = problem.above[np.isfinite(problem.above)]
    errors = errors[-options.window :] if options.window else errors
    if not len(errors):
        raise DataError("no row of the burn-in has an error of its own; give burn_in= more rows.")
    return EnbPI(errors, len(errors), options.batch, problem.level, options.ends == "equal")


METHOD = OnlineMethod(
    verb="conformal_online",
    name="enbpi",
    estimate=estimate,
    options=EnbPIOptions,
    base=bagged,
    summary="bagged models fitted once, and quantiles of a sliding window of their out-of-bag errors",
    citation="Xu and Xie (2021)",
    arxiv="2010.09107",
    guarantee="coverage tends to the level for strongly mixing errors of a stable law and a consistent ensemble",
    vignette="conformal-online",
)
