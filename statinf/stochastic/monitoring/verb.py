"""`si.monitor`: has the law of a stream changed, and when?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import FormulaError, one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import begin, opened
from statinf.formula.scan import halves
from statinf.stochastic.monitoring.result import Monitor
from statinf.stochastic.monitoring.run import MonitorStart, begin_run
from statinf.stochastic.table import MONITOR


@MONITOR.document
def monitor(
    formula: str,
    data: Any,
    *,
    time: str | None = None,
    method: str = "cusum",
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Monitor:
    """Watch a stream for changes, with a false alarm rate that is known.

    Parameters
    ----------
    formula : str
        `y ~ x` watches a model of the outcome, `y ~ 1` its mean, `~ x1 + x2` the columns themselves.
    data : table or stream
        A data frame; or what `si.lsa` takes: an iterator of data frames, a parquet or csv file, a directory of parquet
        files, a pyarrow dataset, a duckdb relation or a polars lazy frame.
    time : str, optional
        The column that orders the rows: numbers, dates or text. Each table is put in its order; those of a stream must follow
        one another. Without it rows are taken as they come.
    method : str
        {methods}
    seed : int
        Of the numbers that break ties of conformal p-values.
    na_action : {"drop", "raise"}
        Rows with missing values are left out, counted and warned of.
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method, as listed there.

    Returns
    -------
    Monitor
        `path`, `alarms`, `update`, `summary`, `plot`.

    Raises
    ------
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used; times that run backwards.
    NotIdentifiedError
        If a covariate separates the 0/1 outcomes, or the zero counts, of the first rows.
    ConvergenceError
        If the model of the first rows cannot be fitted.

    Notes
    -----
    "cusum" watches a model, is the fastest for a lasting change of its coefficients, and needs first rows that are many (its
    rate of false alarms was simulated: `benchmarks/results/monitoring_alarms.md`; near the level from 100 first rows on for
    residuals, and from some hundred a score for all scores). "martingale" assumes nothing but that rows
    are exchangeable before the change, and its rate holds at every length. "adwin" follows a stream that changes again and
    again; its `delta` is no rate of false alarms over the whole stream. Rows that depend on earlier ones make all three cry
    wolf; "cusum" allows for short dependence by `lags=`.

    What the formula learns from data (categories, centres, knots) it learns on the first rows. `update` continues a path as
    if all rows had been there at first, also after saving and loading.

    Examples
    --------
    >>> import statinf as si
    >>> hours = si.datasets.load("bikeshare").reset_index(names="hour")
    >>> found = si.monitor("bikers ~ temp + hum", hours.head(3000), time="hour", burn_in=1000, lags=24)
    >>> found.alarms["hour"].tolist()
    [2323]
    >>> found.update(hours.iloc[3000:3500]).path.columns.tolist()
    ['hour', 'statistic', 'limit', 'alarm']
    """
    chosen, settings = MONITOR.read(method, options)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    if not isinstance(formula, str) or "~" not in formula:
        raise FormulaError(f"formula={formula!r}: write 'y ~ x', 'y ~ 1' or '~ x'.")
    left, _, right = halves(formula)
    # Which rows come first must be known before the formula has been read.
    burn_in = settings.first_rows(bool(left.strip()) and right.strip() != "1")
    kind, tables = opened(formula, data, time)
    reader, frames = begin(formula, tables, time, max(burn_in, 1), context=context)
    layout = reader.recipe.parts[0].layout
    names = tuple(n for n in layout.names if n != "Intercept")
    start = MonitorStart(
        settings,
        names,
        reader.recipe.response[0] if reader.recipe.response else "",
        "Intercept" in layout.names,
        seed,
        burn_in,
    )
    with reporting(progress):
        run = begin_run(chosen, reader, frames, start, strict=na_action == "raise")
    warn_dropped(run.dropped, run.reader.seen)
    return Monitor(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=run.nobs,
        kind=kind,
        dropped=dict(run.dropped),
        run=run,
        guarantee=getattr(settings, "guarantee", "") or chosen.guarantee,
    )
