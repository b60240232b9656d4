"""From a run to estimates: average, covariance by name, replicas, diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.inference.roots import matrix_root
from statinf.stochastic import covariance as cv
from statinf.stochastic.adapting import directions
from statinf.stochastic.checking import check_average, gap_to_root
from statinf.stochastic.engine import draws, settle
from statinf.stochastic.run import Run
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State
from statinf.stochastic.tuning import start_share

_SMALL = 1e-10
_ALONE = 0.1  # share of the largest coordinate of a null direction that makes another one count


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimates(Brief):
    """What can be read off a run.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        The average; NaN for coefficients that no row moved.
    replicas : ndarray, shape (B, q)
        Of all coefficients.
    covariances : dict of str to ndarray
        By the name of the inference, on the coefficients that moved.
    roots : dict of str to ndarray
        Their square roots, with more digits of small differences.
    averaged : int
        Iterates in the average.
    diagnostics : dict of str to float
    state : State
        With every row worked in.
    gap : tuple of ndarray, shape (q,)
        Distance to the root of the equations of all rows, standard errors of a batch fit, and that root.
    """

    theta: np.ndarray
    replicas: np.ndarray
    covariances: dict[str, np.ndarray]
    roots: dict[str, np.ndarray]
    averaged: int
    diagnostics: dict[str, float]
    state: State
    gap: tuple[np.ndarray, np.ndarray, np.ndarray]


def read_run(run: Run, names: tuple[str, ...]) -> Estimates:
    """Estimates of a run as it stands.

    Raises
    ------
    DataError
        If the burn-in has not ended.
    NotIdentifiedError
        If the mean matrix is singular, or has an eigenvalue whose real part is negative.
    """
    settings = run.settings
    state = settle(settings, run.state)
    n = state.averaged
    if n < 1:
        raise DataError(
            f"the stream has {state.done} usable rows and burn_in={settings.burn_in}: none is averaged. "
            "Give a smaller burn_in, or expected_rows= for a stream of unknown length."
        )
    moved = _moved(settings, state)
    eigenvalues = _stability(settings, state, moved, names, n)
    replicas = draws(settings, state)
    found = _covariances(settings, state, replicas, moved, n)
    carry = np.eye(int(moved.sum())) if settings.right is None else settings.right[np.ix_(moved, moved)]
    gap = gap_to_root(settings, state, moved)
    if settings.adaptive:
        check_average(settings, state, moved, names, gap)
    return Estimates(
        theta=_carried(settings, state.mean, moved), replicas=settings.carried(replicas), averaged=n,
        covariances={name: carry @ matrix @ carry.T for name, matrix in found.items()},
        roots={name: carry @ matrix_root(matrix) for name, matrix in found.items()},
        diagnostics=_diagnostics(settings, state, eigenvalues, replicas, n), state=state, gap=gap,
    )  # fmt: skip


def _moved(settings: Settings, state: State) -> np.ndarray:
    """Coordinates that some row moves."""
    jacobian = state.sums.jacobian
    if settings.tolerance is None:
        return (np.abs(jacobian).sum(axis=0) > 0.0) & (np.abs(jacobian).sum(axis=1) > 0.0)
    return directions(jacobian / state.averaged, settings.tolerance, settings.instruments)


def _carried(settings: Settings, theta: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Coefficients of the columns as they came; NaN for those that no row moved."""
    return np.where(moved, settings.carried(np.where(moved, theta, 0.0)), np.nan)


def _stability(settings: Settings, state: State, moved: np.ndarray, names: tuple[str, ...], n: int) -> np.ndarray:
    if settings.adaptive and n < settings.d:
        raise DataError(_too_short(n, settings.d))
    _check_collinear(settings, state, moved, names)
    if not moved.any():
        return np.ones(1)
    part = np.ix_(moved, moved)
    matrix = state.sums.jacobian[part] / n
    if settings.tolerance is not None:
        matrix = state.matrix[part] @ matrix
    values = np.linalg.eigvals(matrix)
    size = np.abs(values).max()
    if values.real.min() < -_SMALL * size:
        raise NotIdentifiedError(
            f"the mean matrix is not stable: an eigenvalue has real part {values.real.min():.3g}, so the recursion drifts "
            f"away from its root. {advice(settings)}"
        )
    if values.real.min() <= _SMALL * size:
        if n < moved.sum():
            raise DataError(_too_short(n, int(moved.sum())))
        null = np.zeros(settings.d)
        null[moved] = np.linalg.svd(matrix)[2][-1]
        one = np.abs(null) > _ALONE * np.abs(null).max()
        if settings.adaptive and np.count_nonzero(one) == 1 and state.seen[one].all():
            raise ConvergenceError(_too_few(settings, names[int(np.argmax(one))]))
        _refuse_collinear(settings.carried(null), names, n)
    return values


