"""`fit.slopes`, `fit.comparisons` and `fit.predictions`: from what is asked for to a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DroppedRowsWarning, NotIdentifiedError, NumericalWarning, OptionError, issue_warning, one_of
from statinf.inference.bootstrap import check_replicas
from statinf.inference.marginal import SLOPES
from statinf.results.margins import rows as on
from statinf.results.margins.by_row import RowEffects, row_effects
from statinf.results.margins.compute import averages, drawn
from statinf.results.margins.finish import combined, delta_result, draws_result, population_result
from statinf.results.margins.items import Items
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.request import (
    PAIRS,
    add_contrasts,
    add_predictions,
    add_slopes,
    chosen,
    comparison_name,
)
from statinf.results.margins.result import MOST_ESTIMATES, MarginalEffects

if TYPE_CHECKING:
    from statinf.results.fit import Fit
    from statinf.results.margins.mixin import MarginVerbs

METHODS = ("delta", "simulation", "draws")
TYPES = ("response", "link")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the three verbs share; see `statinf.results.margins.mixin.MarginVerbs`."""

    by: Any = None
    newdata: Any = None
    condition: Any = None
    weights: Any = None
    average: bool | None = None
    type: str = "response"
    vcov: Any = None
    population: bool = False
    method: str | None = None
    replicas: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("type", self.type, TYPES)
        if self.method is not None:
            one_of("method", self.method, METHODS)
        for name, allowed in (("average", (True, False, None)), ("population", (True, False))):
            if not any(getattr(self, name) is value for value in allowed):
                raise OptionError(f"{name}={getattr(self, name)!r} is neither True nor False.")
        check_seed(self.seed)
        check_replicas(self.replicas)
        if self.condition is not None and self.newdata is not None:
            raise OptionError("condition= makes a grid of its own; leave newdata= out.")
        if self.population and (self.newdata is not None or self.condition is not None):
            raise OptionError(
                "population=True adds the sampling error of the fit's own rows; on newdata= the covariates are given: leave it out."
            )

    @property
    def gridded(self) -> bool:
        """Whether the rows are made from values."""
        if isinstance(self.newdata, str):
            return self.newdata == "mean"
        return self.condition is not None or isinstance(self.newdata, Mapping)


def slopes(fit: Fit, variables: Any, slope: str, discrete: bool, asked: Asked) -> MarginalEffects | RowEffects:
    """See `MarginVerbs.slopes`."""
    one_of("slope", slope, SLOPES)

    def fill(made: Items, source: on.MarginRows) -> None:
        add_slopes(
            made, chosen(variables, source.settable), source.settable, source.weights, kind=slope, discrete=discrete
        )

    return _made(fit, "slopes", fill, asked, differences=slope == "dydx")


def comparisons(
    fit: Fit, variables: Any, comparison: str, contrast: str, step: Any, asked: Asked
) -> MarginalEffects | RowEffects:
    """See `MarginVerbs.comparisons`."""
    name = comparison_name(comparison)
    one_of("contrast", contrast, PAIRS)

    def fill(made: Items, source: on.MarginRows) -> None:
        given = chosen(variables, source.settable)
        add_contrasts(made, given, source.settable, source.weights, comparison=name, contrast=contrast, step=step)

    return _made(fit, "comparisons", fill, asked, differences=name == "difference")


def predictions(fit: Fit, variables: Any, asked: Asked) -> MarginalEffects | RowEffects:
    """See `MarginVerbs.predictions`."""

    def fill(made: Items, source: on.MarginRows) -> None:
        add_predictions(made, variables, source.settable)

    return _made(fit, "predictions", fill, asked)


def _made(
    fit: Fit, verb: str, fill: Callable[[Items, on.MarginRows], None], asked: Asked, *, differences: bool = False
) -> MarginalEffects | RowEffects:
    fit = fit if asked.vcov is None else fit.with_vcov(asked.vcov)
    model = cast("MarginVerbs", fit).mean_model(verb)
    if model.differences and not differences:
        raise NotIdentifiedError(f"{verb} of '{fit.method}' are differences of means alone: {model.differences}.")
    if asked.type == "link" and any(mean.predictors > 1 for mean in model.means):
        raise NotIdentifiedError(f"'{fit.method}' has several linear predictors; type='link' is for fits with one.")
    by = on.names_of(asked.by)
    averaged = asked.average if asked.average is not None else bool(by) or not asked.gridded
    source = _source(fit, model, by, averaged, asked)
    made = Items()
    # What a variable is, and how far a step goes, is told by the rows of the fit, whichever rows are evaluated.
    fill(made, source if source.own or fit.design is None else on.own_rows(fit, model, (), None, every=False))
    link = asked.type == "link"
    how = asked.method or ("draws" if fit.draws is not None else "delta")
    if not averaged:
        if by:
            raise OptionError("by= averages within groups; leave average=False out, or by=.")
        _refuse_single(asked, how)
        if not source.grid and not asked.gridded:
            return row_effects(fit, verb, model, source, made, link)
    _check_size(len(made.targets) * len(model.means) * (len(source.groups) if averaged else source.n))
    if how != "delta":
        return _with_draws(fit, verb, model, source, made, link, how, asked)
    if asked.population:
        found = averages(source, model, made.items, fit.theta, link=link, keep=True)
        return population_result(fit, verb, model, source, made, found)
    if averaged:
        found = averages(source, model, made.items, fit.theta, link=link)
    else:
        found = averages(_each_row(source), model, made.items, fit.theta, link=link)
        source = _each_row(source)
    _warn_missing(made, found.values)
    return delta_result(fit, verb, model, source, made, found)


