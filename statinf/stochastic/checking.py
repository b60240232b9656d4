"""A finished average against the equations that it should solve.

The sums that the plug-in keeps give the root of all rows' equations: exactly for a squared loss, linearised where the rows
were met for the others. An average that is not near it, in standard errors of a batch fit, has not converged.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError
from statinf.stochastic.adapting import mean_jacobian
from statinf.stochastic.rows import CHUNK
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State
from statinf.stochastic.sums import curvature, psi

_STEPS = 25

LIMIT = 2.5
"""Standard errors of a batch fit that an average may be away from the root."""

_ALONE = 0.9  # leverage of a row that decides a coefficient by itself
_HEAVY = 0.2  # leverage from which a row is named
_FEW = 0.1  # leverage from which a quantile of few rows is looked at from both sides
_SIDE = 0.02


def gap_to_root(settings: Settings, state: State, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far the average is from the root of the equations of all rows.

    Returns
    -------
    gap, se, root : ndarray, shape (d,)
        Distance, standard error of a batch fit and the root, of the coefficients of the columns as they came; NaN for
        those that no row moves.
    """
    carry = np.eye(settings.d) if settings.right is None else settings.right
    part = carry[np.ix_(moved, moved)]
    out = np.full((3, settings.d), np.nan)
    root, cov = batch_root(settings, state, moved)
    out[1, moved] = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", part, cov, part), 0.0))
    out[2, moved] = part @ root
    roots = [root]
    if settings.loss == "quantile" and float(_leverages(settings, state, moved).max(initial=0.0)) > _FEW:
        # The quantile of few rows is a whole interval: an average in it may be far from the end that a batch fit takes.
        roots += [batch_root(settings, state, moved, side=side)[0] for side in (-_SIDE, _SIDE)]
    out[0, moved] = np.max([np.abs(part @ (state.mean[moved] - r)) for r in roots], axis=0)
    return out[0], out[1], out[2]


def _final_matrix(settings: Settings, state: State, moved: np.ndarray) -> np.ndarray:
    """Inverse mean Jacobian of all rows, (m, m)."""
    return np.linalg.pinv(mean_jacobian(settings, state)[np.ix_(moved, moved)])


def _leverages(settings: Settings, state: State, moved: np.ndarray) -> np.ndarray:
    """Leverages of the kept rows among all rows, (k,)."""
    F, G = state.extremes.F[:, moved], state.extremes.G[:, moved]
    h = np.abs(np.einsum("ij,ij->i", F @ _final_matrix(settings, state, moved).T, G)) / max(state.done, 1)
    return h * (settings.curvature if settings.loss == "quantile" else 1.0)


def check_average(
    settings: Settings, state: State, moved: np.ndarray, names: tuple[str, ...], found: tuple[np.ndarray, ...]
) -> None:
    """Raise a `ConvergenceError` with figures if the average of a default run is not the root of its equations."""
    gap, se, root = found
    late = moved & (state.origin > settings.burn_in) & (state.done - state.origin < CHUNK)
    if late.any():
        first = int(state.origin[late].max())
        raise ConvergenceError(
            f"'{names[int(np.flatnonzero(late)[0])]}' is zero (or follows from other columns) up to row {first - CHUNK} of "
            f"{state.done}: the rows after that are too few to average. Put the rows in random order, or give more of them."
        )
    _refuse_lone_row(settings, state, moved, names)
    if settings.loss == "logistic" and (int(state.sums.wrong) == 0 or _overfitted(settings, state, moved)):
        raise ConvergenceError(
            f"the outcomes of the {state.averaged} averaged rows are predicted (nearly) perfectly: they are separated, or close "
            "to it, and no finite coefficients are the best. Leave a covariate out, or merge its levels."
        )
    floor = 1e-8 * (np.abs(root) + settings.scale * _lengths(settings))
    with np.errstate(invalid="ignore"):
        worst = np.where(gap > LIMIT * se + floor, gap / np.maximum(se, np.finfo(float).tiny), 0.0)
    if worst.max(initial=0.0) == 0.0:
        return
    j = int(np.argmax(worst))
    raise ConvergenceError(
        f"the average for '{names[j]}' is {worst[j]:.3g} standard errors away from the root of the equations of the "
        f"{state.done} rows ({settings.carried(state.mean)[j]:.5g}, the root is near {root[j]:.5g}): it rests on too few rows, or "
        f"on a few that outweigh the others{_heaviest(settings, state, moved)}, for one pass to average over. "
        f"Use {_batch(settings)} for these data, give more rows, or take the logarithm of a covariate with such a tail."
    )


def _heaviest(settings: Settings, state: State, moved: np.ndarray) -> str:
    """The row of the most leverage in words, where it has a say of its own; empty where none has."""
    h = _leverages(settings, state, moved)
    if settings.instruments or settings.loss in ("logistic", "poisson") or h.max(initial=0.0) < _HEAVY:
        return ""
    at = int(np.argmax(h))
    return f" (usable row {state.extremes.number[at]} alone has leverage {h[at]:.2f})"


