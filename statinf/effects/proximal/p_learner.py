"""The P-learner: conditional effects with proxies of an unmeasured confounder.

Sverdrup and Cui (2023), "Proximal causal learning of conditional average treatment effects", ICML, arXiv 2301.10913.

Estimand: tau(x) = E[Y(1) - Y(0) | X = x], and its best linear approximation. Assumptions: treatment proxies Z do not affect the
outcome, treatment and Z do not affect the outcome proxies W, overlap given covariates and confounder, proxies as rich as the
confounder, and bridges h and q with E[Y | Z, A, X] = E[h(W, A, X) | Z, A, X] and 1 / P(A = a | W, X) = E[q(Z, a, X) | W, A = a, X].

The score ``psi = (2A - 1) q (Y - h) + h(W, 1, X) - h(W, 0, X)`` has mean tau(X) given X if either bridge is right, and its error is
the product of theirs. It is regressed on the modifiers of the effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import one_blas_thread
from statinf.effects.options import check_folds
from statinf.effects.proximal.bridges import Bridges, kernel_bridges, parametric_bridges
from statinf.effects.proximal.curve_fit import PLearnerFit
from statinf.effects.proximal.method import ProximalMethod
from statinf.effects.proximal.rows import ProximalProblem
from statinf.effects.proximal.scores import Averages, averages, projection
from statinf.effects.proximal.strength import proxy_strength, warn_weak
from statinf.errors import NumericalWarning, OptionError, issue_warning
from statinf.formula.design import Design
from statinf.formula.given import aligned
from statinf.learners.crossfit import fold_ids
from statinf.learners.linear import LeastSquares
from statinf.learners.nuisance import over_mean
from statinf.learners.registry import resolve
from statinf.results import Estimate
from statinf.results.options import Options, choice, number, value


def _learner(name: str, given: Any) -> Any:
    resolve(given, "mean", name)
    return given


@dataclass(frozen=True, kw_only=True)
class PLearnerOptions(Options):
    """Options of the P-learner."""

    bridge: str = choice(
        "parametric", ("parametric", "kernel"), "outcome bridge linear with effects that vary, treatment bridge one plus an "
        "exponential; or both from kernels, cross-fitted",
    )  # fmt: skip
    final: Any = value(
        "lm", "learner of the effect from the scores; with others than least squares predictions have no limits",
        "a learner's name, or an object with fit and predict", _learner,
    )  # fmt: skip
    folds: Any = value(
        None, "folds of cross-fitting: none for parametric bridges, of kernels 5, or 10 of fewer than 1000 rows",
        "a whole number of at least 1, or one label per row", check_folds,
    )  # fmt: skip
    cap: float = number(50.0, "largest value of the treatment bridge, an inverse probability; the least is 1", low=1.0)
    ridge: float | None = number(
        None, "penalty on both kernel bridges; unless given, chosen by three inner folds", low=0.0, open_low=True, also=(None,)
    )  # fmt: skip


def estimate(problem: ProximalProblem, options: PLearnerOptions) -> tuple[Design, Estimate]:
    """Coefficients of the effect on its modifiers, and the average effect in three ways."""
    if not problem.binary:
        raise OptionError(
            f"method='p-learner' compares two arms; '{problem.name}' has more values. Use method='p2sls' for a dose."
        )
    design, v = problem.design, problem.design.weights
    phi = problem.covariates if problem.modifiers is None else problem.modifiers.with_intercept()
    x, z, w = (problem.standard(m) for m in (problem.covariates, problem.z, problem.w))
    exogenous = np.column_stack([np.ones(design.n), problem.a - np.average(problem.a, weights=v), x])
    strength = proxy_strength(exogenous, z, w, problem.y, v, problem.w.names)
    warn_weak(strength)
    folds = _folds(problem, options)
    with one_blas_thread():
        if options.bridge == "kernel":
            assert folds is not None
            found = kernel_bridges(problem, x, z, w, folds, options.ridge, options.cap)
        else:
            modifiers = problem.standard(phi)
            found = parametric_bridges(problem, x, z, w, modifiers, folds, options.cap)
    _warn(problem, found, options)
    told = averages(design, found, tuple(problem.clusters))
    final = resolve(options.final, "mean", "final")
    terms, made = projection(problem, phi, found)
    learnt = (
        None
        if isinstance(final, LeastSquares)
        else final.fit(phi.rest.values, found.psi, over_mean(v), seed=problem.seed)
    )
    facts = _facts(problem, found, told, strength.cragg_donald, options)
    extra = {
        "treatment": problem.name,
        "phi_names": phi.names,
        "effect_recipe": problem.recipe,
        "aliases": made.aliases,
        "averages": told,
        "bridges": found,
        "learnt": learnt,
        "proxy_strength": strength.cragg_donald,
        "learner": "lm" if learnt is None else str(options.final) if isinstance(options.final, str) else "own",
    }
    return design, Estimate(
        terms=terms,
        theta=made.theta,
        moments=made.moments,
        nobs=made.nobs,
        df_resid=made.df_resid,
        facts=facts,
        extra=extra,
    )


def _folds(problem: ProximalProblem, options: PLearnerOptions) -> np.ndarray | None:
    """Fold numbers (n,); None for bridges that are learnt and evaluated on all rows."""
    design, given, n = problem.design, options.folds, problem.design.n
    whole = min(problem.clusters.values(), key=lambda codes: int(codes.max()), default=None)
    if np.ndim(given) == 1:
        labels = np.asarray(aligned(given, design.frame, "folds", design.rows))
        labels = labels[design.rows] if len(labels) == design.n_total != n else labels
        return fold_ids(n, labels)
    if given is None:
        given = 1 if options.bridge == "parametric" else 10 if n < 1000 else 5
        most = n if whole is None else len(np.unique(whole))
        given = min(given, most)
    if given == 1:
        if options.bridge == "kernel":
            raise OptionError("folds=1: kernel bridges must not see the rows that they are evaluated on; give folds=5.")
        return None
    return fold_ids(n, int(given), seed=problem.seed, strata=problem.a, groups=whole)


def _warn(problem: ProximalProblem, found: Bridges, options: PLearnerOptions) -> None:
    if not found.root:
        issue_warning(
            f"the equations of the treatment bridge have no root (largest moment left {found.residual:.2g}); it is their least "
            "squares solution, and the effect rests on the outcome bridge.",
            NumericalWarning,
        )
    if found.capped > 0.01:
        issue_warning(
            f"{100 * found.capped:.1f}% of the treatment bridge's values exceed cap={options.cap:g} and were moved to it: some "
            "rows have hardly a counterpart in the other arm.",
            NumericalWarning,
        )
    for arm in (0, 1):
        off = (problem.a == arm) * found.q - 1.0
        mean = float(np.average(off, weights=problem.design.weights))
        se = float(np.std(off) / np.sqrt(len(off)))
        if abs(mean) > 3 * se and found.root:
            issue_warning(
                f"the treatment bridge does not average to one in arm {arm} (off by {mean:.3g}, {abs(mean) / se:.1f} standard "
                "errors): as an inverse probability it is wrong.",
                NumericalWarning,
            )


def _facts(
    problem: ProximalProblem, found: Bridges, told: Averages, strength: float, options: PLearnerOptions
) -> dict[str, Any]:
    facts: dict[str, Any] = {} if problem.arms is None else dict(problem.arms.facts)
    facts |= {
        "Treatment proxies": ", ".join(problem.z.names),
        "Outcome proxies": ", ".join(problem.w.names),
        "Proxy strength (Cragg-Donald F)": strength,
        "Bridges": options.bridge,
        "Treatment bridge": f"{found.q.min():.3g} to {found.q.max():.3g}, {100 * found.capped:.1f}% capped",
    }
    return facts | told.facts()


METHOD = ProximalMethod(
    verb="proximal",
    name="p-learner",
    estimate=estimate,
    options=PLearnerOptions,
    fit=PLearnerFit,
    summary="the P-learner: scores of two bridges, doubly robust, regressed on the modifiers of the effect",
    citation="Sverdrup and Cui (2023)",
    arxiv="2301.10913",
    guarantee="consistent if either bridge is right; errors of the two bridges multiply",
    vignette="proximal",
)
