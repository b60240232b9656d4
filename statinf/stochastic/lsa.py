"""Averaged stochastic approximation for regressions: least squares, instruments, logistic and quantile loss.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), Gaussian approximation and multiplier bootstrap for Polyak-Ruppert
averaged linear stochastic approximation with applications to TD learning, arXiv 2405.16644. For logistic and quantile
loss: Fang, Xu & Yang (2018), arXiv 1707.00192; Lee, Liao, Seo & Shin (2022), arXiv 2106.03156.

The estimand is the root of E f psi(g'theta, y) = 0. For least squares that is the best linear predictor, for instruments
f = z the IV coefficient, for the other losses the minimiser of the expected loss. Rows must be independent and
come in an order that has nothing to do with their values; the Jacobian of the mean must be stable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError, one_of
from statinf.numerics.recursions.averaging import LOSSES
from statinf.stochastic.fit import StochasticFit, fit_of
from statinf.stochastic.options import Options
from statinf.stochastic.pilot import adapt
from statinf.stochastic.readers import Block, RegressionReader, check_instruments
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.state import Rows, State
from statinf.stochastic.stream import Source, begin, mentioned, open_source
from statinf.stochastic.tuning import pilot_size, tune

ROLES = ("covariates", "instruments")


def lsa(
    formula: str,
    data: Any,
    *,
    replicas: int = 1000,
    step: Mapping[str, float] | None = None,
    burn_in: float | int | None = None,
    weights_law: str = "mammen",
    inference: str | Sequence[str] = "multiplier",
    loss: str = "squared",
    tau: float = 0.5,
    ci: str = "symmetric",
    weights: Any = None,
    replica_start: str = "origin",
    block_len: int = 1,
    lags: int | None = None,
    precondition: bool | None = None,
    start: Any = None,
    shuffle: bool = False,
    levels: Mapping[str, Sequence[Any]] | None = None,
    expected_rows: int | None = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> StochasticFit:
    """Regression by one pass over a stream, with intervals that update as rows arrive.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, or `outcome ~ covariates | instruments` with as many instruments as coefficients
        (exogenous covariates in both parts).
    data : table or stream
        A data frame; or an iterator of data frames, a parquet or csv file, a directory of parquet files, a pyarrow
        dataset, a duckdb relation or a polars lazy frame, read in blocks: memory does not grow with the rows.
    replicas : int
        Multiplier replicas B; 0 for none.
    step : mapping, optional
        Any of `c0`, `k0`, `power` of the steps c0 / (k0 + k)^power. What is not given is scaled to the first rows:
        power 2/3, k0 = a hundredth of the rows, c0 the largest stable step.
    burn_in : int or float, optional
        Rows before the average starts, or their share; half of a stream below 10,000 rows, else a tenth, by default.
    weights_law : str
        Law of the multipliers: "mammen", "twopoint", "bernoulli", "beta", "exponential", "gaussian" or "poisson".
    inference : str or sequence of str
        "multiplier", "plugin", "hac", "batch-means" or "random-scaling"; of several the first is used in tables and the
        others are there for `with_vcov`. The plug-in always is.
    loss : {"squared", "logistic", "quantile"}
    tau : float
        Quantile level of loss="quantile".
    ci : {"symmetric", "basic", "percentile", "normal", "simultaneous"}
        Interval of the replicas.
    weights : str, array or Weights, optional
        Row weights, taken as known; a column name for streams.
    replica_start : {"origin", "burnin"}
        Whether multipliers act from the first row, or from the end of the burn-in, which gives intervals that are too
        short unless the average is long.
    block_len : int
        Consecutive rows that share a multiplier, for rows that depend on their neighbours.
    lags : int, optional
        Lags of "hac".
    precondition : bool, optional
        Multiply the increments by the inverse Gram matrix of the first rows, which leaves the estimand as it is.
        None: unless `step` gives c0.
    start : array, shape (q,), optional
        First iterate; a fit to the first rows, or zero without preconditioning, by default.
    shuffle : bool
        Put the rows of a table in random order first.
    levels : mapping, optional
        All levels of a column of categories, where the first 1,000 rows of a stream may lack some.
    expected_rows : int, optional
        Length of an iterator, for the default steps and burn-in; 10,000 otherwise.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    seed : int
        Of the multipliers and the shuffle.
    progress : bool, optional
        A bar with rows per second and the widest interval; None: in a terminal on work over two seconds.

    Returns
    -------
    StochasticFit

    Raises
    ------
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used.
    NotIdentifiedError
        For collinear columns, or instruments whose mean matrix is not stable.
    ConvergenceError
        If the iterates overflow.

    Notes
    -----
    In a stream the categories and transformations of the formula (`scale`, `poly`, splines) are learnt on its first
    rows. Results do not depend on the blocks in which rows arrive, and `update` goes on where the stream stopped.

    Examples
    --------
    >>> import statinf as si
    >>> visits = si.datasets.load("randhie")
    >>> fit = si.lsa("mdvis ~ lncoins + idp", visits, replicas=200, shuffle=True)
    >>> fit.terms
    ('Intercept', 'lncoins', 'idp')
    >>> bool((abs(fit.params - si.lm("mdvis ~ lncoins + idp", visits).params) < 2 * fit.std_errors).all())
    True
    """
    options = Options(
        replicas=replicas, weights_law=weights_law, inference=inference, ci=ci, replica_start=replica_start,
        block_len=block_len, lags=lags, na_action=na_action, expected_rows=expected_rows, seed=seed,
    )  # fmt: skip
    one_of("loss", loss, LOSSES)
    if loss == "quantile" and not 0.0 < tau < 1.0:
        raise OptionError(f"tau={tau!r} is outside (0, 1).")
    source = open_source(data, mentioned(formula, [weights] if isinstance(weights, str) else []))
    _check_source(source, weights, shuffle)
    opening = begin(
        formula,
        source,
        levels=levels,
        expected=expected_rows,
        roles=ROLES,
        weights=weights,
        na_action=na_action,
        context=context,
    )
    check_instruments(opening.design)
    if opening.design.offset is not None and loss == "logistic":
        raise OptionError("offset() is not available with loss='logistic'; put it among the covariates, or use si.glm.")
    column = weights if isinstance(weights, str) or weights is None else ""
    reader = RegressionReader(recipe=opening.recipe, loss=loss, weights=column)
    terms = next(p.layout.names for p in opening.recipe.parts if p.role == "covariates")
    if opening.whole:
        block = reader.from_design(opening.design)
        block = _shuffled(block, np.random.default_rng(seed).permutation(len(block.rows))) if shuffle else block
    else:
        block = reader.read(opening.first)[0]
    pilot = block.rows[: pilot_size(len(terms), None)]
    shared: dict[str, Any] = {
        "n": opening.length, "step": step, "burn_in": burn_in, "law": weights_law, "loss": loss, "tau": tau, "start": start,
        "power": options.power, "instruments": reader.instruments,
    }  # fmt: skip
    if precondition if precondition is not None else "c0" not in (step or {}):
        tuned = adapt(pilot.F, pilot.G, pilot.c, **shared)
    else:
        tuned = tune(pilot.F, pilot.G, pilot.c, **shared)
    settings = options.settings(len(terms), tuned, opening.length, loss=loss, tau=tau)
    run = Run(settings=settings, state=State.start(settings), reader=reader)
    with Meter(settings, opening.length, progress) as meter:
        if opening.whole:
            run = run.add(block, meter)
        else:
            run = run.consume(opening.frames, strict=options.strict, meter=meter)
    kind = opening.design.kind if source.whole is None or opening.whole else source.whole.kind
    return fit_of("lsa" if loss == "squared" else f"lsa, {loss} loss", formula, run, terms, options.names, ci, kind)


def _check_source(source: Source, weights: Any, shuffle: bool) -> None:
    if source.whole is not None:
        return
    if shuffle:
        raise OptionError("shuffle=True needs the data in memory; a stream is worked through in its own order.")
    if weights is not None and not isinstance(weights, str):
        raise OptionError("weights of a stream are given as a column name.")


def _shuffled(block: Block, order: np.ndarray) -> Block:
    r = block.rows
    return Block(Rows(r.F[order], r.G[order], r.c[order], r.episode[order]), block.dropped)
