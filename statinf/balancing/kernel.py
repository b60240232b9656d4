"""Kernel balancing.

Hazlett, C. (2020), "Kernel balancing: a flexible non-parametric weighting procedure for estimating causal effects",
Statistica Sinica 30(3), arXiv 1605.00155.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns, overlap, and an outcome regression in the
reproducing kernel space of the Gaussian kernel ``exp(-|x_i - x_j|^2 / bandwidth)`` on standardised columns.

Entropy balancing on the first r principal components of the kernel matrix, r chosen to minimise the worst-case bias of
functions of norm one, ``sqrt(v' K v)`` with v the signed weights: the maximum mean discrepancy that is left. Standard errors
are those of entropy balancing on the chosen components, which are treated as given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from statinf.backend import chunks, generator, map_threads, one_blas_thread
from statinf.backend.threads import cores
from statinf.balancing.arms import Sample, Solution, Task, expand_calibration, merge, side_by_side, tasks
from statinf.balancing.feasibility import reach, stopped
from statinf.errors import InfeasibleError, OptionError
from statinf.numerics.kernels.distances import gaussian_of, squared_distances
from statinf.numerics.linear.leading_eigen import leading_eigenpairs
from statinf.numerics.rowwise.sums import Rows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt
from statinf.numerics.tilting.calibration_path import tilt_path

CITATION = "kernel balancing (Hazlett 2020)"
ALL_LEVELS = True
BY_PLACE = True

MAX_DENSE = 4000
"""Rows up to which the whole kernel matrix is used; beyond, landmarks."""
_PATIENCE = 10
_MOST = 300
"""Components of the kernel that are balanced at most."""
_TOGETHER = 16
"""Solutions whose bounds are computed in one product with the kernel."""
_ROUGH = 1e-6
"""Imbalance left while the number of components is sought; it moves the bounds by as little, relative to them."""


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    bandwidth: float | None = None,
    dimensions: int | None = None,
    landmarks: int | None = None,
    mean_first: bool = False,
    seed: int = 0,
    tol: float = 1e-8,
    max_iter: int = 100,
) -> Solution:
    """Kernel balancing weights with mean one in each arm.

    Parameters
    ----------
    sample : Sample
        Columns of every level of a factor.
    estimand : {"ATE", "ATT", "ATC"}
    bandwidth : float, optional
        Divides squared distances of standardised columns; by default the one that maximises the variance of the kernel
        matrix off its diagonal.
    dimensions : int, optional
        Components to balance; by default those with the smallest bias bound.
    landmarks : int, optional
        Rows that span the kernel space; all rows up to 4000 and 1000 drawn ones beyond. Of more than 1200 rows the 300
        leading components are kept, and with landmarks the bias bound is that within these components.
    mean_first : bool
        Balance the columns themselves too.
    seed : int
        Of the landmarks.
    tol : float
        Largest imbalance left in a component, in standard deviations.
    max_iter : int
    """
    x = _standardised(sample)
    space = _Space.of(x, bandwidth, landmarks, seed)
    todo = tasks(sample, estimand)
    with one_blas_thread():  # hundreds of narrow products between factorisations that SciPy's own library makes
        found = [_search(sample, x, space, task, dimensions, mean_first, tol, max_iter) for task in todo]
    values = merge(sample, {f.task.arm: f.tilt.p for f in found}, {f.task.arm: f.task.index for f in found})

    def linear():
        return side_by_side(
            [expand_calibration(sample, f.task, f.features, values[f.task.index], values[f.task.index]) for f in found]
        )

    details = {
        "bandwidth": space.bandwidth,
        "dimensions": {f.task.arm: f.dimensions for f in found},
        "bias_bound": {f.task.arm: (f.bound_before, f.bound) for f in found},
    }
    return Solution(
        values,
        linear,
        iterations=sum(f.iterations for f in found),
        residual=max(f.tilt.residual for f in found),
        details=details,
    )


@dataclass(frozen=True)
class _Space:
    """Feature space of the kernel: ``K = features features'`` with orthogonal columns in decreasing order.

    Attributes
    ----------
    features : ndarray, shape (n, r)
    bandwidth : float
    kernel : ndarray, shape (n, n), optional
        K itself, where it was formed: the features may leave out its smallest eigenvalues.
    step : int
        Dimensions added at a time in the search; more than one where rows are many.
    """

    features: np.ndarray
    bandwidth: float
    kernel: np.ndarray | None = None
    step: int = 1

    @staticmethod
    def of(x: np.ndarray, bandwidth: float | None, landmarks: int | None, seed: int) -> _Space:
        n = len(x)
        count = (n if n <= MAX_DENSE else 1000) if landmarks is None else min(int(landmarks), n)
        if count < 2:
            raise OptionError(f"landmarks={landmarks!r} must be at least 2.")
        at = np.arange(n) if count == n else np.sort(generator(seed).choice(n, count, replace=False))
        squared = squared_distances(x[at], x[at])
        width = widest(squared) if bandwidth is None else float(bandwidth)
        if not width > 0:
            raise OptionError(f"bandwidth={bandwidth!r} must be positive.")
        kernel = gaussian_of(squared, width)
        values, vectors = leading_eigenpairs(kernel, count if count <= 1200 else _MOST)
        keep = values > 1e-10 * values[0]
        values, vectors = values[keep], vectors[:, keep]
        if count == n:
            return _Space(vectors * np.sqrt(values), width, kernel)
        few = slice(0, _MOST)
        return _Space(_extend(x, x[at], width, vectors[:, few] / np.sqrt(values[few])), width, step=5)

    def bound(self, task: Task) -> Callable[[list[np.ndarray]], list[float]]:
        """A function that maps weights p of the arm's rows to ``sqrt(v' K v)``, v the target's weights less p."""
        if self.kernel is None:
            arm, centre = self.features[task.index], task.target @ self.features
            return lambda weights: np.linalg.norm(np.stack(weights) @ arm - centre, axis=1).tolist()
        arm, cross = self.kernel[np.ix_(task.index, task.index)], self.kernel @ task.target
        constant = task.target @ cross

        def squares(weights: list[np.ndarray]) -> list[float]:
            p = np.stack(weights)
            parts = list(chunks(len(arm), len(arm) // cores() + 1))
            forms = map_threads(lambda at: np.sum((p @ arm[:, at]) * p[:, at], axis=1), parts, parallel=len(arm) > 1000)
            squared = np.sum(forms, axis=0) - 2.0 * (p @ cross[task.index]) + constant
            return np.sqrt(np.maximum(squared, 0.0)).tolist()

        return squares


@dataclass(frozen=True)
class _Found:
    task: Task
    tilt: Tilt
    features: np.ndarray
    dimensions: int
    bound_before: float
    bound: float
    iterations: int


def widest(squared: np.ndarray) -> float:
    """The bandwidth that maximises the variance of ``exp(-squared / b)`` off the diagonal, b below 2000."""
    from scipy.optimize import minimize_scalar

    some = squared if len(squared) <= 1500 else squared[:: len(squared) // 1000 + 1, :: len(squared) // 1000 + 1]
    off = some[~np.tri(len(some), dtype=bool)]

    def negative_variance(b: float) -> float:
        return -float(np.var(np.exp(-off / b)))

    return float(minimize_scalar(negative_variance, bounds=(1e-3, 2000.0), method="bounded", options={"xatol": 1e-6}).x)


def _standardised(sample: Sample) -> np.ndarray:
    s = sample.s / sample.s.sum()
    centred = sample.x - s @ sample.x
    sd = np.sqrt(s @ centred**2 / max(1.0 - s @ s, 1e-300))
    return centred / np.where(sd > 0, sd, 1.0)


def _without_copies(x: np.ndarray) -> np.ndarray:
    """The columns that those before them do not determine: all levels of a factor, centred, determine one another."""
    left = np.abs(np.diag(np.linalg.qr(x, mode="r")))
    return x[:, : len(left)][:, left > 1e-8 * np.linalg.norm(x[:, : len(left)], axis=0)]


def _extend(x: np.ndarray, centres: np.ndarray, width: float, coefficients: np.ndarray) -> np.ndarray:
    """Features of all rows from landmarks, rotated to orthogonal columns."""
    raw = np.empty((len(x), coefficients.shape[1]))
    for start in range(0, len(x), 4096):
        rows = slice(start, start + 4096)
        raw[rows] = np.exp(-squared_distances(x[rows], centres) / width) @ coefficients
    values, rotation = np.linalg.eigh(raw.T @ raw)
    order = np.argsort(values)[::-1]
    order = order[values[order] > 1e-10 * values[order[0]]]
    return raw @ rotation[:, order]


def _search(
    sample: Sample,
    x: np.ndarray,
    space: _Space,
    task: Task,
    dimensions: int | None,
    mean_first: bool,
    tol: float,
    max_iter: int,
) -> _Found:
    """Entropy balancing on more and more components, the one with the smallest bias bound kept."""
    phi, index = space.features, task.index
    first = _without_copies(x) if mean_first else np.empty((len(x), 0))
    features = np.column_stack([first, phi])
    features /= np.sqrt(np.maximum(np.mean(features**2, axis=0), 1e-300))
    z = features[index] - task.target @ features
    if dimensions is not None and not 1 <= dimensions <= phi.shape[1]:
        raise OptionError(
            f"dimensions={dimensions!r} must lie between 1 and {phi.shape[1]}, the components of the kernel."
        )
    counts = range(space.step, phi.shape[1] + 1, space.step) if dimensions is None else [int(dimensions)]
    base = sample.s[index]
    tilts = tilt_path(z, base, [first.shape[1] + r for r in counts], tol=max(tol, _ROUGH), max_iter=max_iter)
    bound = space.bound(task)
    before = bound([base / base.sum()])[0]
    best: _Found | None = None
    since, spent = 0, 0
    for r, tilt, now in _bounded(zip(counts, tilts, strict=False), bound):
        spent += tilt.iterations
        since += 1
        if best is None or now < best.bound:
            kept = features[:, : first.shape[1] + r]
            best, since = _Found(task, tilt, kept, r, before, now, spent), 0
        if since * space.step >= _PATIENCE:
            break
    if best is None:
        q = first.shape[1] + counts[0]
        tilt = exponential_tilt(Rows(z[:, :q], np.zeros(q), np.ones(q)), base, tol=tol, max_iter=max_iter)
        if tilt.iterations >= max_iter and reach(z[:, :q], np.zeros(q)).gap <= 1e-9:
            raise stopped("kernel", f"an imbalance of {tilt.residual:.2g} standard deviations", max_iter, max_iter, "")
        what = "the columns themselves" if mean_first else f"{counts[0]} component(s)"
        raise InfeasibleError(
            f"method='kernel': no weights on the {('control', 'treated')[task.arm]} rows balance {what}. The arms barely overlap: "
            "use fewer columns, a larger bandwidth, or method='energy'."
        )
    return _polished(best, z[:, : best.features.shape[1]], base, bound, tol, max_iter)


def _bounded(
    tilts: Iterator[tuple[int, Tilt]], bound: Callable[[list[np.ndarray]], list[float]]
) -> Iterator[tuple[int, Tilt, float]]:
    """Numbers of components with their tilts and bounds, these computed some at a time."""
    while some := list(islice(tilts, _TOGETHER)):
        bounds = bound([tilt.p for _, tilt in some])
        yield from ((r, tilt, now) for (r, tilt), now in zip(some, bounds, strict=True))


def _polished(
    found: _Found,
    z: np.ndarray,
    base: np.ndarray,
    bound: Callable[[list[np.ndarray]], list[float]],
    tol: float,
    max_iter: int,
) -> _Found:
    rows = Rows(z, np.zeros(z.shape[1]), np.ones(z.shape[1]))
    tilt = exponential_tilt(rows, base, start=found.tilt.slope, tol=tol, max_iter=max_iter)
    if not tilt.converged:
        return found
    return replace(found, tilt=tilt, bound=bound([tilt.p])[0], iterations=found.iterations + tilt.iterations)
