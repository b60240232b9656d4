"""Two-sample distances in reproducing kernel spaces and their permutation law.

Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012, Journal of Machine Learning Research 13) for the maximum mean
discrepancy; Szekely and Rizzo (2013, Journal of Statistical Planning and Inference 143) for the energy distance. Both are
quadratic forms u'Ku in the signed row masses u (1/n on one sample, -1/m on the other), so that all permutations are one
product of the matrix K, or of a factor of it, with the matrix of permuted masses. Permutation p-values are exact.

Rows of unequal weight are not exchangeable between the samples, even where the weighted laws are the same. Their law under
equal weighted laws is that of the centred masses times random signs (the wild bootstrap of degenerate V-statistics, Chwialkowski,
Sejdinovic and Gretton 2014, arXiv 1408.5404), right for many independent rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from statinf.backend import chunks, generator, host_number, on_devices, over_hosts, progress_bar, rows_per_chunk
from statinf.numerics.kernels import on_devices as devices
from statinf.numerics.kernels.distances import distances
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.shifts.kernels import rbf

FACTOR_BYTES = 2**30
MAX_RANK = 1500
LARGE = 30_000
"""Rows beyond which the full matrix is too costly, so that a coarser factor stands in for it where none is exact."""


def masses(n: int, m: int, permutations: int, seed: int, start: int = 0) -> np.ndarray:
    """Signed masses of permuted samples, shape (permutations, n + m); each permutation has its own stream."""
    out = np.full((permutations, n + m), -1.0 / m)
    for i in range(permutations):
        out[i, generator(seed, 11, start + i).permutation(n + m)[:n]] = 1.0 / n
    return out


def observed_mass(first: np.ndarray) -> np.ndarray:
    """Signed masses of the samples as they are, shape (1, N), from which rows are the first sample's."""
    n = int(np.count_nonzero(first))
    return np.where(first, 1.0 / n, -1.0 / (len(first) - n))[None]


