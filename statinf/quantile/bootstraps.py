"""Bootstraps of a `QuantileFit`: exact refits, and those that only quantile regression has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError, OptionError, one_of
from statinf.inference import bootstrap as engine
from statinf.quantile import replicas as draws
from statinf.quantile.inference import density, moments_of
from statinf.results.resample import drawn_covariance, keep_undrawn

if TYPE_CHECKING:
    from statinf.quantile.fit import QuantileFit
    from statinf.results import Fit

F = TypeVar("F", bound="Fit")
KINDS = ("pairs", "bayesian", "multiplier", "wild", "pwy")
_REPLICAS = 500


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a spelling such as `{"boot": "pairs", "replicas": 500}` that names no bootstrap."""
    one_of("vcov boot", settings["boot"], KINDS)
    engine.check_replicas(settings.get("replicas", _REPLICAS))
    check_seed(settings.get("seed", 0))


def as_asked(fit: F, settings: Mapping[str, Any]) -> F:
    """The bootstrap that a covariance's spelling asks for."""
    check_settings(settings)
    options = {key: settings[key] for key in ("seed", "cluster") if key in settings}
    return fit.bootstrap(settings.get("replicas", _REPLICAS), settings["boot"], **options)


def refit_solver(fit: QuantileFit) -> Callable[[np.ndarray], np.ndarray]:
    """Coefficients of all levels from replica weights of shape (c, n); NaN where a replica has no solution."""
    rows = fit.solved("bootstrap draws").rows

    def solve(weights: np.ndarray) -> np.ndarray:
        w = weights[:, rows.used] * rows.w
        try:
            inner = draws.weighted_replicas(rows.Z, rows.y, fit.tau, rows.coef, w)
            return rows.carried(inner).reshape(len(w), -1)
        except DataError:
            if len(w) == 1:
                return np.full((1, rows.coef.size), np.nan)
            return np.concatenate([solve(one[None]) for one in weights])

    return solve


def special_bootstrap(
    fit: QuantileFit, replicas: int, kind: str, *, seed: int = 0, cluster: Any = None, progress: bool | None = None
) -> QuantileFit:
    """The bootstraps that only quantile regression has."""
    engine.check_replicas(replicas)
    check_seed(seed)
    solved = fit.solved("bootstrap draws")
    made, rows = solved.design, solved.rows
    if getattr(made.weights_object, "derivative", None) is not None:
        raise NotIdentifiedError(
            f"kind={kind!r} takes weights as known; use kind='multiplier', which re-estimates them."
        )
    own = fit._undrawn_kind
    name = cluster or (own.get("cluster") if isinstance(own, dict) else None)
    rng = generator(seed, 0)
    count = 0
    if name is not None:
        if kind == "wild" or not isinstance(name, str):
            raise OptionError(
                "clusters are resampled by kind='pwy', 'pairs', 'bayesian' or 'multiplier', one column at a time."
            )
        codes = np.unique(made.cluster_codes(name)[rows.used], return_inverse=True)[1]
        count = int(codes.max()) + 1
        made_draws = draws.cluster_replicas(
            rows.Zw, rows.yw, fit.tau, rows.coef, -solved.psi, codes, draws.mammen(rng.random((replicas, count)))
        )
    elif kind == "pwy":
        made_draws = draws.gradient_replicas(rows.Zw, rows.yw, fit.tau, rows.coef, rng.random((replicas, len(rows.y))))
    else:
        inverse, _ = density(solved, "iid")
        made_draws = draws.wild_replicas(
            rows.Zw, rows.yw, fit.tau, rows.coef, inverse, rng.random((replicas, len(rows.y)))
        )
    flat = rows.carried(made_draws).reshape(replicas, -1)
    influence = moments_of(solved, always=True).influence
    good = np.isfinite(flat).all(axis=1)
    failed = int((~good).sum())
    if failed > replicas / 10:
        raise ConvergenceError(
            f"{failed} of {replicas} replicas of kind={kind!r} have no solution: the level is too extreme for the rows; "
            "use kind='bayesian' or 'multiplier'."
        )
    flat = flat[good]
    result = engine.Bootstrap(flat, kind, "", seed, engine.acceleration(influence), clusters=count, failed=failed)
    return replace(fit, cov=drawn_covariance(fit, result), draws=result, kept_covariances=keep_undrawn(fit))
