"""Covariances of quantile regression coefficients: iid, nid, ker and clustered, joint over levels.

The limit is (min(t, s) - t s) H_t^{-1} J H_s^{-1} with J = sum w^2 x x' and H_t = sum w f_t x x', f_t the
conditional density at the quantile. The kinds differ in how they estimate H:
iid, one density from Siddiqui's sparsity (Koenker and Bassett 1978); nid, difference quotients of two
neighbouring fits (Hendricks and Koenker 1991); ker, a Gaussian kernel in the residuals (Powell 1991);
clusters, a uniform kernel in the residuals (Parente and Santos Silva 2016). Conventions are those of
`summary.rq` in R's quantreg: weighted rows and responses enter every formula multiplied by their weight.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import ConvergenceError, NotIdentifiedError, NumericalWarning, issue_warning, one_of
from statinf.numerics.linear.products import row_products, weighted_gram
from statinf.numerics.quantreg.bandwidth import bandwidth, inside, kernel_densities
from statinf.numerics.quantreg.classic import barrodale_roberts
from statinf.numerics.quantreg.solver import solve_quantiles

KINDS = ("iid", "nid", "ker", "uniform")
_SMALL_SPREAD = np.finfo(float).eps ** 0.5
_SMALL_SHARE = 1e-5
_ZERO = 1e-12
_MANY = 1 << 17


def inverse_hessians(
    X: np.ndarray,
    y: np.ndarray,
    tau: np.ndarray,
    coef: np.ndarray,
    kind: str,
    rule: str = "hall-sheather",
    *,
    quiet: bool = False,
) -> np.ndarray:
    """H^{-1} for each level.

    Parameters
    ----------
    X, y : (n, p), (n,)
        Rows and responses multiplied by their weights.
    tau : (k,)
    coef : (k, p)
    kind : {"iid", "nid", "ker", "uniform"}
    rule : {"hall-sheather", "bofinger"}
    quiet : bool
        Leave the warning of densities that are not positive out.

    Returns
    -------
    ndarray, shape (k, p, p)

    Raises
    ------
    NotIdentifiedError
        If a density estimate is zero in a direction of the regressors.
    """
    one_of("kind", kind, KINDS)
    n, p = X.shape
    tiny = _ZERO * max(float(y.max()), -float(y.min()), 1e-300)
    residuals = np.empty((0, n)) if kind == "nid" else _residuals(X, y, coef, tiny)
    if n <= p or not (_any_residual(X, y, coef, tiny) if kind == "nid" else residuals.any(axis=1).all()):
        raise NotIdentifiedError(
            "the rows are fitted exactly, so that there is no density to estimate standard errors from."
        )
    if kind == "iid":
        gram = np.linalg.inv(X.T @ X)
        return np.stack([sparsity(r, t, p, rule) * gram for r, t in zip(residuals, tau, strict=True)])
    if kind == "nid":
        densities = difference_densities(X, y, tau, rule, quiet=quiet, near=coef)
    else:
        densities = np.stack([kernel_densities(r, t, rule, kind) for r, t in zip(residuals, tau, strict=True)])
    out = np.empty((len(tau), p, p))
    for k, f in enumerate(densities):
        H = weighted_gram(X, f)
        if not np.isfinite(H).all() or np.linalg.matrix_rank(H) < p:
            raise NotIdentifiedError(
                f"the {kind} density estimate at tau={tau[k]:g} vanishes in some direction of the regressors; "
                "use a bootstrap, or a level further inside."
            )
        out[k] = np.linalg.inv(H)
    return out


def _residuals(X: np.ndarray, y: np.ndarray, coef: np.ndarray, tiny: float) -> np.ndarray:
    """Residuals of every level (k, n); zero where they are rounding."""
    residuals = y - coef @ X.T
    residuals[np.abs(residuals) < tiny] = 0.0
    return residuals


def _any_residual(X: np.ndarray, y: np.ndarray, coef: np.ndarray, tiny: float) -> bool:
    """Whether every level has a residual that is not rounding, which the first rows show where there are many."""
    some = slice(0, 4 * coef.shape[1] + 1000)
    return bool(_residuals(X[some], y[some], coef, tiny).any(axis=1).all()) or bool(
        _residuals(X, y, coef, tiny).any(axis=1).all()
    )


def sparsity(residual: np.ndarray, tau: float, p: int, rule: str = "hall-sheather") -> float:
    """Slope of the residuals' quantile function at `tau`: a median regression on the ranks around zero."""
    n = len(residual)
    zeros = int((residual == 0).sum())
    h = max(p + 1, int(np.ceil(n * bandwidth(n, tau, rule))))
    position = np.arange(zeros, min(h + zeros + 1, n))
    if len(position) < 2:
        raise NotIdentifiedError(f"too few residuals at tau={tau:g} differ from zero to estimate their sparsity.")
    near = np.sort(residual[np.argsort(np.abs(residual), kind="stable")][position])
    line = np.column_stack([np.ones(len(position)), (position + 1) / (n - p)])
    return float(barrodale_roberts(line, near, 0.5)[1])


