"""Groups that a caller gives as labels of rows, in place of a formula's second part."""

from __future__ import annotations

from typing import Any

import numpy as np


def group_codes(groups: Any, new_groups: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Group numbers of calibration rows and of new rows, -1 where no calibration row has the label."""
    if groups is None:
        return None, None
    labels, codes = np.unique(np.asarray(groups), return_inverse=True)
    new = np.asarray(new_groups)
    at = np.clip(np.searchsorted(labels, new), 0, len(labels) - 1)
    return codes, np.where(labels[at] == new, at, -1)
