"""Calibration to the target's means on blocks of rows; see `statinf.shifts.moment`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, DataError, InfeasibleError
from statinf.formula.design import Design
from statinf.numerics.tilting.distances import DIVERGED, Distance
from statinf.passes.newton import PassNewton, PassSums, minimise_passes
from statinf.passes.reduction import ColumnStack, reduce_rows
from statinf.shifts.block_samples import BlockSamples, ratio_columns
from statinf.shifts.logistic import LogLinear, with_constant
from statinf.shifts.moment import CLEAR, CalibratedRatio, MomentOptions, check_gaps, told
from statinf.shifts.moment_hull import WantedMeans, check_ranges


@dataclass(frozen=True)
class TiltColumns:
    """The columns that are matched: less the target's means, in standard deviations of the source about these.

    Attributes
    ----------
    part : int
    kept : ndarray of bool, shape (p,)
    centre, scale : ndarray, shape (k,)
    """

    part: int
    kept: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def __call__(self, block: Design) -> np.ndarray:
        """Behind a constant, shape (n, k + 1)."""
        x, _ = ratio_columns(self.part, block)
        out = np.empty((len(x), len(self.centre) + 1), order="F")
        out[:, 0] = 1.0
        for j, at in enumerate(np.flatnonzero(self.kept)):
            np.subtract(x[:, at], self.centre[j], out=out[:, j + 1])
            out[:, j + 1] /= self.scale[j]
        return out


@dataclass(frozen=True)
class TiltExpansion:
    """Influence on the constant and the tilt, and the ratio's derivatives by them.

    Attributes
    ----------
    columns : TiltColumns
    slope : ndarray, shape (k + 1,)
    distance : Distance
    inverse : ndarray, shape (k + 1, k + 1)
    push : float
        What a target row's share of the means is multiplied by; zero where the means are known.
    """

    columns: TiltColumns
    slope: np.ndarray
    distance: Distance
    inverse: np.ndarray
    push: float

    def own(self, block: Design, ratio: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the weights and influence of the source's rows, shape (n, k + 1) each."""
        z = self.columns(block)
        _, found, steep = self.distance.all(z @ self.slope)
        scores = z * found[:, None]
        scores[:, 0] -= 1.0
        return z * (steep * factor)[:, None], -(scores @ self.inverse) * block.weights[:, None]

    def other(self, block: Design) -> np.ndarray:
        """Influence of the target's rows, shape (m, k + 1)."""
        z = self.columns(block)
        return (z[:, 1:] * (block.weights * self.push)[:, None]) @ self.inverse[1:]


def estimate_moment(
    samples: BlockSamples, options: MomentOptions
) -> tuple[LogLinear, TiltExpansion, dict[str, Any], dict[str, Any]]:
    """The ratio as a function, its expansion, tuning constants, and facts for the summary.

    Raises
    ------
    DataError
        If there are as many columns as source rows.
    InfeasibleError
        If no weights match the target's means.
    """
    n, p, distance = samples.source.nobs, len(samples.names), options.curve
    if p >= n:
        raise DataError(f"{p} means to match with {n} source rows: the weights are not determined. Use fewer columns.")
    xs, xt = samples.xs, samples.xt
    kept, aliases = _independent(samples)
    # Standard deviations about the target's mean, from those about the source's.
    scale = np.sqrt(xs.raw_variance + (xs.mean - xt.mean) ** 2)[kept]
    means = samples.near + xt.mean
    columns = TiltColumns(samples.part, kept, means[kept], scale)
    names = [name for name, k in zip(samples.names, kept, strict=True) if k]
    low, high = ((end[kept] - columns.centre) / scale for end in (xs.extent.low, xs.extent.high))
    wanted = WantedMeans(
        samples.names, samples.target.known, lambda: (means, xs.extent.low, xs.extent.high), lambda: samples.uncovered
    )
    check_ranges(wanted, low, high, names, distance)
    found = _solved(samples, columns, distance, names, options)
    slope = np.zeros(p)
    slope[kept] = found.beta[0, 1:] / scale
    rule = LogLinear(float(found.beta[0, 0]), slope, means, np.append(True, kept), aliases)
    if distance != Distance("raking"):
        rule = CalibratedRatio(**vars(rule), distance=distance.name, low=distance.low, high=distance.high)
    inverse = np.linalg.pinv(found.hessian[0] * xs.mass, hermitian=True)
    push = 0.0 if samples.target.known is not None else xs.mass / xt.mass
    expansion = TiltExpansion(columns, found.beta[0], distance, inverse, push)
    return rule, expansion, told(distance), {"moments matched": int(kept.sum()), "iterations": found.passes}


def _independent(samples: BlockSamples) -> tuple[np.ndarray, np.ndarray]:
    """Columns that the constant and those before them do not determine in the source, and how they make the others."""
    xs, p = samples.xs, len(samples.names)
    spread = np.sqrt(xs.raw_variance)
    if (spread > 0).all():
        inner = xs.gram[1:, 1:] / xs.mass - np.outer(xs.mean, xs.mean)
        if np.linalg.eigvalsh(inner / np.outer(spread, spread))[0] > CLEAR:
            return np.ones(p, dtype=bool), np.empty((p + 1, 0))
    reduced, _ = reduce_rows(samples.source, partial(_stack, samples.part), p=p + 1, label="columns that others make")
    kept = reduced.kept[1:]
    if not kept.all():
        means = np.append(1.0, samples.near + samples.xt.mean)
        gap = np.abs(means[reduced.kept] @ reduced.aliases - means[~reduced.kept])
        check_gaps(samples.names, kept, gap / np.where(spread[~kept] > 0, spread[~kept], 1.0))
    return kept, reduced.aliases


def _stack(part: int, block: Design) -> ColumnStack:
    x, w = ratio_columns(part, block)
    return ColumnStack(with_constant(x), None, None if (w > 0).all() else (w > 0).astype(float))


def _solved(
    samples: BlockSamples, columns: TiltColumns, distance: Distance, names: list[str], options: MomentOptions
) -> PassNewton:
    found = minimise_passes(
        samples.source, partial(_sums, columns, distance), np.zeros((1, len(names) + 1)), mass=samples.xs.mass,
        tol=options.tol, max_iter=options.max_iter, limit=DIVERGED, label="calibration",
    )  # fmt: skip
    gap = float(found.residual[0])
    if found.converged[0] or gap <= 1e3 * options.tol:  # where rounding ends the search
        return found
    worst = names[int(np.argmax(np.abs(found.beta[0, 1:])))]
    where = samples.uncovered
    advice = f"{'; ' + where if where else ''}. Use fewer columns, wider bounds=, or restrict the target."
    if np.isfinite(gap) and found.passes >= options.max_iter:
        raise ConvergenceError(
            f"the calibration did not converge in max_iter={options.max_iter} passes (largest moment error {gap:.2e} standard "
            f"deviations){advice}"
        )
    raise InfeasibleError(
        f"no weights{' within the bounds' if distance.bounded else ''} match the target's means (left: {gap:.2g} standard "
        f"deviations); the multiplier of {worst!r} runs off{advice}"
    )


def _sums(columns: TiltColumns, distance: Distance, points: np.ndarray, block: Design) -> PassSums:
    """The dual, its gradient and Hessian: the predictor's constant is taken from each row's value."""
    z, d = columns(block), block.weights
    value, first, second = distance.all(z @ points[0])
    gradient = z.T @ (d * first)
    gradient[0] -= d.sum()
    hessian = np.dot(z.T * (d * second), z)
    return np.array([d @ value - points[0, 0] * d.sum()]), gradient[None], hessian[None]
