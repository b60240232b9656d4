"""Covariances of functions of estimates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.inference.covariance import Covariance, delta_label


def delta(cov: Covariance, jacobian: np.ndarray) -> Covariance:
    """The covariance of functions of estimates, from their derivatives."""
    label = delta_label(cov.label)
    if not np.isfinite(cov.matrix).all():
        return Covariance(np.full((len(jacobian), len(jacobian)), np.nan), cov.kind, label, cov.df)
    made = cov.combined(jacobian)
    root = made.root
    return replace(made, matrix=root @ root.T, label=label)