def difference_densities(
    X: np.ndarray,
    y: np.ndarray,
    tau: np.ndarray,
    rule: str = "hall-sheather",
    floor: float = _SMALL_SPREAD,
    halve: bool = True,
    quiet: bool = False,
    near: np.ndarray | None = None,
) -> np.ndarray:
    """2h over the distance of the fits at tau + h and tau - h, zero where they cross; shape (k, n).

    With many rows the search for these fits begins at those at tau, `near` (k, p), which are not far then.

    Raises
    ------
    NotIdentifiedError
        If one of these fits has no certified solution.
    """
    n = len(X)
    h = np.array([bandwidth(n, t, rule) for t in tau])
    if halve:
        h = np.array([inside(t, s) for t, s in zip(tau, h, strict=True)])
    try:
        start = None if near is None or n < _MANY else np.concatenate([near, near])
        ends = solve_quantiles(X, y, np.concatenate([tau - h, tau + h]), start=start).coef
    except ConvergenceError:
        raise NotIdentifiedError(
            "the fits at neighbouring levels, from which nid takes densities, do not exist."
        ) from None
    distance = row_products(X, (ends[len(tau) :] - ends[: len(tau)]).T).T
    # The constant that R takes off every distance must not matter for outcomes of small numbers.
    densities, crossing, meeting, enough = _per_distance(distance, h, np.full(len(tau), floor), floor / _SMALL_SHARE)
    if (enough <= n // 2).any():
        least = np.minimum(floor, _SMALL_SHARE * np.median(np.abs(distance), axis=1))
        densities, crossing, meeting, _ = _per_distance(distance, h, least, 0.0)
    if not quiet:
        warn_not_positive(crossing, meeting, X.shape[1], n, tau)
    return densities


def warn_not_positive(crossing: np.ndarray, meeting: np.ndarray, p: int, n: int, tau: np.ndarray) -> None:
    """One warning of levels (k,) whose neighbouring fits cross at some rows, or meet at more than p.

    As many rows as there are coefficients may lie on both fits, whose distance there is rounding: nothing is wrong with those.
    """
    told = crossing + np.where(meeting > p, meeting, 0)
    if told.any():
        worst = int(np.argmax(told))
        issue_warning(
            f"{told[worst]} of {n} conditional densities at tau={tau[worst]:g} are not positive and count as zero "
            "in the nid standard errors.",
            NumericalWarning,
        )


def _per_distance(
    distance: np.ndarray, h: np.ndarray, less: np.ndarray, mark: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """2h over distances (k, n) less a constant, zero where that is not positive.

    Beside them how many distances are negative, zero (both by more, or no more, than that constant), or above a mark.
    """
    out = np.empty_like(distance)

    def block(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = distance[:, rows]
        gap = part - less[:, None]
        near = gap > 0
        out[:, rows] = np.where(near, 2 * h[:, None] / np.where(near, gap, 1.0), 0.0)
        crossing = np.count_nonzero(part < -less[:, None], axis=1)
        meeting = part.shape[1] - np.count_nonzero(near, axis=1) - crossing
        return crossing, meeting, np.count_nonzero(part > mark, axis=1)

    counts = map_threads(block, row_blocks(distance.shape[1], 4 * len(h)), parallel=distance.size > _MANY)
    crossing, meeting, enough = (np.sum(one, axis=0) for one in zip(*counts, strict=True))
    return out, crossing, meeting, enough


def joint_covariance(tau: np.ndarray, inverse: np.ndarray, meat: np.ndarray) -> np.ndarray:
    """Covariance of the stacked coefficients of all levels, shape (k p, k p), levels slowest."""
    k, p, _ = inverse.shape
    brownian = np.minimum.outer(tau, tau) - np.outer(tau, tau)
    blocks = np.einsum("kl,kij,jm,lmn->kiln", brownian, inverse, meat, inverse, optimize=True)
    return blocks.reshape(k * p, k * p)
