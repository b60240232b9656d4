"""`fit.bootstrap`: the same fit with draws of its estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError, one_of
from statinf.formula.given import without_gaps
from statinf.inference import bootstrap as engine
from statinf.inference.clusters import joined_codes
from statinf.inference.covariance import Covariance
from statinf.inference.dependent import is_dependent
from statinf.inference.sandwich import covariance
from statinf.results.clusters import clusters_of

if TYPE_CHECKING:
    from statinf.results.fit import Fit

F = TypeVar("F", bound="Fit")


def bootstrap(
    fit: F,
    replicas: int = 999,
    kind: str = "multiplier",
    *,
    seed: int = 0,
    law: str = "mammen",
    cluster: Any = None,
    studentize: bool = False,
    progress: bool | None = None,
) -> F:
    """Bootstrap a fit.

    Parameters
    ----------
    fit : Fit
    replicas : int
    kind : {"multiplier", "pairs", "bayesian", "wild"}
        Data that are read in blocks have "multiplier" and "wild": one pass for all replicas, in which a row's multipliers follow
        from its place in the table, whatever the blocks (the draws are others than those of rows in memory), and clusters draw
        as in memory. "multiplier" perturbs influence values and refits nothing; it accounts for estimated weights.
        "pairs" redraws rows, "bayesian" gives them exponential weights (Rubin 1981), and both refit.
        "wild" flips residuals scaled by their leverage (Wu 1986; HC2) in linear regressions.
    seed : int
    law : {"mammen", "rademacher", "webb", "normal", "exponential"}
        Of the multipliers of "multiplier" and "wild".
    cluster : str, optional
        Draw clusters instead of rows; the fit's own cluster column by default. Tests and normal limits then refer to as many
        degrees of freedom as clusters less one, where rows would have more.
    studentize : bool
        Keep an HC1 standard error of every draw, for `conf_int(interval="studentized")`; "pairs" and
        "bayesian" of linear regressions.
    progress : bool, optional
        None shows a bar in a terminal on work over a second.

    Returns
    -------
    Fit
        Its covariance is that of the draws, its limits are percentiles of them unless another
        `interval=` is asked for, and `draws` holds them.

    Raises
    ------
    NotIdentifiedError
        If this estimator does not have that bootstrap.
    ConvergenceError
        If more than a tenth of the refits have no solution.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt", si.datasets.load("mtcars")).bootstrap(199, kind="pairs", seed=1)
    >>> fit.draws.draws.shape
    (199, 2)
    """
    one_of("kind", kind, engine.KINDS)
    one_of("law", law, engine.LAWS)
    check_seed(seed)
    engine.check_replicas(replicas)
    name = _cluster(fit, cluster)
    if fit.redraw is not None:
        _check_blocks(kind, studentize)
        made = fit.redraw(
            fit.theta[fit.estimable], replicas=replicas, kind=kind, law=law, seed=seed, cluster=name, show=progress
        )
        return _with_draws(fit, made)
    if kind != "multiplier" or fit.source is None:
        fit._need_rows("bootstrap draws")
    design = fit.design
    codes = None if name is None else fit.drawn_codes(name)
    theta = fit.theta[fit.estimable]
    if studentize and kind not in ("pairs", "bayesian"):
        raise OptionError(f"studentize=True needs refits; use kind='pairs' or 'bayesian', not {kind!r}.")
    weights = None if design is None else design.weights_object
    if studentize and weights is not None:
        # Each draw's own standard error would have to account for its own estimated weights.
        raise NotIdentifiedError("studentised intervals take weights as known; use interval='bca' with estimated ones.")
    if kind in ("multiplier", "wild"):
        influence, codes, count = _influence(fit, kind, name, codes)
        made = engine.one_step(theta, influence, replicas=replicas, seed=seed, law=law, clusters=codes, show=progress)
        made = replace(made, kind=kind, clusters=count)
    else:
        assert design is not None
        if weights is not None and not (hasattr(weights, "resolve") and np.array_equal(weights.used, design.rows)):
            raise NotIdentifiedError(
                f"kind={kind!r} would keep the estimated weights fixed in every replica; use kind='multiplier', "
                "which re-estimates them."
            )
        made = _refits(fit, theta, replicas, kind, seed, codes, studentize, progress)
    return _with_draws(fit, made, covariance(fit.moments(), "HC1") if studentize else None)


def keep_undrawn(fit: Fit, start: Covariance | None = None) -> dict[str, Covariance]:
    """The covariances that a fit keeps, with that of before its draws and `start`, which studentised limits start from."""
    kept = dict(fit.kept_covariances) | {"before bootstrap": fit._undrawn}
    return kept if start is None else kept | {"studentised": start}


def drawn_covariance(fit: Fit, made: engine.Bootstrap) -> Covariance:
    """That of draws, with the degrees of freedom of before them, or those of the drawn clusters where these are fewer."""
    df = fit._undrawn.df
    if np.isnan(df):  # of a fit that had no covariance
        df = np.inf if fit.normal_reference else fit.df_resid
    return Covariance(made.covariance, "bootstrap", made.label, made.freedom(df), made.root)


def combined_draws(
    redraw: Callable[..., engine.Bootstrap], jacobian: np.ndarray, theta: np.ndarray, **options: Any
) -> engine.Bootstrap:
    """Draws of what is linear, or taken for it, in an estimate that can be drawn itself."""
    combine = options.pop("combine", None)
    return redraw(theta, combine=jacobian if combine is None else combine @ jacobian, **options)


def _check_blocks(kind: str, studentize: bool) -> None:
    """Refuse what refits rows, for data that are read in blocks."""
    if kind not in ("multiplier", "wild"):
        raise NotIdentifiedError(
            f"kind={kind!r} refits the rows of each replica, which data read in blocks do not give; use kind='multiplier', or fit "
            "rows in memory."
        )
    if studentize:
        raise OptionError(
            "studentize=True needs refits of rows in memory; leave it out on data that are read in blocks."
        )


def _with_draws(fit: F, made: engine.Bootstrap, start: Covariance | None = None) -> F:
    """The fit with its draws; `start` is the covariance that studentised limits start from, if there are some."""
    return replace(fit, cov=drawn_covariance(fit, made), draws=made, kept_covariances=keep_undrawn(fit, start))


def _influence(
    fit: Fit, kind: str, name: str | None, codes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Influence values that multipliers perturb, with those of rows that only helped to estimate the weights, and clusters.

    Beside them how many clusters hold rows of the fit.
    """
    if kind == "wild" and codes is None:
        return fit.wild_influence(), None, 0
    moments = fit.moments()
    influence = fit.wild_influence() if kind == "wild" else moments.influence
    seen = np.ones(len(influence), bool) if moments.observed is None else moments.observed
    if kind == "multiplier" and moments.outside is not None:
        outside = moments.outside_influence
        assert outside is not None
        if name is not None:
            clusters = clusters_of(fit._need_rows("bootstrap draws"), (name,))
            codes = joined_codes(replace(moments, present=np.ones(len(moments.scores), bool)), clusters, name)
        influence = np.concatenate([influence, outside])
        seen = np.append(seen, np.ones(len(outside), bool))
    if codes is None:
        return influence, None, 0
    # A cluster of rows of weight zero is absent, unless the weights of others were estimated from it.
    seen = seen | influence.any(axis=1)
    own = np.arange(len(seen)) < len(moments.scores)
    return influence[seen], without_gaps(codes[seen]), len(np.unique(codes[seen & own]))


