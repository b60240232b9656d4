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

from statinf.backend import one_blas_thread, progress_bar
from statinf.balancing.feasibility import reach, stopped
from statinf.balancing.kernel_space import KernelSpace, standardised
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, Task, tasks
from statinf.balancing.solution import BalanceSolution, Linear, expand_calibration, merge, side_by_side
from statinf.errors import ConvergenceError, InfeasibleError, OptionError
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt
from statinf.numerics.tilting.calibration_path import tilt_path
from statinf.results.options import Options, count, flag, number

_PATIENCE = 10
_TOGETHER = 16
"""Solutions whose bounds are computed in one product with the kernel."""
_ROUGH = 1e-6
"""Imbalance left while the number of components is sought; it moves the bounds by as little, relative to them."""


@dataclass(frozen=True, kw_only=True)
class KernelBalanceOptions(Options):
    """Options of kernel balancing."""

    bandwidth: float | None = number(
        None, "divides squared distances of standardised columns; unless given, the one that maximises the variance of the "
        "kernel matrix off its diagonal", low=0.0, open_low=True, also=(None,),
    )  # fmt: skip
    dimensions: int | None = count(
        None, "components to balance; unless given, those with the smallest bias bound", also=(None,)
    )
    landmarks: int | None = count(
        None, "rows that span the kernel space: all up to 4000 and 1000 drawn ones beyond unless given; of more than 1200 rows "
        "the 300 leading components are kept, and with landmarks the bias bound is that within them", low=2, also=(None,),
    )  # fmt: skip
    mean_first: bool = flag(False, "balance the columns themselves too")
    tol: float = number(
        1e-8, "largest imbalance left in a component, in standard deviations", low=0.0, high=1.0, open_low=True
    )
    max_iter: int = count(100, "most evaluations of one dual")


def estimate(problem: BalanceProblem, options: KernelBalanceOptions) -> BalanceSolution:
    """Kernel balancing weights with mean one in each arm; the columns are those of every level of a factor."""
    x = standardised(problem)
    space = KernelSpace.of(x, options.bandwidth, options.landmarks, problem.seed)
    with one_blas_thread():  # hundreds of narrow products between factorisations that SciPy's own library makes
        found = [_search(problem, x, space, task, options) for task in tasks(problem)]
    values = merge(problem, {f.task.arm: f.tilt.p for f in found}, {f.task.arm: f.task.index for f in found})

    def linear() -> Linear:
        return side_by_side(
            [expand_calibration(problem, f.task, f.features, values[f.task.index], values[f.task.index]) for f in found]
        )

    details = {
        "bandwidth": space.bandwidth,
        "dimensions": {f.task.arm: f.dimensions for f in found},
        "bias_bound": {f.task.arm: (f.bound_before, f.bound) for f in found},
    }
    return BalanceSolution(
        values,
        linear,
        iterations=sum(f.iterations for f in found),
        residual=max(f.tilt.residual for f in found),
        details=details,
    )


@dataclass(frozen=True)
class _KernelTilt:
    task: Task
    tilt: Tilt
    features: np.ndarray
    dimensions: int
    bound_before: float
    bound: float
    iterations: int


def _without_copies(x: np.ndarray) -> np.ndarray:
    """The columns that those before them do not determine: all levels of a factor, centred, determine one another."""
    left = np.abs(np.diag(np.linalg.qr(x, mode="r")))
    return x[:, : len(left)][:, left > 1e-8 * np.linalg.norm(x[:, : len(left)], axis=0)]