def advice(settings: Settings) -> str:
    """What to do about a mean matrix that is not stable."""
    if settings.temporal:
        return (
            "Temporal differences do this off policy: solve them in one batch with si.td(..., method='lstd'), or learn "
            "on-policy (without rho)."
        )
    return (
        "The instruments are too weak, or the first rows are unlike the later ones: use instruments that move the "
        "regressors more, put the rows in random order, or solve in one batch with si.iv."
    )


def _check_collinear(settings: Settings, state: State, moved: np.ndarray, names: tuple[str, ...]) -> None:
    """A whitened column that is zero throughout depends on others, unless it is a column of zeros."""
    if settings.right is None or not settings.adaptive:
        return
    for j in np.flatnonzero(~moved):
        if state.seen[j]:
            raise ConvergenceError(_too_few(settings, names[j]))
        if np.count_nonzero(np.abs(settings.right[:, j]) > 1e-9 * np.abs(settings.right[j, j])) > 1:
            _refuse_collinear(settings.right[:, j], names, state.averaged)


def _too_short(n: int, d: int) -> str:
    return f"{n} averaged rows cannot identify {d} coefficients; give more rows or a smaller burn_in."


def _too_few(settings: Settings, name: str) -> str:
    return (
        f"no averaged row tells '{name}' apart from the other columns; those that do are among the first "
        f"{settings.burn_in} or alone: put the rows in random order, or give more of them."
    )


def _refuse_collinear(null: np.ndarray, names: tuple[str, ...], n: int) -> None:
    partners = [name for name, part in zip(names, np.abs(null) / np.abs(null).max(), strict=True) if part > 1e-3]
    raise NotIdentifiedError(
        f"the columns {', '.join(partners)} are collinear over the {n} averaged rows: leave one of them out, or put the "
        "rows in random order if they are sorted."
    )


def _covariances(
    settings: Settings, state: State, replicas: np.ndarray, moved: np.ndarray, n: int
) -> dict[str, np.ndarray]:
    """Covariances of the moved coordinates of the recursion, by the name of their inference."""
    part = np.ix_(moved, moved)
    sums, out = state.sums, {}
    if settings.replicas > 1 and np.isfinite(replicas).all():
        out["multiplier"] = np.atleast_2d(np.cov(replicas[:, moved], rowvar=False))
    bread = np.linalg.inv(sums.jacobian[part]) if moved.any() else np.zeros((0, 0))
    out["plugin"] = bread @ sums.noise[part] @ bread.T
    if "hac" in settings.keep:
        out["hac"] = bread @ cv.bartlett(sums.lagged)[part] @ bread.T
    if "batch-means" in settings.keep:
        out["batch-means"] = cv.batch_means(sums, state.mean)[part] / n
    if "random-scaling" in settings.keep:
        out["random-scaling"] = cv.random_scaling(sums, state.mean, n)[part] / n
    return out


def _diagnostics(
    settings: Settings, state: State, eigenvalues: np.ndarray, replicas: np.ndarray, n: int
) -> dict[str, float]:
    last = float(settings.steps(state.done, 1)[0])
    slowest = float(np.real(eigenvalues).min())
    return {
        "rows": state.done,
        "burn_in": settings.burn_in,
        "averaged": n,
        "c0": settings.c0,
        "k0": settings.k0,
        "power": settings.power,
        "last_step": last,
        "smallest_eigenvalue": slowest,
        "relaxations": last * slowest * n,
        "start_share": start_share(settings, slowest, state.done),
        "exploded_replicas": exploded(replicas),
    }


def exploded(replicas: np.ndarray) -> float:
    """Share of replicas with a coordinate more than ten robust standard deviations from the median."""
    if len(replicas) < 2:
        return 0.0
    finite = np.isfinite(replicas).all(axis=1)
    if not finite.any():
        return 1.0
    centre = np.median(replicas[finite], axis=0)
    away = np.abs(replicas - centre)
    spread = 1.4826 * np.median(away[finite], axis=0)
    return float((~finite | (away > 10.0 * np.maximum(spread, 1e-300)).any(axis=1) & (spread > 0.0).all()).mean())