def _cluster(fit: Fit, cluster: Any) -> str | None:
    """The column whose clusters are drawn."""
    name = cluster
    kind = fit._undrawn_kind
    if name is None and is_dependent(kind):
        raise NotIdentifiedError(
            f"the bootstrap draws rows, or clusters, that are independent, which {next(iter(kind))!r} standard errors take "
            "them not to be; name clusters that are, with cluster='column', or change the covariance first."
        )
    if name is None and isinstance(kind, dict):
        name = kind["cluster"]
    if name is not None and not isinstance(name, str):
        raise OptionError(
            "the bootstrap draws one kind of cluster; give bootstrap(cluster='column'), or take "
            "fit.with_vcov({'cluster': 'column'})."
        )
    return name


def _refit_with_weights(fit: Fit, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
    """The solver of refits; estimated weights are estimated again in every replica."""
    design = fit._need_rows("bootstrap draws")
    weights = design.weights_object
    if weights is None:
        return fit.refit_solver(studentize)
    inner = replace(fit, design=replace(design, weights=np.ones(design.n), weights_object=None)).refit_solver(
        studentize
    )

    def solve(multipliers: np.ndarray) -> np.ndarray:
        resolved = weights.resolve(multipliers)
        bad = np.isnan(resolved).any(axis=1)
        out = inner(np.where(bad[:, None], 1.0, resolved))
        out[bad] = np.nan
        return out

    return solve


def _drawn_rows(fit: Fit, q: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Influence values (n, q), and which rows are drawn (n,), None for all; refits need no influence, which is NaN without."""
    try:
        moments = fit.moments()
        return moments.influence, moments.observed
    except NotIdentifiedError:
        seen = fit._need_rows("bootstrap draws").weights > 0
        return np.full((len(seen), q), np.nan), None if seen.all() else seen


def _refits(
    fit: Fit,
    theta: np.ndarray,
    replicas: int,
    kind: str,
    seed: int,
    codes: np.ndarray | None,
    studentize: bool,
    show: bool | None,
) -> engine.Bootstrap:
    refit = _refit_with_weights(fit, studentize)
    influence, seen = _drawn_rows(fit, len(theta))
    if seen is not None:  # rows of weight zero are not drawn
        influence = influence[seen]
        codes = None if codes is None else np.unique(codes[seen], return_inverse=True)[1]

    def solve(drawn: np.ndarray) -> np.ndarray:
        if seen is None:
            return refit(drawn)
        spread = np.zeros((len(drawn), len(seen)))
        spread[:, seen] = drawn
        return refit(spread)

    units = len(influence) if codes is None else int(codes.max()) + 1
    out = engine.map_replicas(solve, units, replicas, kind=kind, seed=seed, clusters=codes, show=show)
    good = np.isfinite(out).all(axis=1)
    failed = int((~good).sum())
    if failed > replicas / 10:
        raise ConvergenceError(
            f"{failed} of {replicas} bootstrap refits have no solution (a level or a direction of the design is not drawn); "
            "use kind='bayesian', which keeps every row, or kind='multiplier'."
        )
    q = len(theta)
    errors = out[good, q:] if studentize else None
    clusters = 0 if codes is None else units
    summed = influence if codes is None else engine.cluster_sums(influence, codes)
    return engine.Bootstrap(
        out[good, :q], kind, "", seed, engine.acceleration(summed), errors, clusters=clusters, failed=failed
    )
