"""The wild bootstrap of linear regressions through sums of scores by cluster.

Cameron, Gelbach and Miller (2008) multiply the residuals of each cluster by one random number; with residuals of the fit on
which the null hypothesis is imposed (WCR) the test is far closer to its size than with those of the fit itself (WCU).
Bootstrap estimates, and the cluster sums of scores that their variance is made of, are linear in the random numbers, so
that all replicas come from one product of the matrix of random numbers (replicas, clusters) with small matrices: Roodman,
MacKinnon, Nielsen and Webb (2019), Stata Journal 19. The types "13", "31" and "33" are those of MacKinnon, Nielsen and Webb
(2023), Journal of Applied Econometrics 38: the first digit says what is done to a cluster's residuals u before they are
multiplied, the second what is done to them in the variance; 1 nothing, 2 (I - H)^-1/2 u, 3 (I - H)^-1 u, with H the block
of the cluster in the hat matrix. Rows are the clusters of the heteroskedastic wild bootstrap (Davidson and Flachaire 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.backend import cores, map_threads, over_hosts, rows_per_chunk
from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.inference.clusters import cluster_sums
from statinf.inference.inversion import NullDraws
from statinf.inference.moments import Moments
from statinf.inference.weights import BLOCK, draw
from statinf.numerics.linear.triangular import solve_triangular

_WHOLE = 1e-10
"""What is left of a direction below which a cluster alone determines it."""


@dataclass(frozen=True, repr=False)
class WildSums(Brief):
    """What the replicas of a wild bootstrap are made of, for m restrictions and G clusters.

    Attributes
    ----------
    gap : ndarray, shape (m,)
        Restricted combinations of the estimate less their values under the null hypothesis.
    directions : ndarray, shape (m, k)
        The restrictions in whitened coordinates.
    own : ndarray, shape (G, m)
        Shares of the clusters in the error of the estimate; their cross-product is its variance.
    scores : ndarray, shape (1 + m, G, k)
        Sums of whitened scores that are multiplied: those of the fit's residuals, and what a unit of each gap adds.
    shares : ndarray, shape (1 + m, G, m)
        The same in the directions, as the variance corrects them.
    couplings : ndarray, shape (G, k, m)
        How the error of a replica's estimate enters its clusters' shares.
    factor : float
        Small-sample factor of the variance.
    """

    gap: np.ndarray
    directions: np.ndarray
    own: np.ndarray
    scores: np.ndarray
    shares: np.ndarray
    couplings: np.ndarray
    factor: float = 1.0

    @property
    def clusters(self) -> int:
        return len(self.own)

    @property
    def variance(self) -> np.ndarray:
        """Variance of the restricted combinations, shape (m, m)."""
        return self.factor * self.own.T @ self.own


def wild_sums(
    moments: Moments,
    codes: np.ndarray | None,
    matrix: np.ndarray,
    values: np.ndarray,
    theta: np.ndarray,
    *,
    variant: str,
    restricted: bool,
) -> WildSums:
    """Sums by cluster behind a wild bootstrap.

    Parameters
    ----------
    moments : Moments
        Of a linear regression: columns, working weights, residuals and factor.
    codes : ndarray of int, shape (n,), or None
        Codes of the clusters without gaps on rows of positive weight; None for rows.
    matrix : ndarray, shape (m, k)
        Of full row rank.
    values : ndarray, shape (m,)
    theta : ndarray, shape (k,)
    variant : {"11", "12", "13", "21", ..., "33"}
    restricted : bool
        Whether the null hypothesis is imposed on the residuals.
    """
    assert moments.columns is not None and moments.working is not None and moments.residual is not None
    inverse = solve_triangular(moments.hat_factor, np.eye(moments.q))
    seen = slice(None) if moments.observed is None else moments.observed
    root = np.sqrt(moments.working[seen])
    whitened = (moments.columns[seen] @ inverse) * root[:, None]
    residual = moments.residual[seen] * root
    directions = matrix @ inverse
    gram = directions @ directions.T
    moved = np.linalg.solve(gram, directions).T
    """A unit of each gap moves the whitened coefficients, when the null hypothesis is imposed, by these (k, m)."""
    inside = whitened @ directions.T
    groups = np.arange(len(residual)) if codes is None else codes
    plain = _sums(whitened * residual[:, None], groups, codes)
    cross = np.stack([_sums(whitened * column[:, None], groups, codes) for column in inside.T], axis=2)
    """Sums of the products of whitened rows and their components along the directions, (G, k, m)."""
    if restricted:
        added = np.moveaxis(cross @ np.linalg.inv(gram), 2, 0)
    else:
        added = np.zeros((len(values), *plain.shape))
    scores = np.concatenate([plain[None], added])
    grams = None if variant == "11" else _grams(whitened, groups, codes)
    own = _corrected(plain[None], grams, variant[1], None) @ directions.T
    if variant[0] != "1":
        allowed = np.eye(moments.q) - moved @ directions if restricted else None
        scores = _corrected(scores, grams, variant[0], allowed)
    shares = _corrected(scores, grams, variant[1], None) @ directions.T
    couplings = cross if variant[1] == "1" else _corrected_couplings(cross, grams, variant[1])
    gap = matrix @ theta - values
    return WildSums(gap, directions, own[0], scores, shares, couplings)


def _sums(rows: np.ndarray, groups: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    return rows if codes is None else cluster_sums(rows, groups)


def _grams(whitened: np.ndarray, groups: np.ndarray, codes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (G, k) and eigenvectors (G, k, k) of each cluster's share in the whitened Gram matrix."""
    k = whitened.shape[1]
    if codes is None:  # rows: one eigenvalue, the leverage
        length = np.sqrt(np.einsum("ij,ij->i", whitened, whitened))
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.where(length[:, None] > 0, whitened / length[:, None], 0.0)
        return (length**2)[:, None], unit[:, :, None]
    order = np.argsort(groups, kind="stable")
    cuts = np.searchsorted(groups[order], np.arange(int(groups.max()) + 2))
    made = np.empty((len(cuts) - 1, k, k))
    for g in range(len(cuts) - 1):
        member = whitened[order[cuts[g] : cuts[g + 1]]]
        made[g] = member.T @ member
    return np.linalg.eigh(made)


