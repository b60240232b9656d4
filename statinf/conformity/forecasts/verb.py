"""`si.calibrate_online`: probabilities of a binary outcome that stay calibrated when the world drifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.conformity.forecasts.calibeating import KINDS, calibeater
from statinf.conformity.forecasts.result import OnlineForecasts
from statinf.conformity.forecasts.run import ForecastRun
from statinf.conformity.table import CALIBRATE_ONLINE
from statinf.errors import FormulaError, one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import begin, opened

BEATING: Mapping[str | None, str] = {
    None: "",
    "tracking": "; tracking: Brier score at most that of the scaled ones, plus 1 / (2 bins) and O(bins log T / T)",
    "hedging": "; hedging: calibration error tends to at most 1 / bins against every adversary",
}


@CALIBRATE_ONLINE.document
def calibrate_online(
    formula: str,
    data: Any,
    *,
    time: str | None = None,
    method: str = "ops",
    calibeat: str | None = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> OnlineForecasts:
    """Calibrate the probabilities of a fixed model along a stream, each before its outcome is known.

    Parameters
    ----------
    formula : str
        `y ~ p`: an outcome of 0 and 1, and a probability from any model.
    data : table or stream
        A data frame; or what `si.lsa` takes: an iterator of data frames, a parquet or csv file, a directory of parquet
        files, a pyarrow dataset, a duckdb relation or a polars lazy frame.
    time : str, optional
        The column that orders the rows: numbers, dates or text. Each table is put in its order; those of a stream must follow
        one another. Without it rows are taken as they come.
    method : str
        {methods}
    calibeat : {None, "tracking", "hedging"}
        Say instead the mean outcome of earlier probabilities in the bin, or play a randomised game in each bin.
    seed : int
        Of the draws of hedging.
    na_action : {"drop", "raise"}
        Rows without an outcome or a forecast are left out, counted and warned of. `predict` calibrates a forecast whose
        outcome is still to come.
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    **options
        Of the method, as listed there.

    Returns
    -------
    OnlineForecasts
        `path`, `update`, `predict`, `metrics`, `parameters`, `plot`, `summary`.

    Raises
    ------
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used; outcomes other than 0 and 1, forecasts outside [0, 1].

    Notes
    -----
    `update` continues a path as if all rows had been there at first, to the last bit, also after saving and loading.

    References
    ----------
    Gupta and Ramdas (2023), arXiv 2305.00070; Foster and Hart (2023), Theoretical Economics 18; Foster (1999), Games and
    Economic Behavior 29.

    Examples
    --------
    A model of the first half of the year meets the second half:

    >>> import statinf as si
    >>> hours = si.datasets.load("bikeshare").reset_index(names="hour")
    >>> hours["busy"] = (hours["bikers"] > 150).astype(float)
    >>> model = si.glm("busy ~ temp + hum + bs(hr, df=6)", hours[:3000], family="binomial")
    >>> later = hours[3000:].assign(p=model.predict(hours[3000:])["estimate"])
    >>> fit = si.calibrate_online("busy ~ p", later, time="hour", calibeat="tracking")
    >>> fit.metrics().round(3)
       rows        kind    ece  sharpness  log_loss  brier
    0  5645    forecast  0.100      0.358     0.433  0.141
    1  5645      scaled  0.034      0.363     0.375  0.122
    2  5645  calibrated  0.018      0.361     0.378  0.122
    """
    chosen, settings = CALIBRATE_ONLINE.read(method, options)
    if calibeat is not None:
        one_of("calibeat", calibeat, KINDS)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    kind, tables = opened(formula, data, time)
    reader, frames = begin(formula, tables, time, 1, context=context)
    columns = [n for part in reader.recipe.parts for n in part.layout.names if n != "Intercept"]
    if len(columns) != 1:
        raise FormulaError(
            f"the formula is 'y ~ p' with one probability p; this one has {len(columns)} columns: {columns}."
        )
    none = np.zeros(0)
    run = ForecastRun(
        reader=reader, scaler=chosen.estimate(settings), beat=calibeater(calibeat, settings.bins, seed),
        burn_in=settings.burn_in, time=reader.last[:0] if time else np.zeros(0, np.int64), outcome=none, forecast=none,
        scaled=none, calibrated=none,
    )  # fmt: skip
    run = run.consume(frames, settings.clip, strict=na_action == "raise")
    warn_dropped(run.dropped, run.reader.seen)
    return OnlineForecasts(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=run.seen,
        kind=kind,
        dropped=dict(run.dropped),
        recipe=run.reader.recipe,
        calibeat=calibeat,
        bins=settings.bins,
        clip=settings.clip,
        run=run,
        guarantee=chosen.guarantee + BEATING[calibeat],
    )
