"""`si.bootstrap`: a whole analysis run again and again, on redrawn or reweighted rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import host_number, over_hosts, progress_bar
from statinf.backend.seeds import check_seed
from statinf.errors import (
    ConvergenceError,
    DataError,
    NotIdentifiedError,
    OptionError,
    StatinfError,
    one_of,
    silent_warnings,
)
from statinf.formula.frame import Frame, as_frame
from statinf.inference import bootstrap as engine
from statinf.inference.covariance import Covariance
from statinf.inference.weights import BLOCK
from statinf.results.fit import Fit
from statinf.results.redrawn import DrawnUnits, redrawn

KINDS = ("pairs", "bayesian")
_LOST = 0.1
"""Share of replicas without a result from which there is none."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PipelineFit(Fit):
    """What a pipeline returned on the data, with draws of it.

    Its covariance is that of the draws, its limits are their percentiles, and tests refer to the normal distribution.
    """

    normal_reference = True

    @property
    def title(self) -> str:
        return "Bootstrap of a pipeline"

    def with_vcov(self, vcov: Any) -> PipelineFit:
        raise NotIdentifiedError(
            "a pipeline has the covariance of its draws alone; call si.bootstrap again for others."
        )

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        if interval in ("bca", "studentized"):
            raise NotIdentifiedError(
                f"interval={interval!r} needs influence values or standard errors of each draw, which a pipeline does not give; "
                "use 'percentile', 'basic' or 'normal'."
            )
        return super()._limits(level, interval)


