"""Averaged stochastic approximation for regressions: least squares, instruments, logistic and quantile loss.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), Gaussian approximation and multiplier bootstrap for Polyak-Ruppert
averaged linear stochastic approximation with applications to TD learning, arXiv 2405.16644. For logistic and quantile
loss: Fang, Xu & Yang (2018), arXiv 1707.00192; Lee, Liao, Seo & Shin (2022), arXiv 2106.03156.

The estimand is the root of E f psi(g'theta, y) = 0. For least squares that is the best linear predictor, for instruments
f = z the IV coefficient, for the other losses the minimiser of the expected loss. Rows must be independent and
come in an order that has nothing to do with their values; the Jacobian of the mean must be stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.errors import one_of
from statinf.formula.sources import mentioned, open_source
from statinf.stochastic.regression import RegressionStream
from statinf.stochastic.table import LSA

_RENEWED = {"forget", "window", "by", "ridge"}
"""Options that only renewable estimates have."""


@LSA.document
def lsa(
    formula: str,
    data: Any,
    *,
    method: str | None = None,
    weights: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> Any:
    """Regression by one pass over a stream, with intervals that update as rows arrive.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, or `outcome ~ covariates | instruments` with as many instruments as coefficients
        (exogenous covariates in both parts).
    data : table or stream
        A data frame; or an iterator of data frames, a parquet or csv file, a directory of parquet files, a pyarrow
        dataset, a duckdb relation or a polars lazy frame, read in blocks: memory does not grow with the rows.
    method : {"averaged", "renewable"}, optional
        "averaged": averaged stochastic approximation. "renewable": the batch estimate renewed as rows arrive, which can forget old
        rows, run one stream for each group, and takes ridge and multinomial losses. None: "renewable" where one of `forget`,
        `window`, `by`, `ridge` or a multinomial loss is asked for.
    weights : str, array or Weights, optional
        Row weights, taken as known; a column name for streams.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    seed : int
        Of the multipliers and the shuffle.
    progress : bool, optional
        A bar with rows per second and the widest interval; None: in a terminal on work over a second.
    **options
        {methods}

    Returns
    -------
    StochasticFit, RenewableFit or StreamGroups
        The last with `by=`: `tidy()` has the column of groups, and `fit(group)` is the fit of one.

    Raises
    ------
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used.
    NotIdentifiedError
        For collinear columns, or instruments whose mean matrix is not stable.
    ConvergenceError
        If the iterates overflow; without `step`, also if the average is more than 2.5 standard errors of a batch fit away
        from the root of its own equations, if one row decides a coefficient, or if 0/1 outcomes are separated.

    Notes
    -----
    Without `step={"c0": ...}` columns are centred and whitened on the first rows, increments are preconditioned by the
    inverse mean Jacobian so far, and a row of leverage h takes the step alpha / (1 + alpha w h). The defaults are: power 2/3,
    k0 a hundredth of the rows and at least 200, burn-in a tenth of the rows (a fifth and at most 1,000 below 10,000 rows), and
    for c0 the largest stable step, or less: as little as keeps the bias that the curvature of a logistic or quantile equation
    leaves below a third of a standard error, and lets rows of large leverage count, as long as the average still spans 15
    relaxation times. With c0 the plain recursion runs with exactly these steps, and a warning says where the average is off.

    The default run is within 2.5 standard errors of a batch fit, or raises. It raises where a category has only a few rows, where
    a single row has much of the leverage (the message names it), and in about one quantile fit in a hundred at n = 2,000. For a
    lognormal covariate of log-sd 1.5 or 2 and n = 2,000 that is one fit in ten under squared loss and one in five at quantiles:
    take its logarithm, or use the batch fit that the message names.

    Nominal 95 % intervals were found to cover from these numbers of rows (`benchmarks/results/stream_stability.md`):
    "multiplier", "plugin" and "hac" from 1,000 for squared and logistic loss and quantile levels from .1 to .9; "random-scaling"
    from 10,000, but not at .9 up to 20,000; "batch-means" at none up to 20,000 (logistic loss: 200,000); in the tails of a
    quantile loss (.01, .99) only "multiplier", which is conservative there. Below, the fit warns.

    In a stream the categories and transformations of the formula (`scale`, `poly`, splines) are learnt on its first
    rows. Results do not depend on the blocks in which rows arrive, to the last bit, and `update` goes on where the stream
    stopped: with `expected_rows=` the number of all rows, a fit and its updates are one pass over everything. Without, the
    steps of the first fit are those of its own number of rows.

    ``ci="sequential"`` prints asymptotic confidence sequences (Waudby-Smith et al. 2024, arXiv 2103.06476; Xie et al. 2024,
    arXiv 2410.15057): the chance that one of them leaves the truth out at any look, from the first on, tends to one less the level
    at most as the first look moves out. From 256 averaged rows on they were left by at most 3 % of samples at the level of 95 %
    (`benchmarks/results/sequential_coverage.md`). Each coefficient and each level has its own sequence.

    Under ``method="renewable"`` and squared loss the estimate is that of all rows at once. For the other losses rows are expanded
    to second order chunk by chunk: the estimate differs from the batch fit by a share of a standard error that falls with the
    rows, if their order has nothing to do with their values. Where coefficients move far between chunks, such as counts that
    are all zero at first, it may be many standard errors away, and a warning tells: use
    `forget=`, `window=` or a batch fit, or shuffle the rows.
    Squared residuals are taken at the estimate of their chunk, so that standard errors differ by a share of about one over the
    root of the rows. With `forget=` an interval is about the weighted rows: it does not include how far the target moved among
    them, and below 100 effective rows it covers less (91 to 93 % where it says 95 % at 49). A group is a stream of its own, aged
    in its own rows; its chunks of 256 rows wait in memory.

    Examples
    --------
    >>> import statinf as si
    >>> visits = si.datasets.load("randhie")
    >>> fit = si.lsa("mdvis ~ lncoins + idp", visits, replicas=200, shuffle=True)
    >>> fit.terms
    ('Intercept', 'lncoins', 'idp')
    >>> bool((abs(fit.params - si.lm("mdvis ~ lncoins + idp", visits).params) < 2 * fit.std_errors).all())
    True
    >>> groups = si.lsa("mdvis ~ lncoins", visits, loss="poisson", by="idp", ci="sequential")
    >>> groups.tidy()[["idp", "term", "estimate"]].round(3).to_string(index=False).splitlines()[0].split()
    ['idp', 'term', 'estimate']
    """
    if method is None:
        method = "renewable" if options.get("loss") == "multinomial" or _RENEWED & set(options) else "averaged"
    found, settings = LSA.read(method, options)
    one_of("na_action", na_action, ("drop", "raise"))
    check_seed(seed)
    named = [c for c in (weights, options.get("by")) if isinstance(c, str)]
    source = open_source(data, mentioned(formula, named))
    return found.estimate(RegressionStream(formula, source, weights, na_action, context, seed, progress), settings)