def _corrected(
    scores: np.ndarray, grams: tuple[np.ndarray, np.ndarray] | None, digit: str, allowed: np.ndarray | None
) -> np.ndarray:
    """Cluster sums of whitened scores (c, G, k) whose residuals are corrected by the block of the cluster.

    With `allowed`, a projection (k, k), the hat matrix is that of the fit on which the null hypothesis is imposed.
    """
    if digit == "1" or grams is None:
        return scores
    values, vectors = grams
    if allowed is None:
        return _along(scores, vectors, _gains(values, digit) - 1.0) + scores
    # Residuals u become u + W g(W'W) W'u with W the cluster's whitened rows times the projection.
    rooted = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    inner = np.einsum("ij,gjr->gir", allowed, rooted)
    left, singular, _ = np.linalg.svd(inner, full_matrices=False)
    share = singular**2
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(share > _WHOLE, (_gains(share, digit) - 1.0) / share, 0.0)
    moved = _along(scores, left, gains)
    return scores + np.einsum("gir,gr,gjr,cgj->cgi", vectors, values, vectors, moved, optimize=True)


def _gains(share: np.ndarray, digit: str) -> np.ndarray:
    """(1 - share) to the power -1/2 or -1; zero where a cluster alone determines the direction."""
    left = 1.0 - share
    return np.where(left > _WHOLE, np.maximum(left, 1e-300) ** (-0.5 if digit == "2" else -1.0), 0.0)


