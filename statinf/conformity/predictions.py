"""Conformal intervals from predictions alone, for models that live elsewhere: arrays in, arrays out.

Sets of classes from probabilities are `sets_from_probabilities`; rows selected by scores `select_from_scores`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.conformity.class_predictions import sets_from_probabilities
from statinf.conformity.cqr import CQR
from statinf.conformity.given import check_pairs, density_ratios, group_codes
from statinf.conformity.score import Ends
from statinf.conformity.selection.scores import p_values_from_scores, select_from_scores
from statinf.conformity.split import Absolute, Normalised, Signed
from statinf.errors import DataError, OptionError
from statinf.inference.conformal import Calibration

__all__ = [
    "intervals_from_predictions",
    "p_values_from_scores",
    "select_from_scores",
    "sets_from_probabilities",
]


def intervals_from_predictions(
    y: Any,
    predicted: Any,
    new_predicted: Any,
    *,
    level: float = 0.9,
    scale: Any = None,
    new_scale: Any = None,
    asymmetric: bool = False,
    weights: Any = None,
    new_weights: Any = None,
    groups: Any = None,
    new_groups: Any = None,
) -> Ends:
    """Calibrate predictions on recorded outcomes and return intervals for new rows.

    Coverage is at least `level` if calibration and new rows are exchangeable and the model was fitted to other rows
    (Lei et al., 2018, arXiv 1604.04173; Romano, Patterson and Candes, 2019, arXiv 1905.03222).

    Parameters
    ----------
    y : array, shape (n,)
        Outcomes of the calibration rows.
    predicted, new_predicted : array, shape (n,) and (m,), or (n, 2) and (m, 2)
        Predicted means, or a lower and an upper quantile (conformalized quantile regression).
    level : float
    scale, new_scale : array, shape (n,) and (m,), optional
        Predicted spreads; residuals are divided by them.
    asymmetric : bool
        One threshold a tail, each with half the miss rate.
    weights, new_weights : array, shape (n,) and (m,), optional
        Density ratios target/source under covariate shift.
    groups, new_groups : array, shape (n,) and (m,), optional
        Labels; each group has its own threshold.

    Returns
    -------
    lower, upper : ndarray, shape (m,)
        Infinite where calibration rows are too few; lower above upper where the set is empty.

    Raises
    ------
    DataError
        If lengths differ or a calibration value is not finite.
    OptionError
        If one of a pair of options is missing, or options exclude each other.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.conformity.predictions import intervals_from_predictions
    >>> y, predicted = np.array([1.0, 2.5, 2.0, 4.5, 5.5, 5.0, 7.5, 8.0, 9.0]), np.arange(1.0, 10.0)
    >>> intervals_from_predictions(y, predicted, np.array([3.0, 10.0]), level=0.9)
    (array([2., 9.]), array([ 4., 11.]))
    """
    check_pairs(scale=(scale, new_scale), weights=(weights, new_weights), groups=(groups, new_groups))
    y, predicted = _numbers("y", y), _numbers("predicted", predicted)
    new = np.atleast_1d(_numbers("new_predicted", new_predicted))
    if y.ndim != 1:
        raise DataError(f"y has shape {y.shape}; one outcome per calibration row, (n,), is needed.")
    if predicted.ndim not in (1, 2) or predicted.shape[1:] not in ((), (2,)) or new.shape[1:] != predicted.shape[1:]:
        raise DataError(
            f"Predictions must have shape (n,) or (n, 2), alike for new rows; got {predicted.shape} and {new.shape}."
        )
    if len(y) != len(predicted):
        raise DataError(f"y has {len(y)} rows and predicted {len(predicted)}; give one of each per calibration row.")
    _check("predicted", predicted, len(y))
    _check("y", y, len(y))
    if predicted.ndim == 2:
        if scale is not None:
            raise OptionError("scale= goes with predicted means; quantiles carry their own spread.")
        rule = CQR("asymmetric" if asymmetric else "symmetric")
        local, at = (np.sort(predicted, axis=1),), (np.sort(new, axis=1),)
    elif scale is not None:
        if asymmetric:
            raise OptionError("asymmetric=True and scale= exclude each other.")
        rule = Normalised()
        local = predicted, _check("scale", _numbers("scale", scale), len(y))
        at = new, _spread(new_scale, len(new))
    else:
        rule, local, at = (Signed() if asymmetric else Absolute()), (predicted,), (new,)
    codes, new_codes = group_codes(groups, new_groups, len(y), len(new))
    ratio, new_ratio = density_ratios(weights, new_weights, len(y), len(new))
    q = Calibration(rule.score(local, y), ratio, codes).thresholds(level, len(new), new_ratio, new_codes)
    return rule.band(at, q)


def _numbers(name: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} cannot be read as numbers.") from None


def _spread(given: Any, m: int) -> np.ndarray:
    """Spreads of new rows, positive or NaN, shape (m,)."""
    values = _numbers("new_scale", given)
    if values.shape != (m,):
        raise DataError(f"new_scale has shape {values.shape}; one per new row, ({m},), is needed.")
    if (values <= 0.0).any():
        raise DataError(f"new_scale is not positive in row {int(np.argmax(values <= 0.0))}; a spread is above zero.")
    return values


def _check(name: str, values: np.ndarray, n: int) -> np.ndarray:
    if len(values) != n:
        raise DataError(f"{name} has {len(values)} rows; {n} are needed.")
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values.reshape(n, -1)).all(axis=1))[0])
        raise DataError(f"{name} is not finite in calibration row {bad}; leave that row out.")
    return values
