"""Small symmetric matrices: inverses that survive bad scaling, quadratic forms of many rows."""

from __future__ import annotations

import numpy as np


def quadratic_forms(z: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``z_i' matrix z_i`` for every row, shape (n,)."""
    return np.einsum("ij,ij->i", z @ matrix, z)


def symmetric_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive semidefinite matrix, scaled to a unit diagonal first; pseudo-inverse if singular."""
    d = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.linalg.pinv(matrix / np.outer(d, d), rcond=1e-12, hermitian=True) / np.outer(d, d)
