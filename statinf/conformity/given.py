"""What a caller gives as arrays, for calibration rows and for new rows: density ratios and labels of groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError


def check_pairs(**pairs: tuple[Any, Any]) -> None:
    """Refuse an option for calibration rows without the same for new rows, or the reverse."""
    for name, (old, new) in pairs.items():
        if (old is None) != (new is None):
            raise OptionError(f"{name}= and new_{name}= are needed together.")


def density_ratios(weights: Any, new_weights: Any, n: int, m: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Density ratios of n calibration and m new rows; None where none are given.

    Raises
    ------
    DataError
        If there are not as many as rows, one is negative or not finite, or no calibration row has a positive one.
    """
    old, new = _ratios("weights", weights, n), _ratios("new_weights", new_weights, m)
    if old is not None and not (old > 0).any():
        raise DataError("weights are zero in every calibration row.")
    return old, new


def group_codes(groups: Any, new_groups: Any, n: int, m: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Group numbers of n calibration and m new rows, -1 where no calibration row has the label; None without groups.

    Raises
    ------
    DataError
        If there are not as many labels as rows, or one of a calibration row is missing.
    """
    if groups is None:
        return None, None
    old, new = np.asarray(groups, object), np.asarray(new_groups, object)
    for name, given, size in (("groups", old, n), ("new_groups", new, m)):
        if given.shape != (size,):
            raise DataError(f"{name} has shape {given.shape}; ({size},) is needed.")
    known = old.tolist()
    missing = [i for i, label in enumerate(known) if label is None or label != label]
    if missing:
        raise DataError(f"groups is missing in row {missing[0]}; leave that row out, or give it a label.")
    number = {label: code for code, label in enumerate(dict.fromkeys(known))}
    codes, new_codes = (np.array([number.get(label, -1) for label in part], np.intp) for part in (known, new.tolist()))
    return codes, new_codes


def _ratios(name: str, given: Any, n: int) -> np.ndarray | None:
    if given is None:
        return None
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} cannot be read as numbers.") from None
    if values.shape != (n,) or not np.isfinite(values).all() or (values < 0).any():
        raise DataError(f"{name} must be {n} finite numbers of at least zero.")
    return values
