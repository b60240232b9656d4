"""Selection from scores alone, for models that live elsewhere: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, check_fdr, one_of
from statinf.inference import conformal_selection as core
from statinf.inference.discoveries import PRUNINGS

TIES = ("conservative", "random")


def select_from_scores(
    calibration_scores: Any,
    test_scores: Any,
    weights: Any = None,
    test_weights: Any = None,
    fdr: float = 0.1,
    *,
    pruning: str = "homogeneous",
    ties: str = "conservative",
    seed: int = 0,
) -> np.ndarray:
    """Which new rows to select, with a false discovery rate of at most `fdr`.

    A score V(x, y) must not fall in y. Calibration rows have it at their recorded outcome, new rows at the threshold; the
    outcomes that are looked for lie above the threshold, and small scores of new rows speak for them.

    Parameters
    ----------
    calibration_scores, test_scores : array, shape (n,) and (m,), or (K, n) and (K, m)
        Several rows are K scores, of which the best is chosen at each new row (Bai and Jin, 2024); then a calibration
        row whose outcome passes its threshold must have an infinite (or a very large) score.
    weights, test_weights : array, shape (n,) and (m,), optional
        Density ratios of calibration and new rows under covariate shift (Jin and Candes, 2025).
    fdr : float
        In (0, 1].
    pruning : {"homogeneous", "heterogeneous", "deterministic"}
        With weights or several scores: one random number for all rows, one for each, or none. The first selects most.
    ties : {"conservative", "random"}
        Whether ties, a row's own point among them, count in full, or a random share of them; for one score.
    seed : int

    Returns
    -------
    ndarray of bool, shape (m,)

    Raises
    ------
    DataError, OptionError
        If a score is NaN, a weight is not positive, or the arrays or options do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.conformity.selection.scores import select_from_scores
    >>> i, j = np.arange(1, 31), np.arange(1, 11)
    >>> select_from_scores(np.sin(1.7 * i) + 1000 * (i % 3 == 0), np.sin(2.3 * j) - 0.6).nonzero()[0] + 1
    array([ 2,  5,  8, 10])
    """
    old, new, ratios = _read(calibration_scores, test_scores, weights, test_weights)
    one_of("pruning", pruning, PRUNINGS)
    one_of("ties", ties, TIES)
    check_seed(seed)
    fdr = check_fdr(fdr, one=True)
    if old.ndim == 1 and ratios is None and ties == "conservative":
        return core.select(old, new, fdr)
    return _rule(old.ndim, ratios, pruning, ties, seed).select(np.atleast_2d(old), np.atleast_2d(new), fdr).selected


def p_values_from_scores(
    calibration_scores: Any,
    test_scores: Any,
    weights: Any = None,
    test_weights: Any = None,
    *,
    ties: str = "conservative",
    seed: int = 0,
) -> np.ndarray:
    """Conformal p-values (m,) of new rows: whether their outcomes stay at or below their thresholds.

    Parameters
    ----------
    calibration_scores, test_scores, weights, test_weights, ties, seed
        As in `select_from_scores`, of one score.
    """
    old, new, ratios = _read(calibration_scores, test_scores, weights, test_weights)
    if old.ndim == 2:
        raise OptionError("p-values are of one score; give arrays of shape (n,) and (m,).")
    one_of("ties", ties, TIES)
    return core.p_values(old, new, *(ratios or ()), ties=core.tie_draws(new, ties, check_seed(seed)))


SelectionRule = core.Stepped | core.Reweighted | core.BestScore


def _rule(dimension: int, ratios: Any, pruning: str, ties: str, seed: int) -> SelectionRule:
    if dimension == 2:
        if ratios is not None or ties == "random":
            raise OptionError("weights= and ties='random' go with one score, not with a choice among several.")
        return core.BestScore(pruning, seed)
    return core.Stepped(ties, seed) if ratios is None else core.Reweighted(ratios[0], ratios[1], pruning, ties, seed)


def _read(old: Any, new: Any, weights: Any, own: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Scores, and density ratios of both samples or None."""
    found = _numbers("calibration_scores", old), _numbers("test_scores", new)
    if found[0].ndim not in (1, 2) or found[0].ndim != found[1].ndim or found[0].shape[:-1] != found[1].shape[:-1]:
        raise DataError(
            f"calibration_scores and test_scores have shapes {found[0].shape} and {found[1].shape}; give (n,) and (m,), or "
            "(K, n) and (K, m)."
        )
    if not found[0].size:
        raise DataError("calibration_scores is empty; at least one calibration row is needed.")
    if (weights is None) != (own is None):
        raise OptionError("weights= and test_weights= are needed together.")
    if weights is None:
        return found[0], found[1], None
    ratios = _numbers("weights", weights), _numbers("test_weights", own)
    for name, ratio, scores in zip(("weights", "test_weights"), ratios, found, strict=True):
        if ratio.shape != scores.shape[-1:]:
            raise DataError(f"{name} has shape {ratio.shape}; one per score, {scores.shape[-1:]}, is needed.")
        bad = ~((ratio > 0) & np.isfinite(ratio))
        if bad.any():
            raise DataError(f"{name} must be positive and finite; entry {int(np.argmax(bad))} is {ratio[bad][0]:g}.")
    return found[0], found[1], ratios


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds values that are no numbers.") from None
    # The least value is NaN where any is: one pass without an array of truth values.
    if found.size and np.isnan(found.min()):
        raise DataError(f"{name} holds {int(np.isnan(found).sum())} NaN (first at {int(np.argmax(np.isnan(found)))}).")
    return found