def _search(
    problem: BalanceProblem, x: np.ndarray, space: KernelSpace, task: Task, options: KernelBalanceOptions
) -> _KernelTilt:
    """Entropy balancing on more and more components, the one with the smallest bias bound kept."""
    phi, index = space.features, task.index
    first = _without_copies(x) if options.mean_first else np.empty((len(x), 0))
    features = np.column_stack([first, phi])
    features /= np.sqrt(np.maximum(np.mean(features**2, axis=0), 1e-300))
    z = features[index] - task.target @ features
    dimensions = options.dimensions
    if dimensions is not None and dimensions > phi.shape[1]:
        raise OptionError(
            f"dimensions={dimensions!r} must lie between 1 and {phi.shape[1]}, the components of the kernel."
        )
    counts = range(space.step, phi.shape[1] + 1, space.step) if dimensions is None else [dimensions]
    base = problem.s[index]
    tilts = tilt_path(
        z, base, [first.shape[1] + r for r in counts], tol=max(options.tol, _ROUGH), max_iter=options.max_iter
    )
    bound = space.bound(task)
    before = bound([base / base.sum()])[0]
    best: _KernelTilt | None = None
    since, spent = 0, 0
    steps = progress_bar(counts, label="components of the kernel, at most")
    for r, tilt, now in _bounded(zip(steps, tilts, strict=False), bound):
        spent += tilt.iterations
        since += 1
        if best is None or now < best.bound:
            kept = features[:, : first.shape[1] + r]
            best, since = _KernelTilt(task, tilt, kept, r, before, now, spent), 0
        if since * space.step >= _PATIENCE:
            break
    if best is None:
        raise _nothing(problem, task, z[:, : first.shape[1] + counts[0]], base, options)
    return _polished(best, z[:, : best.features.shape[1]], base, bound, options)


def _nothing(
    problem: BalanceProblem, task: Task, z: np.ndarray, base: np.ndarray, options: KernelBalanceOptions
) -> ConvergenceError | InfeasibleError:
    """The error of a search without any solution: for want of iterations, or of weights that balance."""
    q = z.shape[1]
    tilt = exponential_tilt(ScaledRows(z, np.zeros(q), np.ones(q)), base, tol=options.tol, max_iter=options.max_iter)
    if tilt.iterations >= options.max_iter and reach(z, np.zeros(q)).gap <= 1e-9:
        left = f"an imbalance of {tilt.residual:.2g} standard deviations"
        return stopped("kernel", left, tilt.iterations, options.max_iter, "")
    what = "the columns themselves" if options.mean_first else f"{q} component(s)"
    return InfeasibleError(
        f"method='kernel': no weights on the {problem.arms[task.arm]} rows balance {what}. The arms barely overlap: "
        "use fewer columns, a larger bandwidth, or method='energy'."
    )


def _bounded(
    tilts: Iterator[tuple[int, Tilt]], bound: Callable[[list[np.ndarray]], list[float]]
) -> Iterator[tuple[int, Tilt, float]]:
    """Numbers of components with their tilts and bounds, these computed some at a time."""
    while some := list(islice(tilts, _TOGETHER)):
        bounds = bound([tilt.p for _, tilt in some])
        yield from ((r, tilt, now) for (r, tilt), now in zip(some, bounds, strict=True))


def _polished(
    found: _KernelTilt,
    z: np.ndarray,
    base: np.ndarray,
    bound: Callable[[list[np.ndarray]], list[float]],
    options: KernelBalanceOptions,
) -> _KernelTilt:
    rows = ScaledRows(z, np.zeros(z.shape[1]), np.ones(z.shape[1]))
    tilt = exponential_tilt(rows, base, start=found.tilt.slope, tol=options.tol, max_iter=options.max_iter)
    if not tilt.converged:
        return found
    return replace(found, tilt=tilt, bound=bound([tilt.p])[0], iterations=found.iterations + tilt.iterations)


METHOD = BalanceMethod(
    verb="balance",
    name="kernel",
    estimate=estimate,
    several=estimate,
    options=KernelBalanceOptions,
    summary="entropy balancing on the leading components of a kernel",
    citation="Hazlett (2020)",
    arxiv="1605.00155",
    guarantee="balances kernel components; stacked standard errors given the components",
    vignette="balance-ipm",
    all_levels=lambda options: True,
    by_place=True,
)
