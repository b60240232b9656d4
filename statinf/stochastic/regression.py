"""One pass over the rows of a regression: the method behind `si.lsa`.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644; for logistic and quantile loss Fang, Xu & Yang (2018),
arXiv 1707.00192, and Lee, Liao, Seo & Shin (2022), arXiv 2106.03156. Estimand and assumptions stand in `lsa.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.sources import Source
from statinf.numerics.recursions.averaging import LOSSES
from statinf.results.methods import Method
from statinf.results.options import choice, flag, number
from statinf.stochastic.fit import StochasticFit, fit_of
from statinf.stochastic.opening import Opening, begin
from statinf.stochastic.options import RunOptions
from statinf.stochastic.pilot import adapt
from statinf.stochastic.reading import StreamBlock
from statinf.stochastic.regression_reader import RegressionReader, check_instruments
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.state import State
from statinf.stochastic.tuning import Tuning, pilot_size, tune

ROLES = ("covariates", "instruments")


@dataclass(frozen=True, kw_only=True)
class LsaOptions(RunOptions):
    """Options of `si.lsa`."""

    loss: str = choice(
        "squared", LOSSES, "squared for means and instruments, logistic, quantile, or poisson for counts and rates"
    )
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


def estimate(stream: RegressionStream, options: LsaOptions) -> StochasticFit:
    """One pass over a stream of a regression."""
    source, loss = stream.source, options.loss
    check_source(source, stream.weights, options.shuffle)
    opening = begin(
        stream.formula, source, levels=options.levels, expected=options.expected_rows, roles=ROLES, weights=stream.weights,
        na_action=stream.na_action, context=stream.context,
    )  # fmt: skip
    check_instruments(opening.design)
    if opening.design.offset is not None and loss == "logistic":
        raise OptionError("offset() is not available with loss='logistic'; put it among the covariates, or use si.glm.")
    if loss == "poisson" and opening.design.part("instruments") is not None:
        raise OptionError("loss='poisson' takes no instruments; leave them out, or use si.iv for a linear equation.")
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
    method = replace(METHOD, name="" if loss == "squared" else f"lsa, {loss} loss")
    return fit_of(run, terms, method, options.kinds, options.ci, kind)


def _first_block(reader: RegressionReader, opening: Opening, shuffle: bool, seed: int) -> StreamBlock:
    if not opening.whole:
        return reader.read(opening.first)[0]
    block = reader.from_design(opening.design)
    return _shuffled(block, np.random.default_rng(seed).permutation(len(block.rows))) if shuffle else block


def _tuned(pilot: StreamRows, length: int | None, options: LsaOptions, instruments: bool) -> Tuning:
    adaptive = options.precondition if options.precondition is not None else "c0" not in (options.step or {})
    return (adapt if adaptive else tune)(
        pilot.F, pilot.G, pilot.c, n=length, step=options.step, burn_in=options.burn_in, law=options.law, loss=options.loss,
        tau=options.level, start=options.start, power=options.power, instruments=instruments,
    )  # fmt: skip


def check_source(source: Source, weights: Any, shuffle: bool) -> None:
    if source.whole is not None:
        return
    if shuffle:
        raise OptionError("shuffle=True needs the data in memory; a stream is worked through in its own order.")
    if weights is not None and not isinstance(weights, str):
        raise OptionError("weights of a stream are given as a column name.")


def _shuffled(block: StreamBlock, order: np.ndarray) -> StreamBlock:
    r = block.rows
    return StreamBlock(StreamRows(r.F[order], r.G[order], r.c[order], r.episode[order]), block.dropped)


METHOD = Method(
    verb="lsa",
    name="averaged",
    estimate=estimate,
    options=LsaOptions,
    summary="averaged stochastic approximation with a multiplier bootstrap: least squares, instruments, logit, quantiles",
    citation="Samsonov, Moulines, Shao, Zhang and Naumov (2024)",
    arxiv="2405.16644",
    guarantee="one pass; bootstrap consistent at rate up to n^(-1/2) (squared); logistic: Fang, Xu and Yang (2018); "
    "quantile: Lee, Liao, Seo and Shin (2022)",
    vignette="streaming-regression",
    traits={"row order": "rows are worked through in their order, which must have nothing to do with their values"},
)
