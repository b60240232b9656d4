"""Covariances, scores and rank limits of solved quantile regressions, by the name asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import block_diag

from statinf.errors import NotIdentifiedError, NumericalWarning, issue_warning
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import t_quantile
from statinf.inference.moments import Moments
from statinf.inference.roots import matrix_root
from statinf.inference.sandwich import covariance
from statinf.inference.vcov import VcovKinds
from statinf.numerics.linear.products import gram
from statinf.quantile.covariance import inverse_hessians, joint_covariance
from statinf.quantile.rank_inversion import rank_intervals
from statinf.quantile.working import SolvedQuantiles
from statinf.results import stack_scores
from statinf.results.clusters import fit_clusters

if TYPE_CHECKING:
    from statinf.quantile.fit import QuantileFit

KINDS = VcovKinds(
    default="nid",
    names=("iid", "nid", "ker", "rank", "rank-nid", "fixed"),
    robust="nid",
    stacked="nid",
    clustered=("HC0", "HC1"),
    cluster_type="HC0",
    structured={"boot": ("replicas", "seed", "cluster")},
    shorthand={"boot": {"boot": "pairs"}},
)
DENSITIES = ("nid", "ker", "uniform", "iid")
_DENSITY = {"rank": "iid", "rank-nid": "nid", "fixed": "nid"}
_MANY_RANK_ROWS = 5000
_EXACT = 1e-12


def density(solved: SolvedQuantiles, kind: str) -> tuple[np.ndarray, str]:
    """Inverse Hessians of the coefficients of Z by the densities of `kind`, or of the first kind that exists.

    Returns
    -------
    inverse : ndarray, shape (k, p, p)
    kind : str
        Which densities they are.
    """
    for one in dict.fromkeys((kind, *DENSITIES)):
        try:
            return _hessians(solved, one, quiet=one != kind), one
        except NotIdentifiedError:
            continue
    raise NotIdentifiedError(
        "no estimate of the outcome's density exists (many equal outcomes, or rows fitted exactly); use vcov='boot', "
        "which needs none."
    )


def _hessians(solved: SolvedQuantiles, kind: str, *, quiet: bool = False) -> np.ndarray:
    rows = solved.rows
    return inverse_hessians(rows.Zw, rows.yw, solved.tau, rows.coef, kind, solved.rule, quiet=quiet)


def covariance_of(solved: SolvedQuantiles, kind: Any) -> Covariance:
    """The covariance of the coefficients of all levels by its normal form.

    Raises
    ------
    NotIdentifiedError
        If it does not exist.
    """
    solved = replace(solved)  # whose rows are held no longer than the call
    rows = solved.rows
    if (
        kind == "none"
        or len(rows.y) <= rows.Z.shape[1]
        or not (solved.objective > _EXACT * np.abs(rows.yw).sum()).all()
    ):
        nothing = np.full((rows.coef.size, rows.coef.size), np.nan)
        if kind != "none":
            issue_warning("the rows are fitted exactly: the coefficients have no standard errors.", NumericalWarning)
        return Covariance(nothing, kind, "none: exact fit", solved.df_resid)
    if isinstance(kind, dict):
        return _clustered(solved, kind)
    name = str(_DENSITY.get(kind, kind))
    limits = "; limits by inversion of rank tests" if kind in ("rank", "rank-nid") else ""
    estimated = getattr(solved.design.weights_object, "derivative", None) is not None
    try:
        inverse = _hessians(solved, name)
    except NotIdentifiedError:
        if not limits:
            raise
        nothing = np.full((rows.coef.size, rows.coef.size), np.nan)
        return Covariance(nothing, kind, f"none ({name} does not exist){limits}", solved.df_resid)
    if estimated and kind in ("nid", "ker"):
        stacked = covariance(_moments(solved, inverse), "HC0")
        return replace(stacked, kind=kind, label=f"{kind}, weights estimated", df=solved.df_resid)
    inner = joint_covariance(solved.tau, inverse, gram(rows.Zw))
    label = name + limits + (", weights taken as fixed" if solved.design.weights_object is not None else "")
    root = rows.carried_root(matrix_root(inner))
    return Covariance(rows.carried_covariance(inner), kind, label, solved.df_resid, root)


def _clustered(solved: SolvedQuantiles, kind: dict[str, Any]) -> Covariance:
    clusters = fit_clusters(solved.design, kind)
    out = covariance(_moments(solved, _hessians(solved, "uniform")), kind, clusters)
    return replace(out, label=f"{out.label.replace(' (HC0)', '')}, kernel density")


def moments_of(solved: SolvedQuantiles, kind: str = "nid", *, always: bool = False) -> Moments:
    """Scores w (tau - 1{r < 0}) x of all levels and their inverse Hessians.

    Parameters
    ----------
    solved : SolvedQuantiles
    kind : {"nid", "ker", "uniform", "iid"}
        Of the densities; where it does not exist, the first of these that does.
    always : bool
        NaN where none exists, for refits that ask for the scores' shape and skewness alone.
    """
    solved = replace(solved)  # whose rows are held no longer than the call
    try:
        inverse = density(solved, kind)[0]
    except NotIdentifiedError:
        if not always:
            raise
        inverse = np.full((len(solved.tau), *2 * solved.rows.Z.shape[1:]), np.nan)
    return _moments(solved, inverse)


def _moments(solved: SolvedQuantiles, inverse: np.ndarray) -> Moments:
    """The moments of the regressors' coefficients, from inverse Hessians of those of Z."""
    made, rows = solved.design, solved.rows
    X = made.parts[0].values[:, ~np.isnan(solved.coef[0])]
    psi = np.zeros((len(solved.tau), made.n))
    psi[:, rows.used] = solved.psi
    plain = np.concatenate([one[:, None] * X for one in psi], axis=1)
    stacked = {} if made.weights_object is None else stack_scores(made.weights_object, made.rows, plain)
    bread = rows.carried_covariance(block_diag(*inverse))
    model = rows.carried_covariance(joint_covariance(solved.tau, inverse, gram(rows.Zw)))
    factor = None
    if np.isfinite(inverse).all():
        forward = np.eye(X.shape[1]) if rows.at is None else rows.at.forward
        factor = block_diag(*(_triangle(block, forward) for block in inverse))
    return Moments(
        plain * made.weights[:, None],
        bread,
        len(rows.y),
        solved.df_resid,
        model,
        factor=factor,
        present=made.weights > 0,
        **stacked,
    )


def _triangle(inverse: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Upper triangular R with (R'R)^-1 the inverse Hessian carried to the regressors."""
    half = np.linalg.cholesky(np.linalg.inv(inverse)).T @ forward
    return np.asarray(np.linalg.qr(half, mode="r"))


def rank_limits(fit: QuantileFit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of all coefficients by inversion of rank tests, with Student's t as the reference."""
    rows = fit.solved("rank intervals").rows
    if len(rows.y) > _MANY_RANK_ROWS:
        issue_warning(
            f"rank inversion walks through of the order of the square root of n = {len(rows.y)} vertices a coefficient; "
            "vcov='nid' is close to it in large samples and immediate.",
            NumericalWarning,
        )
    critical = float(t_quantile(0.5 + level / 2, fit.df_resid))
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    iid = fit.cov.kind == "rank"
    found = np.stack([rank_intervals(rows.Zw, rows.yw, t, critical, iid=iid, functionals=rows.back) for t in fit.tau])
    if rows.at is not None:
        found = found + (rows.level * rows.at.unit)[:, None]
    low[fit.estimable], high[fit.estimable] = found.reshape(-1, 2).T
    return low, high