def _along(scores: np.ndarray, vectors: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Components of (c, G, k) along each cluster's vectors (G, k, r), times gains (G, r)."""
    return np.einsum("gir,gr,gjr,cgj->cgi", vectors, gains, vectors, scores, optimize=True)


def _corrected_couplings(cross: np.ndarray, grams: tuple[np.ndarray, np.ndarray] | None, digit: str) -> np.ndarray:
    return np.moveaxis(_corrected(np.moveaxis(cross, 2, 0), grams, digit, None), 0, 2)


def multipliers(clusters: int, replicas: int, law: str, seed: int, start: int, stop: int, every: bool) -> np.ndarray:
    """Random numbers of some replicas, shape (stop - start, clusters); all sign changes in turn if `every`."""
    if not every:
        return draw("multiplier", clusters, start, min(stop, replicas), seed, law)
    numbers = np.arange(start, min(stop, replicas))[:, None]
    return 1.0 - 2.0 * ((numbers >> np.arange(clusters)) & 1)


def null_draws(sums: WildSums, replicas: int, law: str, seed: int, every: bool) -> NullDraws:
    """Draws of the t statistic of one restriction as functions of the null value."""
    direction, coupling = sums.directions[0], sums.couplings[:, :, 0]
    errors = sums.scores @ direction
    """What a unit of each cluster's random number adds to the estimate, (2, G)."""
    through = sums.scores @ coupling.T if sums.clusters <= 4 * len(direction) else None

    def run(start: int) -> np.ndarray:
        v = multipliers(sums.clusters, replicas, law, seed, start, start + size, every)
        top = v @ errors.T
        first, second = (
            v * sums.shares[c, :, 0] - (v @ through[c] if through is not None else (v @ sums.scores[c]) @ coupling.T)
            for c in range(2)
        )
        square = [_dots(first, first), 2.0 * _dots(first, second), _dots(second, second)]
        return np.column_stack([top, sums.factor * np.stack(square, axis=1)])

    size = _size(sums)
    made = _in_chunks(run, replicas, size, sums.clusters)
    return NullDraws(made[:, :2], made[:, 2:], float(np.sqrt(sums.variance[0, 0])))


def joint_draws(sums: WildSums, replicas: int, law: str, seed: int, every: bool) -> np.ndarray:
    """Draws of the Wald statistic of m restrictions at their null values, shape (replicas,)."""
    at = np.concatenate([[1.0], sums.gap])
    scores, shares = np.tensordot(at, sums.scores, 1), np.tensordot(at, sums.shares, 1)

    def run(start: int) -> np.ndarray:
        v = multipliers(sums.clusters, replicas, law, seed, start, start + size, every)
        moved = v @ scores
        units = v[:, :, None] * shares - np.einsum("bk,gkm->bgm", moved, sums.couplings, optimize=True)
        spread = sums.factor * np.einsum("bgi,bgj->bij", units, units, optimize=True)
        return quadratic(moved @ sums.directions.T, spread)[:, None]

    size = _size(sums)
    return _in_chunks(run, replicas, size, sums.clusters)[:, 0]


def quadratic(gap: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The form gap' spread^-1 gap of a stack, shape (b,); of a singular matrix by its pseudo-inverse."""
    try:
        solved = np.linalg.solve(spread, gap[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        solved = np.einsum("bij,bj->bi", np.linalg.pinv(spread, hermitian=True), gap)
    return _dots(gap, solved)


def check_rank(sums: WildSums, hypothesis: str) -> None:
    """Refuse restrictions that the clusters cannot test."""
    variance = sums.variance
    scale = np.sqrt(np.diag(variance))
    usable = np.isfinite(scale).all() and (scale > 0).all()
    if not usable or np.linalg.eigvalsh(variance / np.outer(scale, scale))[0] < 1e-10:
        raise NotIdentifiedError(
            f"the hypothesis '{hypothesis}' cannot be tested with {sums.clusters} clusters: the variance of its "
            f"{len(variance)} restrictions is singular."
        )


def _size(sums: WildSums) -> int:
    fitting = rows_per_chunk(40.0 * sums.clusters * len(sums.gap), 64 * 2**20, at_most=32 * BLOCK)
    return max(BLOCK, fitting // BLOCK * BLOCK)


def _in_chunks(run: Callable[[int], np.ndarray], replicas: int, size: int, clusters: int) -> np.ndarray:
    def some(own: Sequence[int]) -> np.ndarray:
        return np.concatenate(map_threads(run, own, parallel=cores() > 1 and replicas * clusters > 1 << 20))

    return over_hosts(some, range(0, replicas, size), same=(replicas, clusters))


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)
