"""Proximal two-stage least squares (Tchetgen Tchetgen, Ying, Cui, Shi and Miao, 2024, arXiv 2009.10982).

Estimand: the average effect of a treatment, where what confounds it is unmeasured but has proxies: treatment proxies Z that
do not affect the outcome, and outcome proxies W that neither treatment nor Z affects. Assumptions: at least as many Z as W,
proxies as rich as the confounder, and an outcome bridge E[Y | Z, A, X] = E[h(W, A, X) | Z, A, X] that is linear.

The bridge is solved by two-stage least squares with W endogenous and Z their instruments; treatment and covariates are their
own. Two separate regressions give the same estimate, and standard errors that are too small.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.effects.iv_problem import IVProblem
from statinf.effects.linear_iv import k_class_estimate, reduced
from statinf.effects.proximal.bridge_fit import ProximalFit
from statinf.effects.proximal.method import ProximalMethod
from statinf.effects.proximal.rows import ProximalProblem
from statinf.effects.proximal.strength import proxy_strength, warn_weak
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.results import Estimate
from statinf.results.options import Options


def as_instruments(problem: ProximalProblem) -> Design:
    """The bridge's equation as a model with instruments: outcome proxies endogenous, treatment and covariates exogenous."""
    extra, names = [problem.treatment.values], [problem.name]
    if problem.modifiers is not None:
        extra.append(problem.treatment.values * problem.modifiers.values)
        names += [f"{problem.name}:{m}" for m in problem.modifiers.names]
    rest = problem.covariates.rest
    values = np.column_stack([np.ones(problem.design.n), *extra, rest.values])
    parts = (
        _plain(problem.w.values, problem.w.names),
        _plain(values, ("Intercept", *names, *rest.names), intercept=True),
        _plain(problem.z.values, tuple(f"{n} (proxy)" if n in problem.w.names else n for n in problem.z.names)),
    )
    return replace(problem.design, parts=parts, roles=("treatment", "covariates", "instruments"))


def _plain(values: np.ndarray, names: tuple[str, ...], intercept: bool = False) -> Matrix:
    """Columns that are a term each."""
    return Matrix(np.asfortranarray(values), names, {n: slice(j, j + 1) for j, n in enumerate(names)}, intercept)


def estimate(problem: ProximalProblem, options: Options) -> tuple[Design, Estimate]:
    """The linear outcome bridge."""
    made = as_instruments(problem)
    iv = IVProblem(made, problem.spec, problem.clusters, None, problem.seed)
    columns = iv.columns
    found = proxy_strength(
        columns.exogenous, columns.instruments, columns.endogenous, columns.y, columns.weights, problem.w.names
    )
    warn_weak(found)
    estimated = k_class_estimate(iv, 1.0, reduced(iv), "Proximal two-stage least squares")
    facts = {k: v for k, v in estimated.facts.items() if k != "Instruments"}
    told = {} if problem.arms is None else problem.arms.facts
    facts = {
        **told,
        "Treatment proxies": ", ".join(problem.z.names),
        "Outcome proxies": ", ".join(problem.w.names),
        **facts,
        "Proxy strength (Cragg-Donald F)": found.cragg_donald,
        "Partial F": ", ".join(f"{n} {f:.4g}" for n, f in zip(problem.w.names, found.partial_f, strict=True)),
    }
    extra = dict(estimated.extra) | {
        "exposure": problem.name,
        "modifiers": () if problem.modifiers is None else problem.modifiers.names,
        "modifier_means": np.empty(0)
        if problem.modifiers is None
        else np.average(problem.modifiers.values, axis=0, weights=made.weights),
        "effect_recipe": problem.recipe,
        "proxy_strength": found.cragg_donald,
        "coded": problem.coded,
    }
    return made, replace(estimated, facts=facts, extra=extra)


METHOD = ProximalMethod(
    verb="proximal",
    name="p2sls",
    estimate=estimate,
    fit=ProximalFit,
    summary="proximal two-stage least squares: a linear outcome bridge, outcome proxies instrumented by treatment proxies",
    citation="Tchetgen Tchetgen et al. (2024)",
    arxiv="2009.10982",
    guarantee="root-n with a linear outcome bridge and proxies that are not weak",
    vignette="proximal",
)