def weighted_mass(first: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Signed masses (1, N) of samples whose rows have shares (N,), which sum to one in either sample."""
    return np.where(first, share, -share)[None]


def signed_masses(first: np.ndarray, share: np.ndarray, draws: int, seed: int, start: int = 0) -> np.ndarray:
    """Masses with random signs, centred in either sample, shape (draws, N); each draw has its own stream."""
    out = np.empty((draws, len(first)))
    for i in range(draws):
        out[i] = generator(seed, 13, start + i).integers(0, 2, len(first)) * 2.0 - 1.0
    for sample in (first, ~first):
        part = share[sample]
        # With its own mean taken off, a draw of few rows varies too little: by one less the sum of squared shares.
        lost = max(1.0 - float(part @ part), 1e-12)
        out[:, sample] = (out[:, sample] - (out[:, sample] @ part)[:, None]) * part / lost**0.5
    return out


def mmd(
    x: np.ndarray,
    first: np.ndarray,
    bandwidth: float,
    permutations: int,
    seed: int,
    show: bool | None,
    share: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Biased squared maximum mean discrepancy with a Gaussian kernel, observed and permuted.

    Parameters
    ----------
    x : ndarray, shape (N, p)
        Rows of both samples.
    first : ndarray of bool, shape (N,)
        Which rows are the first sample's.
    bandwidth : float
    permutations, seed : int
    show : bool, optional
        Progress bar.
    share : ndarray, shape (N,), optional
        Weights of the rows, which sum to one in either sample: random signs take the place of permutations.

    Returns
    -------
    observed : float
    null : ndarray, shape (permutations,)
    """
    factor = _factor(x, bandwidth)
    if factor is not None:

        def forms(u: np.ndarray) -> np.ndarray:
            return devices.squared_lengths(u, factor) if on_devices() else ((u @ factor) ** 2).sum(axis=1)

    else:

        def forms(u: np.ndarray) -> np.ndarray:
            if on_devices():
                return devices.quadratic_forms(x, u, "gaussian", 2.0 * bandwidth**2)
            return _by_blocks(x, u, lambda a, b: rbf(a, b, bandwidth))

    return _permuted(forms, first, permutations, seed, show, share)


def _factor(x: np.ndarray, bandwidth: float) -> np.ndarray | None:
    """A factor of the kernel matrix where that is cheaper than the matrix.

    The permutation test is exact with any kernel, the one that a coarse factor defines included; for large samples the
    statistic is then that of the Gaussian kernel up to the tolerance.
    """
    total = len(x)
    rank = min(total, max(200, min(MAX_RANK, total // 16)), int(FACTOR_BYTES // (8 * total)))
    for tolerance in (1e-12,) if total <= LARGE else (1e-12, 1e-6, 1e-3):
        found = pivoted_cholesky(
            lambda at: rbf(x, x[at], bandwidth), np.ones(total), tol=tolerance, max_rank=rank, block=64
        )
        if found is not None:
            return found
    return None


def energy(
    x: np.ndarray,
    first: np.ndarray,
    permutations: int,
    seed: int,
    show: bool | None,
    share: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Energy distance ``2 E|X - Y| - E|X - X'| - E|Y - Y'|``, observed and permuted; arguments as in `mmd`."""

    def forms(u: np.ndarray) -> np.ndarray:
        return -(devices.quadratic_forms(x, u, "distance") if on_devices() else _by_blocks(x, u, distances))

    return _permuted(forms, first, permutations, seed, show, share)


def unbiased(value: float, n: int, m: int, within: tuple[float, float]) -> float:
    """The U-statistic of a squared discrepancy from its V-statistic.

    Parameters
    ----------
    value : float
    n, m : int
    within : (float, float)
        Mean of the kernel within either sample, diagonal included; the diagonal is one.
    """
    a, b = within
    return value - (1.0 - a) / (n - 1) - (1.0 - b) / (m - 1)


def p_value(observed: float, null: np.ndarray) -> float:
    """Share of permutations at least as large, the observed one counted among them."""
    # Equal partitions give equal statistics up to rounding; they must not count as smaller.
    slack = 1e-10 * max(abs(observed), float(np.abs(null).max(initial=0.0)))
    return float((1 + np.count_nonzero(null >= observed - slack)) / (len(null) + 1))


def _permuted(
    forms: Callable[[np.ndarray], np.ndarray],
    first: np.ndarray,
    permutations: int,
    seed: int,
    show: bool | None,
    share: np.ndarray | None,
) -> tuple[float, np.ndarray]:
    n = int(np.count_nonzero(first))
    own = observed_mass(first) if share is None else weighted_mass(first, share)
    # Every batch passes over K once: batches are as large as memory allows. The observed masses are the first of all.
    size = rows_per_chunk(8.0 * len(first) * 2, 2.0**30)
    size = min(size, -(-(permutations + 1) // host_number()[1]))

    def made(batch: slice) -> np.ndarray:
        start, stop = max(batch.start - 1, 0), batch.stop - 1
        if share is None:
            u = masses(n, len(first) - n, stop - start, seed, start)
        else:
            u = signed_masses(first, share, stop - start, seed, start)
        return forms(np.concatenate([own, u]) if batch.start == 0 else u)

    def some(part: Sequence[slice]) -> np.ndarray:
        return np.concatenate([made(b) for b in progress_bar(part, total=len(part), label="permutations", show=show)])

    found = over_hosts(some, list(chunks(permutations + 1, size)), same=(len(first), n, permutations, seed % 2**31))
    return float(found[0]), found[1:]


def _by_blocks(x: np.ndarray, u: np.ndarray, kernel: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """``u_b' K u_b`` for every row of u; K is symmetric, so that blocks above the diagonal count twice."""
    out = np.zeros(len(u))
    blocks = list(_upper_blocks(len(x), max(256, int((2.0**26 / 8) ** 0.5))))
    for rows, columns in progress_bar(blocks, label="blocks of the kernel"):
        inner = u[:, rows] @ kernel(x[rows], x[columns])
        out += (1.0 if rows == columns else 2.0) * np.einsum("bi,bi->b", inner, u[:, columns])
    return out


def _upper_blocks(n: int, size: int) -> Iterator[tuple[slice, slice]]:
    cuts = list(chunks(n, size))
    for i, rows in enumerate(cuts):
        for columns in cuts[i:]:
            yield rows, columns
