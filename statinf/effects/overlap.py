"""Overlap: propensities away from 0 and 1, with a word where many are not."""

from __future__ import annotations

from numbers import Real

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, StatinfWarning, issue_warning


class OverlapWarning(StatinfWarning):
    """Propensities close to 0 or 1: some rows have no counterpart in the other arm."""


def clipped(
    values: np.ndarray, rows: np.ndarray, clip: float, w: np.ndarray, *, estimand: str = "ATE"
) -> tuple[np.ndarray, int]:
    """Propensities moved into [clip, 1 - clip], with the number of rows moved and a warning if they are many.

    Parameters
    ----------
    values : ndarray, shape (n,)
    rows : ndarray of int, shape (n,)
        Row numbers in the caller's frame, for messages.
    clip : float
    w : ndarray, shape (n,)
    estimand : {"ATE", "ATT", "ATC", "ATO"}
        The ATT divides by 1 - e alone and the ATC by e alone: only that end is moved. The ATO divides by neither.

    Raises
    ------
    NotIdentifiedError
        If more than half of the rows lie outside: there is no overlap to speak of.
    """
    if isinstance(clip, bool) or not isinstance(clip, Real) or not 0.0 <= clip < 0.5:
        raise OptionError(f"clip={clip!r} must be a number of at least 0 and below 0.5.")
    low = clip if estimand in ("ATE", "ATC") else 0.0
    high = 1.0 - clip if estimand in ("ATE", "ATT") else 1.0
    outside = ((values < low) | (values > high)) & (w > 0)
    count = count_clipped(outside, rows, w, f"a propensity outside [{low:g}, {high:g}]")
    return np.clip(values, low, high) if count else values, count


def count_clipped(outside: np.ndarray, rows: np.ndarray, w: np.ndarray, what: str) -> int:
    """The number of rows (n,) whose propensities are to be moved, with a warning if they are many.

    Raises
    ------
    NotIdentifiedError
        If they are more than half of those used.
    """
    count, used = int(outside.sum()), int((w > 0).sum())
    shown = ", ".join(map(str, rows[outside][:5].tolist()))
    text = f"{count} of {used} rows ({100 * count / used:.1f}%; first: {shown}) have {what}"
    if count > 0.5 * used:
        raise NotIdentifiedError(
            f"no overlap: {text}. Restrict the sample to where both arms occur, drop the covariates that decide the "
            "treatment, or lower clip."
        )
    if count > 0.05 * used:
        issue_warning(f"weak overlap: {text} and were moved to its ends.", OverlapWarning)
    return count
