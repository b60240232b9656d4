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
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import OptionError, one_of
from statinf.numerics.recursions.averaging import LOSSES
from statinf.results.methods import Method
from statinf.results.options import choice, flag, number
from statinf.stochastic.fit import StochasticFit, fit_of
from statinf.stochastic.options import RunOptions
from statinf.stochastic.pilot import adapt
from statinf.stochastic.readers import Block, RegressionReader, check_instruments
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.state import Rows, State
from statinf.stochastic.stream import Opening, Source, begin, mentioned, open_source
from statinf.stochastic.table import LSA
from statinf.stochastic.tuning import Tuning, pilot_size, tune

ROLES = ("covariates", "instruments")


@dataclass(frozen=True, kw_only=True)
class LsaOptions(RunOptions):
    """Options of `si.lsa`."""

    loss: str = choice("squared", LOSSES, "squared for means and instruments, logistic, or quantile")
    tau: float | None = number(
        None, 'level of loss="quantile", 0.5 by default', low=0, high=1, open_low=True, open_high=True, also=(None,)
    )
    precondition: bool | None = flag(
        None,
        "whiten the columns and precondition on the way, which leaves the estimand as it is; None: unless step has c0",
    )
    shuffle: bool = flag(False, "put the rows of a table in random order first")

    def check(self) -> None:
        """Refuse a quantile level without a quantile."""
        super().check()
        if self.tau is not None and self.loss != "quantile":
            raise OptionError(
                f"tau={self.tau:g} is the level of loss='quantile'; under loss={self.loss!r} there is none."
            )

    @property
    def level(self) -> float:
        """The quantile level."""
        return 0.5 if self.tau is None else self.tau


@dataclass(frozen=True)
class RegressionStream:
    """What one pass over a regression needs."""

    formula: str
    source: Source
    weights: Any
    na_action: str
    context: Mapping[str, Any] | None
    seed: int
    progress: bool | None


@LSA.document
def lsa(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
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
    weights : str, array or Weights, optional
        Row weights, taken as known; a column name for streams.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    seed : int
        Of the multipliers and the shuffle.
    progress : bool, optional
        A bar with rows per second and the widest interval; None: in a terminal on work over two seconds.
    **options
        {methods}

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
        If the iterates overflow; without `step`, also if the average is more than 2.5 standard errors of a batch fit away
        from the root of its own equations, if one row decides a coefficient, or if 0/1 outcomes are separated.

    Notes
    -----
    Without `step={"c0": ...}` columns are centred and whitened on the first rows, increments are preconditioned by the
    inverse mean Jacobian so far, and a row of leverage h takes the step alpha / (1 + alpha w h). The defaults are: power 2/3,
    k0 a hundredth of the rows and at least 200, c0 the largest stable step (less for tail quantiles), burn-in a tenth of
    the rows (a fifth and at most 1,000 below 10,000 rows). With c0 the plain recursion runs with exactly these steps, and
    an average that is off is warned of.

    Nominal 95 % intervals were found to cover from these numbers of rows (`benchmarks/results/stream_stability.md`):
    "multiplier", "plugin" and "hac" from 1,000 for squared and logistic loss and quantile levels from .1 to .9; "random-scaling"
    from 10,000; "batch-means" at none up to 20,000; in the tails of a quantile loss (.01, .99) only "multiplier", which is
    conservative there. Below, the fit warns.

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
    method, settings = LSA.read("", options)
    one_of("na_action", na_action, ("drop", "raise"))
    check_seed(seed)
    source = open_source(data, mentioned(formula, [weights] if isinstance(weights, str) else []))
    return method.estimate(RegressionStream(formula, source, weights, na_action, context, seed, progress), settings)


def estimate(stream: RegressionStream, options: LsaOptions) -> StochasticFit:
    """One pass over a stream of a regression."""
    source, loss = stream.source, options.loss
    _check_source(source, stream.weights, options.shuffle)
    opening = begin(
        stream.formula, source, levels=options.levels, expected=options.expected_rows, roles=ROLES, weights=stream.weights,
        na_action=stream.na_action, context=stream.context,
    )  # fmt: skip
    check_instruments(opening.design)
    if opening.design.offset is not None and loss == "logistic":
        raise OptionError("offset() is not available with loss='logistic'; put it among the covariates, or use si.glm.")
    column = stream.weights if isinstance(stream.weights, str) or stream.weights is None else ""
    reader = RegressionReader(recipe=opening.recipe, loss=loss, weights=column)
    terms = next(p.layout.names for p in opening.recipe.parts if p.role == "covariates")
    block = _first_block(reader, opening, options.shuffle, stream.seed)
    tuned = _tuned(block.rows[: pilot_size(len(terms), None)], opening.length, options, reader.instruments)
    settings = options.settings(len(terms), tuned, opening.length, stream.seed, loss=loss, tau=options.level)
    run = Run(settings=settings, state=State.start(settings), reader=reader)
    with Meter(settings, opening.length, stream.progress) as meter:
        if opening.whole:
            run = run.add(block, meter)
        else:
            run = run.consume(opening.frames, strict=stream.na_action == "raise", meter=meter)
    kind = opening.design.kind if source.whole is None or opening.whole else source.whole.kind
    name = "lsa" if loss == "squared" else f"lsa, {loss} loss"
    return fit_of(name, stream.formula, run, terms, options.names, options.ci, kind)


def _first_block(reader: RegressionReader, opening: Opening, shuffle: bool, seed: int) -> Block:
    if not opening.whole:
        return reader.read(opening.first)[0]
    block = reader.from_design(opening.design)
    return _shuffled(block, np.random.default_rng(seed).permutation(len(block.rows))) if shuffle else block


def _tuned(pilot: Rows, length: int | None, options: LsaOptions, instruments: bool) -> Tuning:
    adaptive = options.precondition if options.precondition is not None else "c0" not in (options.step or {})
    return (adapt if adaptive else tune)(
        pilot.F, pilot.G, pilot.c, n=length, step=options.step, burn_in=options.burn_in, law=options.law, loss=options.loss,
        tau=options.level, start=options.start, power=options.power, instruments=instruments,
    )  # fmt: skip


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


METHOD = Method(
    verb="lsa",
    name="",
    estimate=estimate,
    options=LsaOptions,
    summary="averaged stochastic approximation with a multiplier bootstrap: least squares, instruments, logit, quantiles",
    citation="Samsonov, Moulines, Shao, Zhang and Naumov (2024)",
    arxiv="2405.16644",
    guarantee="one pass; bootstrap consistent at rate up to n^(-1/2) (squared); logistic: Fang, Xu and Yang (2018); "
    "quantile: Lee, Liao, Seo and Shin (2022)",
    vignette="streaming-regression",
    traits={
        "row order": "rows are worked through in their order, which must have nothing to do with their values",
        "weights doubled": "steps and multipliers act on rows, not on weights",
    },
)