def bootstrap(
    function: Callable[..., Any],
    data: Any,
    *,
    replicas: int = 999,
    kind: str = "pairs",
    weighted: bool = False,
    cluster: str | None = None,
    strata: str | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> PipelineFit:
    """Bootstrap everything that a function does with the data: balancing, tuning, models, contrasts.

    Parameters
    ----------
    function : callable
        From a data frame of the caller's kind to what is estimated: a result with `params`, a number, a sequence of numbers, a
        Series, or a mapping of names to numbers. With `weighted=True` it takes the data and weights (n,) of mean one, and has
        to give them to every step; then nothing is copied.
    data : data frame
        pandas, polars, pyarrow, or a dict of arrays.
    replicas : int
    kind : {"pairs", "bayesian"}
        Rows redrawn with replacement; or exponential weights (Rubin 1981), which leave no level of a factor out and need
        `weighted=True`.
    weighted : bool
        Call `function(data, weights)` in place of `function(redrawn data)`.
    cluster : str, optional
        Column whose groups of rows are drawn as wholes. In redrawn data a group that is drawn twice is two groups: its copies have
        values of their own in this column.
    strata : str, optional
        Column within whose values rows or clusters are drawn, so that each keeps its size.
    seed : int
    progress : bool, optional
        None shows a bar in a terminal on work over a second.

    Returns
    -------
    PipelineFit
        A `Fit`: `tidy`, `conf_int(interval="percentile"|"basic"|"normal")`, `test`, `transform`; `draws` holds the draws.

    Raises
    ------
    ConvergenceError
        If more than a tenth of the replicas end in an error or without a number; the message has the first error.
    DataError, OptionError
        If the data, an option or what the function returns cannot be used.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> def effect(rows, w):
    ...     balanced = si.balance("treat ~ age + educ + re74", rows, method="entropy", estimand="ATT", weights=w)
    ...     return si.lm("re78 ~ treat", rows, weights=balanced).params[["treat"]]
    >>> fit = si.bootstrap(effect, data, replicas=99, kind="bayesian", weighted=True, seed=1)
    >>> fit.terms, fit.nobs
    (('treat',), 614)
    """
    if not callable(function):
        raise OptionError(f"the first argument is a function of a data frame, not a {type(function).__name__}.")
    one_of("kind", kind, KINDS)
    engine.check_replicas(replicas)
    check_seed(seed)
    if kind == "bayesian" and not weighted:
        raise OptionError(
            "kind='bayesian' gives rows weights; write function(data, weights) and set weighted=True, or use kind='pairs'."
        )
    frame = _whole(data)
    units = DrawnUnits.of(frame, cluster, strata)
    names, theta = _read(function(frame.native, np.ones(frame.n)) if weighted else function(frame.native), None)
    if not np.isfinite(theta).all():
        raise DataError(
            f"the function gives {names[int(np.argmin(np.isfinite(theta)))]!r} no finite value on the data."
        )

    def one(weights: np.ndarray) -> np.ndarray:
        rows = weights[units.codes]
        made = function(frame.native, rows) if weighted else function(redrawn(frame, units, weights, cluster))
        return _read(made, names)[1]

    draws, failed = _draws(one, units, len(theta), replicas, kind, seed, progress)
    made = engine.Bootstrap(
        draws, kind, "", seed, np.zeros(len(theta)), clusters=0 if cluster is None else units.count, failed=failed
    )
    return PipelineFit(
        method="bootstrap",
        formula=getattr(function, "__name__", "pipeline").replace("<lambda>", "pipeline"),
        citation="Efron (1979), Bootstrap methods" if kind == "pairs" else "Rubin (1981), The Bayesian bootstrap",
        nobs=frame.n,
        terms=names,
        theta=theta,
        cov=Covariance(made.covariance, "bootstrap", made.label, np.inf, made.root),
        df_resid=np.inf,
        kind=frame.kind,
        draws=made,
    )


def _whole(data: Any) -> Frame:
    frame = as_frame(data)
    if frame.unread or not frame.names:
        raise DataError("a function needs all columns: read the file or the lazy table into a data frame first.")
    if frame.n < 2:
        raise DataError(f"there {'is one row' if frame.n else 'are no rows'} to redraw.")
    return frame


def _draws(
    one: Callable[[np.ndarray], np.ndarray],
    units: DrawnUnits,
    width: int,
    replicas: int,
    kind: str,
    seed: int,
    show: bool | None,
) -> tuple[np.ndarray, int]:
    """Draws (replicas - failed, q) and how many failed."""
    error, tried = "", 0

    def some(starts: Sequence[int]) -> np.ndarray:
        """Draws of blocks of replicas; NaN for those without a result, and for those after work has become hopeless."""
        nonlocal error, tried
        mine = [r for start in starts for r in range(start, min(start + BLOCK, replicas))]
        made, failures = np.full((len(mine), width), np.nan), 0
        for i, r in enumerate(progress_bar(mine, label="bootstrap", show=show)):
            if i == 0 or r % BLOCK == 0:
                block = units.weights(kind, r, min(r + BLOCK, replicas), seed)
            tried += 1
            try:
                made[i] = one(block[r % BLOCK])
            except (StatinfError, np.linalg.LinAlgError, ArithmeticError) as raised:
                error = error or f"{type(raised).__name__}: {raised}"
            if not np.isfinite(made[i]).all():
                made[i], failures = np.nan, failures + 1
                error = error or "a value that is not finite"
            # Hopeless work is not carried to its end.
            if failures > _LOST * replicas:
                break
        return made

    with silent_warnings():
        draws = over_hosts(some, range(0, replicas, BLOCK), same=(units.count, replicas, seed % 2**31))
    good = np.isfinite(draws).all(axis=1)
    tried = tried if host_number()[1] == 1 else replicas
    failed = int(np.count_nonzero(~good)) - (replicas - tried)
    if failed > _LOST * replicas:
        raise ConvergenceError(
            f"{failed} of {tried} replicas have no result, the first for: {error} Use kind='bayesian' with weighted=True or "
            "strata= where redrawn rows lack an arm or a level."
        )
    return draws[good], failed


def _read(made: Any, names: tuple[str, ...] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values of what a function returned, in the order of `names` where these are known."""
    made = getattr(made, "params", made)
    if hasattr(made, "index") and hasattr(made, "to_numpy"):
        made = dict(zip(map(str, made.index), np.asarray(made.to_numpy(), np.float64), strict=True))
    if isinstance(made, Mapping):
        found = {str(k): float(v) for k, v in made.items()}
        order = tuple(found) if names is None else names
        return order, np.array([found.get(name, np.nan) for name in order])
    try:
        values = np.atleast_1d(np.asarray(made, np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            f"the function returned a {type(made).__name__}; return a fit, a number, a sequence or a mapping of numbers."
        ) from None
    if values.ndim != 1 or not len(values):
        raise OptionError(
            f"the function returned numbers of shape {values.shape}; return one number or a sequence of them."
        )
    if names is not None and len(names) != len(values):
        return names, np.full(len(names), np.nan)
    return names or (("estimate",) if len(values) == 1 else tuple(f"value{j + 1}" for j in range(len(values)))), values