def _overfitted(settings: Settings, state: State, moved: np.ndarray) -> bool:
    """Whether squared residuals are far below p (1 - p) along a coordinate, which they equal on average."""
    top, part = state.extremes, np.ix_(moved, moved)
    w = np.divide((top.F * top.G).sum(axis=1), (top.G * top.G).sum(axis=1), out=np.ones(len(top.c)), where=top.h > 0.0)
    bread = np.linalg.pinv(state.sums.jacobian[part])
    expected, found = np.diag(bread), np.diag(bread @ state.sums.noise[part] @ bread.T)
    return bool((found * w.sum() < 0.2 * expected * (w * w).sum()).any())


def _lengths(settings: Settings) -> np.ndarray:
    carry = np.eye(settings.d) if settings.right is None else settings.right
    return np.sqrt((carry**2).sum(axis=1))


def _refuse_lone_row(settings: Settings, state: State, moved: np.ndarray, names: tuple[str, ...]) -> None:
    if settings.loss in ("logistic", "poisson") or settings.instruments:
        return
    h = _leverages(settings, state, moved)
    if h.max(initial=0.0) <= _ALONE:
        return
    at = int(np.argmax(h))
    pull = np.zeros(settings.d)
    pull[moved] = _final_matrix(settings, state, moved) @ state.extremes.F[at, moved]
    pull = np.abs(settings.carried(pull)) / np.maximum(_lengths(settings), np.finfo(float).tiny)
    raise ConvergenceError(
        f"the coefficient of '{names[int(np.argmax(pull))]}' rests on usable row {state.extremes.number[at]} alone (leverage "
        f"{h[at]:.2f}): there is nothing to average. Use {_batch(settings)}, which names such rows, or leave the column out."
    )


def _batch(settings: Settings) -> str:
    if settings.instruments:
        return "si.iv"
    return {"squared": "si.lm", "logistic": "si.glm", "poisson": "si.glm", "quantile": "si.rq"}[settings.loss]


def batch_root(
    settings: Settings, state: State, moved: np.ndarray, *, side: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The root of the equations of all rows and its sandwich covariance, in the coordinates of the recursion.

    Parameters
    ----------
    settings : Settings
    state : State
    moved : bool ndarray, shape (d,)
        Coordinates that some row moves.
    side : float
        Added to the level of a quantile, for the kept rows.

    Returns
    -------
    root : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
    """
    if settings.loss == "quantile":
        return _quantile_root(settings, state, moved, side)
    part, sums, top = np.ix_(moved, moved), state.sums, state.extremes
    jacobian = (sums.early[:, :-1] + sums.jacobian)[part]
    target = (sums.early[:, -1] + sums.target)[moved]
    F, G = top.F[:, moved], top.G[:, moved]
    root = np.linalg.lstsq(jacobian, target, rcond=None)[0] if settings.loss == "squared" else state.mean[moved]
    if settings.loss in ("logistic", "poisson"):
        # The sums without the rows that were kept, which are met again at the root.
        others, rest = jacobian - (F * top.curve[:, None]).T @ G, target - F.T @ top.target
        for _ in range(_STEPS):
            curve = np.asarray(curvature(G @ root, top.c, top.number, settings))
            slope = psi(G @ root, top.c, settings)
            jacobian = others + (F * curve[:, None]).T @ G
            move = np.linalg.lstsq(jacobian, others @ root - rest + F.T @ slope, rcond=None)[0]
            root = root - move / max(1.0, float(np.abs(G @ move).max(initial=0.0)))
    late = top.number > int(state.origin.min())
    met = F[late] * top.slope[late, None]
    again = F * psi(G @ root, top.c, settings)[:, None]
    noise = (sums.noise[part] - met.T @ met) * (state.done / state.averaged) + again.T @ again
    bread = np.linalg.pinv(jacobian)
    return root, bread @ noise @ bread.T


def _quantile_root(settings: Settings, state: State, moved: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The least sum of the kept rows' losses and of a parabola for the others, whose curvature is a mean density.

    Kept rows' losses are majorised by parabolas; Hunter & Lange (2000), JCGS 9.
    """
    top, tau = state.extremes, settings.tau
    F, G, c = top.F[:, moved], top.G[:, moved], top.c
    jacobian, target = state.sums.gram[np.ix_(moved, moved)], state.sums.gram[moved, -1]
    others, rest = jacobian - settings.curvature * F.T @ G, target - F.T @ top.target
    root, least = state.mean[moved], 1e-4 * settings.scale
    for _ in range(4 * _STEPS):
        v = 0.5 / (least + np.abs(c - G @ root))
        root = np.linalg.lstsq(others + (F * v[:, None]).T @ G, rest + F.T @ (v * c + tau + side - 0.5), rcond=None)[0]
    bread = np.linalg.pinv(jacobian)
    return root, bread * (tau * (1.0 - tau) / settings.curvature)
