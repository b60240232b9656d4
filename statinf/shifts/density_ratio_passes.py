"""`density_ratio` on data that are read in blocks: a logit or a tilt by Newton's method on sums over both tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.results.methods import Method
from statinf.shifts.block_logistic import estimate_logistic
from statinf.shifts.block_moment import estimate_moment
from statinf.shifts.block_ratio import BlockDensityRatio
from statinf.shifts.block_ratio_sums import RatioSums, RatioWeights, ratio_sums, tail_of
from statinf.shifts.block_samples import BlockSamples, check_block_columns, read_block_samples
from statinf.shifts.margins import Margins
from statinf.shifts.moment import check_sign
from statinf.shifts.ratio_estimate import check_known, default_ratio
from statinf.shifts.reading import recipe_alone
from statinf.shifts.table import DENSITY_RATIO

METHODS = ("logistic", "moment")


def density_ratio_passes(
    formula: str,
    tables: Any,
    margins: Margins | None,
    chosen: Method,
    settings: Any,
    *,
    power: float,
    trim: float,
    **reading: Any,
) -> BlockDensityRatio:
    """The ratio of `si.density_ratio` on tables in blocks; `reading` is as `read_block_samples` takes it."""
    refuse_ratio_method(chosen.name)
    samples = read_block_samples(formula, tables, margins, **reading)
    return block_ratio(samples, chosen, settings, power, trim)


def refuse_ratio_method(name: str) -> None:
    """Refuse a method that compares rows with one another."""
    if name not in METHODS:
        raise OptionError(
            f"method={name!r} compares rows with one another and needs them in memory; density ratios of data that are read in "
            f"blocks are estimated by {', '.join(METHODS)}."
        )


def named_ratio(samples: BlockSamples, name: str | None, power: float = 1.0, *, formula: str) -> BlockDensityRatio:
    """The ratio by a method's name, with its usual options; see `find_ratio`."""
    method, options = DENSITY_RATIO.read(name or default_ratio(samples.target.known), {})
    return block_ratio(samples, method, options, power, formula=formula)


def block_ratio(
    samples: BlockSamples, chosen: Method, settings: Any, power: float = 1.0, trim: float = np.inf, formula: str = ""
) -> BlockDensityRatio:
    """The ratio of two samples that were read; `formula` is its own where it is a part of another's."""
    refuse_ratio_method(chosen.name)
    target = samples.target
    check_known(chosen, target.known)
    check_block_columns(samples)
    details: Mapping[str, Any] = {}
    if chosen.name == "logistic":
        function, expand, facts = estimate_logistic(samples, settings)
    else:
        function, expand, details, facts = estimate_moment(samples, settings)
    rule = RatioWeights(samples.part, function, expand, power, trim)
    sums = ratio_sums(samples, rule)
    _check(sums, chosen.name)
    size = 1.0
    if target.known is not None and target.known.size is not None:
        size = target.known.size / sums.weights.total
        rule, sums = RatioWeights(samples.part, function, expand, power, trim, size), sums.times(size)
    source = samples.source
    recipe = source.recipe
    if samples.part or recipe.response:
        recipe = recipe_alone(recipe, samples.part, formula, outcome=False)
    return BlockDensityRatio(
        method=chosen.name,
        formula=recipe.formula,
        citation=chosen.reference,
        nobs=source.nobs,
        dropped=source.tally.causes,
        estimand="the target population",
        made=source,
        rule=rule,
        sizes_by={"source": sums.weights},
        function=function,
        recipe=recipe,
        columns_shown=samples.names,
        power=power,
        trim=trim,
        settings=details,
        facts=facts,
        before=samples.xs,
        target_sums=samples.xt,
        after=sums.columns,
        near=samples.near,
        counts_beyond=samples.beyond.counts,
        uncovered_rows=samples.beyond.anywhere if target.known is None else 0,
        n_target=target.weighed,
        dropped_target=target.tally.causes,
        pareto_k=tail_of(sums),
        other=target,
    )


def _check(sums: RatioSums, method: str) -> None:
    """Refuse ratios that are no weights."""
    if method == "moment":
        check_sign(sums.negative, sums.weights.rows, sums.weights.least)
    if sums.unusable or not sums.weights.most > 0:
        raise DataError("the estimated ratio is zero or infinite at the source rows; the samples hardly overlap.")
