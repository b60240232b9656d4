"""Conformal sets of classes from probabilities alone, for classifiers that live elsewhere: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.conformity.class_procedure import CALIBRATION_DRAWS, NEW_DRAWS, cells_of, class_thresholds, filled
from statinf.conformity.class_score import ClassScore, Cumulated, OneMinus, inside
from statinf.conformity.given import check_pairs, density_ratios, group_codes
from statinf.errors import DataError, OptionError, one_of
from statinf.inference.conformal import Calibration
from statinf.learners.classes import checked_probabilities

METHODS = ("lac", "aps", "raps", "class-conditional")


def sets_from_probabilities(
    probabilities: Any,
    labels: Any,
    new_probabilities: Any,
    *,
    method: str = "lac",
    level: float = 0.9,
    classes: Sequence[Any] | None = None,
    randomized: bool = True,
    penalty: float = 0.01,
    kreg: int = 5,
    allow_empty: bool = True,
    seed: int = 0,
    draws: Any = None,
    new_draws: Any = None,
    weights: Any = None,
    new_weights: Any = None,
    groups: Any = None,
    new_groups: Any = None,
) -> np.ndarray:
    """Calibrate class probabilities on recorded classes and return sets for new rows.

    Coverage is at least `level` if calibration and new rows are exchangeable and the model was fitted to other rows.

    Parameters
    ----------
    probabilities, new_probabilities : array, shape (n, K) and (m, K)
        Each row sums to one.
    labels : array, shape (n,)
        Recorded classes of the calibration rows: numbers of columns from 0, or values among `classes`.
    method : {"lac", "aps", "raps", "class-conditional"}
        Sadinle, Lei and Wasserman (2019); Romano, Sesia and Candes (2020); Angelopoulos et al. (2021); "lac" with a
        threshold per class (Vovk, 2012).
    level : float
    classes : sequence, optional
        What the columns stand for.
    randomized : bool
        Whether "aps" and "raps" count a random part of a class's own probability.
    penalty, kreg : float and int
        Of "raps": added to the score per rank beyond `kreg`.
    allow_empty : bool
        False puts the likeliest class into sets that would be empty.
    seed : int
        Of the draws.
    draws, new_draws : array, shape (n,) and (m,), optional
        Uniform numbers in place of those of the seed.
    weights, new_weights : array, shape (n,) and (m,), optional
        Density ratios target/source under covariate shift.
    groups, new_groups : array, shape (n,) and (m,), optional
        Labels; each group has its own threshold.

    Returns
    -------
    ndarray of bool, shape (m, K)

    Raises
    ------
    DataError
        If shapes differ, a row of probabilities does not sum to one, or a label is unknown.
    OptionError
        If one of a pair of options is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.conformity.predictions import sets_from_probabilities
    >>> old = np.array([[0.7, 0.2, 0.1]] * 9)
    >>> sets_from_probabilities(old, [0] * 7 + [1, 2], [[0.5, 0.45, 0.05]], level=0.8)
    array([[ True,  True, False]])
    """
    one_of("method", method, METHODS)
    check_pairs(weights=(weights, new_weights), groups=(groups, new_groups))
    P, new = _distribution("probabilities", probabilities), _distribution("new_probabilities", new_probabilities)
    if P.shape[1] != new.shape[1]:
        raise DataError(f"probabilities have {P.shape[1]} columns and new_probabilities {new.shape[1]}; give the same.")
    (n, K), m = P.shape, len(new)
    if not n:
        raise DataError("No calibration rows: probabilities are empty; give at least one row.")
    codes = _class_codes(labels, classes, n, K)
    ratio, new_ratio = density_ratios(weights, new_weights, n, m)
    parts, new_parts = group_codes(groups, new_groups, n, m)
    score = _score(method, randomized, penalty, kreg)
    own = _draws("draws", draws, n, seed, CALIBRATION_DRAWS, score.randomized)
    theirs = _draws("new_draws", new_draws, m, seed, NEW_DRAWS, score.randomized)
    by_class = method == "class-conditional"
    cells = cells_of(parts, codes, K) if by_class else parts
    calibration = Calibration(score.of(P, codes, own)[:, None], ratio, cells)
    q = class_thresholds(calibration, (m, K), level, by_class, new_ratio, new_parts)
    return filled(inside(score, new, theirs, q), new, allow_empty)


def _score(method: str, randomized: bool, penalty: float, kreg: int) -> ClassScore:
    if method not in ("aps", "raps"):
        return OneMinus()
    if method == "aps":
        return Cumulated(bool(randomized))
    if isinstance(kreg, bool) or not isinstance(kreg, int | np.integer) or kreg < 0:
        raise OptionError(f"kreg={kreg!r} is not a whole number of at least 0.")
    if isinstance(penalty, bool | str) or not np.isfinite(penalty) or penalty < 0:
        raise OptionError(f"penalty={penalty!r} is not a number of at least 0.")
    return Cumulated(bool(randomized), float(penalty), int(kreg))


def _distribution(name: str, given: Any) -> np.ndarray:
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} cannot be read as numbers; give an array with one row per row of the data.") from None
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(f"{name} has shape {values.shape}; one column for each of at least two classes is needed.")
    return checked_probabilities(values, name)


def _class_codes(labels: Any, classes: Sequence[Any] | None, n: int, K: int) -> np.ndarray:
    given = np.asarray(labels)
    if given.shape != (n,):
        raise DataError(f"labels have shape {given.shape}; one per row of probabilities, ({n},), is needed.")
    if classes is None:
        whole = given.dtype.kind == "f" and bool((given == np.floor(given)).all())
        if given.dtype.kind not in "iub" and not whole:
            raise DataError("labels must be numbers of columns, from 0; give classes= for other labels.")
        codes = given.astype(np.intp)
    else:
        if len(classes) != K or len(set(classes)) != K:
            raise DataError(f"classes= names {len(set(classes))} different classes for {K} columns.")
        position = {label: k for k, label in enumerate(classes)}
        codes = np.array([position.get(label, -1) for label in given.tolist()], np.intp)
    wrong = np.flatnonzero((codes < 0) | (codes >= K))
    if len(wrong):
        raise DataError(f"the label {given.tolist()[wrong[0]]!r} in row {wrong[0]} is not a class of the {K} columns.")
    return codes


def _draws(name: str, given: Any, n: int, seed: int, stream: int, needed: bool) -> np.ndarray:
    if not needed:
        return np.zeros(n)
    if given is None:
        return generator(seed, stream).random(n)
    values = np.asarray(given, np.float64)
    if values.shape != (n,) or not ((values >= 0.0) & (values <= 1.0)).all():
        raise DataError(f"{name} must be {n} numbers in [0, 1].")
    return values
