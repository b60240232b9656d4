"""Covariances of combinations of scores whose sums blocks of rows have given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance


@dataclass(frozen=True, eq=False)
class InDirections:
    """From linear combinations (m, q) of whitened scores to their covariance, shape (m, m).

    Attributes
    ----------
    kind : str or mapping
    nobs : int
    df_resid : float
    normal : bool
    whole : Covariance or None
        Of all whitened scores.
    cells : ndarray, shape (cells, q)
        Sums of the scores of rows that are in the same clusters, where there is no `whole`.
    codes : mapping of str to ndarray of int, shape (cells,)
    """

    kind: Any
    nobs: int
    df_resid: float
    normal: bool
    whole: Covariance | None
    cells: np.ndarray | None = None
    codes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __call__(self, combinations: np.ndarray) -> Covariance:
        if self.whole is not None:
            return self.whole.combined(combinations)
        assert self.cells is not None
        sums = self.cells @ combinations.T
        present = np.ones(len(sums), bool)
        moments = Moments(sums, np.eye(len(combinations)), self.nobs, self.df_resid, present=present)
        return covariance(moments, self.kind, self.codes, normal=self.normal)
