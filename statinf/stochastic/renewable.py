"""Renewable regressions of a stream: exact or nearly exact batch estimates, with forgetting, windows and groups.

Luo & Song (2020), Renewable estimation and incremental inference in generalized linear models with streaming data sets,
JRSS B 82. Under squared loss the estimate is that of all rows at once; under the others it differs by a share of a standard
error that falls with n. With a forgetting factor: exponentially weighted least squares and likelihoods, whose standard
errors are those of weighted rows.

The estimand is the minimiser of the expected loss, of the present rows under forgetting; with `ridge=`, of the sum of the
losses plus ridge / 2 times the squared coefficients but the intercept, which is as it is for the covariance too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.blocks import listed_causes, warn_dropped
from statinf.results.methods import Method
from statinf.results.options import choice, count, number, value
from statinf.stochastic.basis import whiten
from statinf.stochastic.opening import Opening, begin
from statinf.stochastic.options import StreamOptions
from statinf.stochastic.regression import RegressionStream, check_source
from statinf.stochastic.renewable_fit import RenewableFit, single_fit
from statinf.stochastic.renewable_reader import RenewableReader
from statinf.stochastic.renewable_run import Renewal
from statinf.stochastic.renewal_state import RenewalSettings, RenewalState
from statinf.stochastic.stream_groups import StreamGroups, grouped_fit
from statinf.stochastic.tuning import UNKNOWN_LENGTH

LOSSES = ("squared", "logistic", "poisson", "multinomial")
INTERVALS = ("normal", "simultaneous", "sequential")
_PILOT = 1_000


def _check_forget(name: str, given: Any) -> float | None:
    if isinstance(given, Mapping):
        half = given.get("half_life")
        if set(given) != {"half_life"} or isinstance(half, bool) or not isinstance(half, int | float) or not half > 0:
            raise OptionError(f"{name}={given!r}: give {{'half_life': rows}} with a positive number of rows.")
        return float(0.5 ** (1.0 / half))
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0.0 < given <= 1.0:
        raise OptionError(f"{name}={given!r} is not a factor in (0, 1], nor {{'half_life': rows}}.")
    return float(given)


@dataclass(frozen=True, kw_only=True)
class RenewableOptions(StreamOptions):
    """Options of renewable estimates."""

    loss: str = choice("squared", LOSSES, "squared, logistic, poisson, or multinomial for an outcome of categories")
    forget: Any = value(
        None, "factor on a row for each later row of its group, or the rows after which it counts half",
        "a number in (0, 1], {'half_life': rows}, or None", _check_forget,
    )  # fmt: skip
    window: int | None = count(None, "only this many last rows of a group count; they are kept", also=(None,))
    chunk: int | None = count(
        None, "rows of a group that are expanded together, kept until then; None: 2,048, and 256 with groups or forgetting",
        low=32, also=(None,),
    )  # fmt: skip
    by: Any = value(
        None, "column of groups, each a stream of its own", "a column name, or None", lambda name, given: given
    )
    ridge: float = number(0.0, "penalty: ridge / 2 times the squared coefficients but the intercept", low=0)
    ci: str = choice("normal", INTERVALS, "interval that tables print; sequential holds at every look")
    expected_rows: int | None = count(
        None, "rows that will come in all, those of later updates too, for look", also=(None,)
    )
    look: int | None = count(
        None, 'rows at which ci="sequential" is narrowest; None: all that are expected', also=(None,)
    )

    def check(self) -> None:
        """Refuse two ways of forgetting, and a sequence for a moving target."""
        if self.forget is not None and self.window is not None:
            raise OptionError("forget= and window= are two ways to forget; give one of them.")
        if self.ci == "sequential" and self.forgets:
            raise OptionError("ci='sequential' is for a target that stays; with forget= or window= take 'normal'.")
        if self.ci == "simultaneous" and self.by is not None:
            raise OptionError(
                "ci='simultaneous' is not there for by=, whose intervals are 'normal' or 'sequential'; a group has them: "
                "fit(group).conf_int(interval='simultaneous')."
            )

    @property
    def forgets(self) -> bool:
        """Whether old rows count less."""
        return self.window is not None or (self.forget or 1.0) < 1.0


def estimate(stream: RegressionStream, options: RenewableOptions) -> RenewableFit | StreamGroups:
    """One pass over a stream of a regression, or of one for each group."""
    check_source(stream.source, stream.weights, False)
    several = options.loss == "multinomial"
    if options.by is not None and not isinstance(options.by, str):
        raise OptionError(f"by={options.by!r} is not the name of a column.")
    opening = begin(
        stream.formula, stream.source, levels=options.levels, expected=options.expected_rows, roles=("covariates",),
        weights=stream.weights, na_action=stream.na_action, context=stream.context,
        response="categories" if several else "numeric",
    )  # fmt: skip
    opening, classes = _present_classes(opening) if several else (opening, ())
    if opening.design.offset is not None and options.loss in ("logistic", "multinomial"):
        raise OptionError(f"offset() is not available with loss={options.loss!r}; put it among the covariates.")
    column = stream.weights if isinstance(stream.weights, str) or stream.weights is None else ""
    reader = RenewableReader(recipe=opening.recipe, loss=options.loss, weights=column, by=options.by, classes=classes)
    settings = _settings(opening, options, reader.width)
    run = Renewal(settings=settings, state=RenewalState.start(settings), reader=reader)
    if opening.whole:
        run = run.add(*reader.of_design(opening.design))
        if stream.na_action == "raise" and run.dropped:
            raise DataError(f"na_action='raise' and rows cannot be used: {listed_causes(run.dropped)}.")
    else:
        run = run.consume(opening.frames, strict=stream.na_action == "raise")
    warn_dropped(run.dropped, run.rows + sum(run.dropped.values()), opening.design.dropped if opening.whole else None)
    kind = opening.design.kind if stream.source.whole is None else stream.source.whole.kind
    if not len(run.state.past.count):
        raise DataError("no row of the stream can be used.")
    method = replace(METHOD, name="renewable")
    return (grouped_fit if options.by else single_fit)(run, method, kind, options.ci)


def _present_classes(opening: Opening) -> tuple[Opening, tuple[Any, ...]]:
    """The classes of an outcome that rows of positive weight have."""
    design = opening.design
    assert design.levels is not None
    kept = np.unique(design.y[design.weights != 0.0]).astype(int) if opening.whole else np.arange(len(design.levels))
    if len(kept) < 2:
        raise NotIdentifiedError(f"the outcome '{design.response_names[0]}' has one class only; give two or more.")
    levels = tuple(design.levels[i] for i in kept)
    if len(kept) == len(design.levels):
        return opening, levels
    codes = np.searchsorted(kept, design.y).astype(float)
    recipe = opening.recipe.with_levels(levels)
    return replace(opening, recipe=recipe, design=replace(design, response=codes, levels=levels, recipe=recipe)), levels


def _settings(opening: Opening, options: RenewableOptions, k: int) -> RenewalSettings:
    part = opening.design.part("covariates")
    assert part is not None
    present = opening.design.weights != 0.0
    transform = whiten(part.values[present][:_PILOT]).transform
    penalised = np.array([float(name != "Intercept") for name in part.names])
    q = part.p
    chunk = options.chunk or max(256 if options.by or options.forgets else 2048, 16 * q * k)
    return RenewalSettings(
        loss=options.loss, q=q, k=k, chunk=chunk, factor=options.forget or 1.0, window=options.window or 0,
        transform=transform, penalty=np.kron(np.eye(k), options.ridge * (transform.T * penalised) @ transform),
        look=options.look or opening.length or UNKNOWN_LENGTH, intercept="Intercept" in part.names,
    )  # fmt: skip


METHOD = Method(
    verb="lsa",
    name="renewable",
    estimate=estimate,
    options=RenewableOptions,
    summary="renewable batch estimates: forgetting, windows, groups, ridge; least squares, logit, Poisson, multinomial",
    citation="Luo and Song (2020)",
    guarantee="squared loss: the estimate of all rows at once; other losses: asymptotically efficient; HC1 by effective rows",
    vignette="sequential-intervals",
)
