"""The arms of a treatment, as every verb of effects reads them, and the refusal of what is no arm."""

from __future__ import annotations

import numpy as np

from statinf.errors import DataError
from statinf.formula.treatment import MOST_NUMBERS, Arms, arms_of, plain_name, shown_level

__all__ = ["MOST_NUMBERS", "Arms", "arms_of", "not_arms", "plain_name", "shown_level"]


def not_arms(arms: Arms | None, values: np.ndarray, name: str, *, several: bool) -> DataError:
    """The error of a treatment that a method of two arms, or of `several`, cannot take."""
    levels = np.unique(values).tolist() if arms is None else list(arms.levels)
    shown = ", ".join(shown_level(v) for v in levels[:6])
    more = ", ..." if len(levels) > 6 else ""
    needs = f"arms: labels, at most {MOST_NUMBERS} numbers, or C({name})" if several else "two arms"
    return DataError(
        f"the treatment '{name}' has {len(levels)} values ({shown}{more}); this method needs {needs}. Use "
        "si.effect(method='plr') for a numeric treatment with many values, or compare two of them."
    )
