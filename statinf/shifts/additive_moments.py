"""The penalised fit of an additive regression as estimating equations: errors of its coefficients and of its means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.linear.triangular import solve_triangular
from statinf.numerics.smoothing.penalised import Penalised
from statinf.results import stack_scores
from statinf.results.clusters import fit_clusters


@dataclass(frozen=True, repr=False)
class Columns(Brief):
    """Both blocks about their means over the source, the flexible one first and in units of its own.

    Attributes
    ----------
    values : ndarray, shape (n, p)
    centre, scale : ndarray, shape (p,)
    flexible : int
        How many of them are flexible.
    names : tuple of str
    """

    values: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    flexible: int
    names: tuple[str, ...]

    def of(self, flexible: np.ndarray, simple: np.ndarray) -> np.ndarray:
        """The same columns of other rows, shape (m, p)."""
        return (np.column_stack([flexible, simple]) - self.centre) / self.scale


@dataclass(frozen=True, repr=False)
class AdditiveSolution(Brief):
    """The penalised fit with what its inference is made of.

    Attributes
    ----------
    columns : Columns
    fit : Penalised
    ridge : ndarray, shape (p,)
    residual : ndarray, shape (n,)
    weights : ndarray, shape (n,)
    dispersion : float
    df_resid : float
    nobs : int
    """

    columns: Columns
    fit: Penalised
    ridge: np.ndarray
    residual: np.ndarray
    weights: np.ndarray
    dispersion: float
    df_resid: float
    nobs: int

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    @property
    def inverse(self) -> np.ndarray:
        """R^-1, shape (p, p)."""
        return solve_triangular(self.fit.factor, np.eye(len(self.ridge)))


def joint_moments(made: Design, solved: AdditiveSolution) -> Moments:
    """Of the level and of R times the coefficients of all columns: what the estimating equations R^-1 make of each row.

    A row's equation holds its share of the penalty, so that they sum to zero.
    """
    inverse, p = solved.inverse, len(solved.ridge)
    unit = np.empty((len(solved.residual), p + 1))
    unit[:, 0] = solved.residual
    unit[:, 1:] = (solved.columns.values * solved.residual[:, None] - solved.ridge * solved.fit.coef) @ inverse
    bread = np.zeros((p + 1, p + 1))
    bread[0, 0], bread[1:, 1:] = 1.0 / solved.total, inverse
    model = np.zeros((p + 1, p + 1))
    model[0, 0] = solved.dispersion / solved.total
    pulled = np.sqrt(solved.total * solved.ridge)[:, None] * inverse @ inverse.T
    model[1:, 1:] = solved.dispersion * (inverse @ inverse.T - pulled.T @ pulled)
    return Moments(
        unit * solved.weights[:, None], bread, solved.nobs, solved.df_resid, model, present=solved.weights > 0,
        **stack_scores(made.weights_object, made.rows, unit),
    )  # fmt: skip


def simple_moments(made: Design, solved: AdditiveSolution) -> Moments:
    """Of the coefficients of the simple block."""
    joint, k = joint_moments(made, solved), solved.columns.flexible
    q, at = len(solved.ridge) - k + 1, np.r_[0, np.arange(k + 1, len(solved.ridge) + 1)]
    # From the level and the centred columns in their units to the constant and the columns as they are.
    carry = np.eye(q)
    carry[1:] /= np.r_[1.0, solved.columns.scale[k:]][:, None][1:]
    carry[0, 1:] = -(solved.columns.centre[k:] / solved.columns.scale[k:])
    bread = np.zeros((q, q))
    bread[0, 0], bread[1:, 1:] = 1.0 / solved.total, solved.inverse[k:, k:]
    assert joint.model is not None
    picked: dict[str, Any] = {
        name: None if (value := getattr(joint, name)) is None else value[:, at] for name in ("adjustment", "outside")
    }
    return Moments(
        joint.scores[:, at], carry @ bread, joint.nobs, joint.df_resid, carry @ joint.model[np.ix_(at, at)] @ carry.T,
        outside_rows=joint.outside_rows, weight_leverage=joint.weight_leverage, weights_fixed=joint.weights_fixed,
        present=joint.present, **picked,
    )  # fmt: skip


def joint_covariance(made: Design, solved: AdditiveSolution, kind: Any) -> np.ndarray:
    """Covariance of the level and of all coefficients in their units, shape (p + 1, p + 1), with what the penalty may bias.

    To the sandwich is added the second moment of the penalty's bias under the law of coefficients whose mode the fit is
    (Nychka 1988, JASA 83; Marra and Wood 2012, Scandinavian Journal of Statistics 39).
    """
    found: Covariance = covariance(joint_moments(made, solved), kind, fit_clusters(made, kind))
    inverse = solved.inverse
    pulled = np.sqrt(solved.total * solved.ridge)[:, None] * inverse @ inverse.T
    matrix = np.array(found.matrix)
    matrix[1:, 1:] += solved.dispersion * (pulled.T @ pulled)
    return matrix
