"""`si.conformal_online`: prediction intervals along a stream that keep their coverage when its law changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.conformity.online.result import OnlineIntervals
from statinf.conformity.online.run import RunStart, begin_run
from statinf.conformity.online.tracker import OnlineMethod
from statinf.conformity.table import CONFORMAL_ONLINE
from statinf.errors import OptionError, check_level, one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import begin, opened
from statinf.learners import resolve


@CONFORMAL_ONLINE.document
def conformal_online(
    formula: str,
    data: Any,
    *,
    time: str | None = None,
    method: str = "aci",
    model: Any = None,
    level: float = 0.9,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> OnlineIntervals:
    """Prediction intervals along a stream, each made before its outcome is known.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`. With `model="given"` the covariate is a prediction made elsewhere, `y ~ p`, or two are the
        lower and upper quantile, `y ~ low + high`.
    data : table or stream
        A data frame; or what `si.lsa` takes: an iterator of data frames, a parquet or csv file, a directory of parquet
        files, a pyarrow dataset, a duckdb relation or a polars lazy frame.
    time : str, optional
        The column that orders the rows: numbers, dates or text. Each table is put in its order; those of a stream must follow
        one another. Without it rows are taken as they come.
    method : str
        {methods}
    model : str or object, optional
        A learner's name, a learner from `statinf.learners`, or any scikit-learn estimator; by default least squares, or
        quantile regression for `score="cqr"`. It is trained on the first half of the burn-in, whose second half
        gives the first scores; `refit=` trains it again. `"given"`: see `formula`.
    level : float
        Coverage in (0, 1): one minus the `alpha` of the papers.
    seed : int
        Of the model's random numbers and bootstrap samples.
    na_action : {"drop", "raise"}
        Rows without an outcome, or that cannot be predicted, are left out, counted and warned of. `predict` gives the interval
        of a row whose outcome is still to come.
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method, as listed there.

    Returns
    -------
    OnlineIntervals
        `path`, `update`, `predict`, `coverage`, `bound`, `plot`, `summary`.

    Raises
    ------
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used; times that run backwards.

    Notes
    -----
    `level_used` is 1 - alpha_t of the papers. Users of R's AdaptiveConformal, whose `alpha` is the coverage, have its
    intervals by `model="given", burn_in=0, quantile="plain"`; those of MAPIE's `TimeSeriesRegressor` have its ACI and EnbPI
    with the model in one call, where `update` is both `adapt_conformal_inference` and `update`.

    What the formula learns from data (categories, centres, knots) it learns on the burn-in. `update` continues a path as if all
    rows had been there at first, to the last bit, also after saving and loading.

    Examples
    --------
    >>> import statinf as si
    >>> hours = si.datasets.load("bikeshare").reset_index(names="hour")
    >>> fit = si.conformal_online("bikers ~ temp + hum + bs(hr, df=6)", hours.head(3000), time="hour", gamma=0.02, burn_in=500)
    >>> bool(abs(fit.path["covered"].mean() - 0.9) <= fit.bound)
    True
    >>> fit.update(hours.iloc[3000:3500]).path[["hour", "lower", "upper", "covered", "level_used"]].tail(2).round(2)
          hour   lower   upper  covered  level_used
    2998  3498 -206.82  407.54     True        0.96
    2999  3499 -200.36  404.43     True        0.96
    """
    found, settings = CONFORMAL_ONLINE.read(method, options)
    chosen = cast(OnlineMethod, found)
    level = check_level(level)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    start = RunStart(chosen, settings, model, level, seed)
    _check_model(start)
    burn_in = settings.first_rows(start.given)
    kind, tables = opened(formula, data, time)
    reader, frames = begin(formula, tables, time, max(burn_in, 1), context=context)
    with reporting(progress):
        run = begin_run(reader, frames, start, burn_in, strict=na_action == "raise")
    warn_dropped(run.dropped, run.reader.seen)
    return OnlineIntervals(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=run.nobs,
        kind=kind,
        dropped=dict(run.dropped),
        recipe=run.reader.recipe,
        level=level,
        run=run,
        side=chosen.coverage,
        guarantee=chosen.known(settings),
    )


def _check_model(start: RunStart) -> None:
    """Refuse models and options that do not go together, before any row is read."""
    score = getattr(start.options, "score", "residual")
    if not start.given:
        if start.model is not None:
            resolve(start.model, "quantile" if score == "cqr" else "mean", "model")
        return
    if start.method.base is not None:
        raise OptionError(f"method={start.method.name!r} fits models of its own; it takes no given predictions.")
    if score != "residual" or start.options.refit is not None:
        raise OptionError("model='given' leaves nothing to fit: leave score= and refit= out.")
