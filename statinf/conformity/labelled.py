"""Row labels of a result that speaks of rows of a pandas frame: as they are while it lives, as an array in files."""

from __future__ import annotations

from typing import Any

import numpy as np


def row_labels(index: Any) -> np.ndarray | None:
    """Labels of rows (n,) as files hold them; None where rows are counted from zero."""
    if index is None or (index.dtype.kind in "iu" and np.array_equal(index, np.arange(len(index)))):
        return None
    return np.asarray(index, dtype=object)


def labels_of(index: Any, labels: np.ndarray | None) -> Any:
    """The caller's index, or what a file kept of it."""
    import pandas as pd

    return pd.Index(list(labels)) if index is None and labels is not None else index
