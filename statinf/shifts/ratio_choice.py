"""Which density ratio: a method's name, a `Weights`, or known numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.given import aligned
from statinf.passes.design import is_estimated
from statinf.results import Weights
from statinf.shifts.density_ratio import ratio_of
from statinf.shifts.ratio_estimate import default_ratio
from statinf.shifts.samples import Samples
from statinf.shifts.table import DENSITY_RATIO

DEFAULT = "logistic"


def check_ratio(ratio: Any, power: float = 1.0, weights: Any = None) -> None:
    """Refuse what is no density ratio, before any row is read.

    Raises
    ------
    OptionError
    DataError
        If known ratios are negative, infinite or missing.
    """
    if ratio is None or isinstance(ratio, str):
        DENSITY_RATIO.find(DEFAULT if ratio is None else ratio)
        return
    if power != 1.0:
        raise OptionError("power= flattens a ratio that is estimated here; pass it to si.density_ratio instead.")
    if weights is not None:
        raise OptionError(
            "weights= and a ratio of your own exclude each other: give the ratio times the sampling weights."
        )
    if isinstance(ratio, Weights) or is_estimated(ratio):
        return
    if np.ndim(ratio) != 1:
        raise OptionError(
            f"ratio={type(ratio).__name__}: give a method of si.density_ratio, a Weights, or one known ratio per source row."
        )
    _numbers(ratio)


def _numbers(ratio: Any) -> np.ndarray:
    try:
        values = np.asarray(ratio, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("ratio holds values that are no numbers.") from None
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise DataError("ratio: importance weights must be finite and non-negative with a positive sum.")
    return values


def find_ratio(samples: Samples, ratio: Any, power: float = 1.0) -> Weights:
    """The density ratio on the source rows: estimated, or as given.

    Raises
    ------
    DataError
        If a given ratio belongs to other rows, or lacks rows that are used.
    """
    if ratio is None or isinstance(ratio, str):
        method, options = DENSITY_RATIO.read(ratio or default_ratio(samples.target.known), {})
        return ratio_of(samples, method, options, power)
    design = samples.design
    if not isinstance(ratio, Weights):
        return _known(samples, ratio)
    found = ratio.on(design.frame)
    place_in_target(found, samples)
    missing = np.setdiff1d(design.rows, found.used)
    if len(missing):
        raise DataError(
            f"the ratio has no weight for {len(missing)} of the {design.n} rows of the fit (first: row {missing[0]} of the "
            "source); make it from columns without missing values, or from those of the regression."
        )
    return found


def place_in_target(ratio: Weights, samples: Samples) -> np.ndarray | None:
    """Where the target rows stand among those that the ratio was made for, shape (rows,); None for the same order.

    Raises
    ------
    DataError
        If the ratio was made for another target.
    """
    identity = getattr(getattr(ratio, "origin", ratio), "target", None)
    if identity is None:
        return None
    if samples.target.identity is None:
        raise DataError(
            "the density ratio was made for a target sample, and this target is known margins; make it from them."
        )
    given = samples.target.identity.frame
    assert given is not None
    if given.n != identity.n:
        raise DataError(
            f"the density ratio was made for a target of {identity.n} rows, this one has {given.n}; make it for this target."
        )
    found = identity.locate(given, "the target rows of the density ratio")
    return None if found is None else found.position


def _known(samples: Samples, ratio: Any) -> Weights:
    design = samples.design
    values = _numbers(aligned(ratio, design.frame, "ratio"))
    if values.shape != (design.n_total,):
        raise DataError(
            f"ratio has shape {values.shape}; give one known ratio per row of the source, shape ({design.n_total},)."
        )
    return Weights(
        method="known",
        formula="",
        values=values[design.rows],
        used=design.rows,
        n_total=design.n_total,
        nobs=design.n,
        identity=design.identity,
    )