def _source(fit: Fit, model: MeanModel, by: tuple[str, ...], averaged: bool, asked: Asked) -> on.MarginRows:
    every = not averaged
    if asked.condition is not None:
        return on.grid_rows(fit, model, on.condition_values(fit, model, asked.condition), by, asked.weights)
    if asked.newdata is None:
        return on.own_rows(fit, model, by, asked.weights, every=every)
    if isinstance(asked.newdata, str) and asked.newdata == "mean":
        return on.grid_rows(fit, model, {}, by, asked.weights)
    if isinstance(asked.newdata, Mapping):
        return on.grid_rows(fit, model, asked.newdata, by, asked.weights)
    if isinstance(asked.newdata, str) and "." not in asked.newdata:
        raise OptionError(
            f"newdata={asked.newdata!r} is not known; give 'mean', a mapping of columns to values, or a data frame."
        )
    return on.new_rows(model, asked.newdata, by, asked.weights, every=every)


def _each_row(source: on.MarginRows) -> on.MarginRows:
    """Every row as a group of its own."""
    groups = tuple((k,) for k in range(source.n))
    given = {"codes": np.arange(source.n), "groups": groups, "by": (), "weights": np.ones(source.n)}
    return on.MarginRows(**{**vars(source), **given})


def _refuse_single(asked: Asked, how: str) -> None:
    if asked.population:
        raise OptionError("population=True is about averages over rows; leave average=False out.")
    if how != "delta" and not asked.gridded:
        raise OptionError(
            f"method={how!r} is for averages and grids; single rows have the delta method: give method='delta'."
        )


def _check_size(count: int) -> None:
    if count > MOST_ESTIMATES:
        raise OptionError(
            f"{count:,} estimates are asked for, and at most {MOST_ESTIMATES:,} come with their joint covariance; name fewer "
            "variables=, levels, or groups, or give average=False for effects of single rows."
        )


def _warn_missing(made: Items, values: np.ndarray) -> None:
    if np.isnan(values).any():
        issue_warning(
            f"{int(np.isnan(values).sum())} of {values.size} means have no estimate: rows that they average over would lie outside "
            "of a spline's range, or depend on aliased coefficients.",
            DroppedRowsWarning,
        )
    if np.isinf(values).any():
        issue_warning(
            f"{int(np.isinf(values).sum())} of {values.size} means or slopes are infinite: the formula has no finite slope on some "
            "rows, such as sqrt(x) or log(x) at 0.",
            NumericalWarning,
        )
    value = combined(made, values)[0]
    there = np.array(
        [np.isfinite(values[t.hi]) & np.isfinite(values[t.hi if t.lo < 0 else t.lo]) for t in made.targets]
    )
    lost = int(np.count_nonzero(there & ~np.isfinite(value)))
    if lost:
        issue_warning(
            f"{lost} of {value.size} comparisons have no finite value: odds are of means between 0 and 1, and ratios of means "
            "other than 0; comparison='difference' is of any.",
            NumericalWarning,
        )


def _with_draws(
    fit: Fit, verb: str, model: MeanModel, source: on.MarginRows, made: Items, link: bool, how: str, asked: Asked
) -> MarginalEffects:
    if asked.population:
        raise OptionError("population=True goes with the delta method; leave method= out.")
    if asked.gridded and not source.by:
        source = _each_row(source)
    full = np.zeros((asked.replicas, len(fit.theta)))
    if how == "draws":
        if fit.draws is None:
            raise NotIdentifiedError(
                "method='draws' needs a fit with draws; call fit.bootstrap() first, or give method='simulation'."
            )
        full = np.zeros((fit.draws.replicas, len(fit.theta)))
        full[:, fit.estimable] = fit.draws.draws
    else:
        if not np.isfinite(fit.cov.matrix).all():
            raise NotIdentifiedError(
                f"method='simulation' draws coefficients by their covariance, and this fit has none ({fit.cov.label})."
            )
        root = fit.cov.root
        normal = np.random.default_rng(asked.seed).standard_normal((asked.replicas, root.shape[1]))
        full[:, fit.estimable] = fit.theta[fit.estimable] + normal @ root.T
    point = averages(source, model, made.items, fit.theta, link=link)
    return draws_result(
        fit, verb, model, source, made, point, drawn(source, model, made.items, full, link=link), how, asked.seed
    )
