"""`cate`: conditional average effects, all learners as one weighted regression of a pseudo-outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects import pseudo as ps
from statinf.effects.cate_fit import CATECurve, CATEFit
from statinf.effects.cate_problem import Problem
from statinf.effects.estimate import Splits
from statinf.effects.heterogeneity import aligned
from statinf.effects.options import Nuisances, choose_folds, known_propensity, learners
from statinf.effects.rows import EffectRows, effect_rows
from statinf.effects.table import METHODS
from statinf.errors import FormulaError, NotIdentifiedError, OptionError, one_of
from statinf.formula.design import design as read_design
from statinf.inference.sandwich import Covariance, Moments, check_kind
from statinf.learners.linear import LeastSquares
from statinf.learners.registry import resolve
from statinf.numerics.linear.least_squares import solve
from statinf.results import stack_scores
from statinf.results.listed import load_method

_TARGETS = {
    ("dr", "none"): "over all rows",
    ("dr", "ivw"): "with weights e(1 - e), where the arms overlap",
    ("u", "r"): "with weights e(1 - e), where the arms overlap",
}


def cate(
    formula: str,
    data: Any,
    *,
    method: str = "ivw",
    effect: str | None = None,
    pseudo: str | None = None,
    weighting: str | None = None,
    final: Any = None,
    learner: Any = None,
    outcome_model: Any = None,
    treatment_model: Any = None,
    propensity: Any = None,
    folds: Any = None,
    repeats: int = 1,
    clip: float = 0.01,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> CATEFit | CATECurve:
    """Estimate how the effect of a binary treatment varies with covariates.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`.
    data : data frame
        As `statinf.lm` takes it.
    method : {"s", "t", "x", "dr", "r", "u", "ivw"}
        A named pair of pseudo-outcome and weight; "ivw" is the doubly robust one with inverse-variance weights.
    effect : str, optional
        One-sided formula of the effect's modifiers, such as "~ age + C(region)"; all covariates by default.
    pseudo : {"dr", "u", "cov", "ipw", "plug-in"}, optional
        Another pseudo-outcome than the method's. "s" with "dr" takes both arms' outcomes from its one model.
    weighting : {"none", "ivw", "r", "arm", "u-ivw"}, optional
        Another weight: 1, e(1 - e), (A - e)^2, A e^2 + (1 - A)(1 - e)^2, or the inverse variance of "u" given
        the covariates. "arm" gives up robustness to a wrong outcome model.
    final : str or object, optional
        Learner of the second stage; least squares by default, whose coefficients have standard errors for
        "dr", "ivw" and "r".
    learner, outcome_model, treatment_model, propensity, folds, repeats, clip
        As in `statinf.effect`. The outcome model of "s" takes the treatment as a column; random features by
        default, as a linear one has the same effect for everybody. `folds=1` learns and predicts on all rows.
    vcov : str or mapping, optional
        HC1 by default.
    weights, cluster, seed, na_action, context, progress
        As in `statinf.effect`.

    Returns
    -------
    CATEFit or CATECurve
        Both have `predict`, `cate` (out-of-fold effects), `ate`, `blp`, `gate`, `gates`, `clan`,
        `calibration`, `rate` and `curve`; only the first has standard errors of its coefficients.

    References
    ----------
    Fisher (2023), arXiv 2307.09700; Nie and Wager (2021), arXiv 1712.04912; Kennedy (2023), arXiv 2004.14497;
    Kuenzel et al. (2019), arXiv 1706.03461.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("nsw")
    >>> fit = si.cate("re78 ~ treat | age + educ + nodegree + re74", data, method="r", effect="~ nodegree")
    >>> fit.terms
    ('treat', 'treat:nodegree')
    >>> fit.predict(data.head(2)).columns.tolist()
    ['estimate', 'std_error', 'conf_low', 'conf_high']
    """
    load_method([m for m in METHODS if m.verb == "cate"], "cate", method)
    recipe = _recipe(method, pseudo, weighting)
    if vcov is not None:
        check_kind(vcov)
    rows = effect_rows(formula, data, weights=weights, cluster=cluster, vcov=vcov, na_action=na_action, context=context)
    if rows.x.shape[1] == 0:
        raise OptionError("cate() needs covariates: write 'outcome ~ treatment | x1 + x2'.")
    phi, names, effect_recipe = _columns(rows, formula, effect)
    outcome_model = "random_features" if recipe.single and outcome_model is None and learner is None else outcome_model
    outcome, treatment = learners(learner, outcome_model, treatment_model, binary=True)
    options = Nuisances(
        outcome=outcome,
        treatment=treatment,
        folds=choose_folds(rows, folds, repeats, seed, whole=False),
        clip=clip,
        known=known_propensity(rows, propensity),
        seed=seed,
        progress=progress,
    )
    problem = Problem(rows, options, recipe, phi)
    second = resolve("lm" if final is None else final, "mean")
    common: dict[str, Any] = {
        "method": method,
        "formula": rows.design.recipe.formula,
        "citation": recipe.citation,
        "recipe": rows.design.recipe,
        "effect_recipe": effect_recipe,
        "kind": rows.design.kind,
        "treatment": rows.treatment,
        "phi_names": names,
        "final_learner": second,
        "problem": problem,
    }
    pair = (recipe.pseudo, recipe.weighting)
    if isinstance(second, LeastSquares) and pair in ps.ORTHOGONAL:
        return _linear(problem, names, common, vcov, cluster, pair)
    return _curve(problem, second, common)


def _recipe(method: str, pseudo: str | None, weighting: str | None) -> ps.Recipe:
    base = ps.LEARNERS[method]
    if pseudo is not None:
        one_of("pseudo", pseudo, ps.PSEUDO)
    if weighting is not None:
        one_of("weighting", weighting, ps.WEIGHTING)
    scored = method == "s" and pseudo == "dr"
    if method in ("x", "s", "t") and (pseudo, weighting) != (None, None) and not scored:
        raise OptionError(
            f"method={method!r} is one fixed pair; give pseudo= and weighting= with 'dr', 'r', 'u' or 'ivw' (or pseudo='dr' "
            "with 's')."
        )
    return replace(base, pseudo=pseudo or base.pseudo, weighting=weighting or base.weighting)


def _columns(rows: EffectRows, formula: str, effect: str | None) -> tuple[np.ndarray, tuple[str, ...], Any]:
    if effect is None:
        covariates = rows.design.part("covariates")
        assert covariates is not None
        return np.column_stack([np.ones(len(rows.y)), rows.x]), ("Intercept", *covariates.rest.names), None
    text = effect if effect.strip().startswith("~") else f"~ {effect}"
    matrix = aligned(text, rows.design).with_intercept()
    recipe = read_design(text, rows.design.frame.native, roles=("covariates",), response="none").recipe
    treatment = rows.design.recipe.parts[0]
    own = {c for f in treatment.factors for c in rows.design.recipe.factors[f].columns} | set(
        rows.design.recipe.response
    )
    guilty = sorted(set(recipe.columns) & own)
    if guilty:
        raise FormulaError(
            f"effect={effect!r} uses {', '.join(map(repr, guilty))}: effects vary with covariates, not with the "
            "treatment or the outcome."
        )
    return matrix.values, matrix.names, recipe


def _linear(
    problem: Problem, names: tuple[str, ...], common: dict[str, Any], vcov: Any, cluster: Any, pair: tuple[str, str]
) -> CATEFit:
    rows, phi = problem.rows, problem.phi
    thetas, moments, kept = [], [], np.ones(phi.shape[1], bool)
    nobs = int(np.count_nonzero(rows.w))
    for (product, weight), p in zip(problem.products, problem.predictions, strict=True):
        solution = solve(phi, product / weight, rows.w * weight)
        kept = solution.kept
        if not kept[0]:
            raise NotIdentifiedError("the weights of the final stage are all zero; there is no overlap.")
        x = phi[:, kept]
        fitted = x @ solution.coef[kept]
        unit = x * (product - weight * fitted)[:, None]
        adjustment = None
        if pair == ("dr", "ivw"):
            adjustment = x * (rows.w * ps.misspecification(rows.d, p, fitted))[:, None]
        stacked = stack_scores(rows.design.weights_object, rows.design.rows, unit)
        if adjustment is not None:
            # Part of the score itself; hat values are those of the weighted regression.
            stacked["adjustment"] = adjustment + (0.0 if stacked.get("adjustment") is None else stacked["adjustment"])
        moments.append(
            Moments(
                unit * rows.w[:, None],
                solution.inverse_gram,
                nobs,
                float(nobs - int(kept.sum())),
                columns=x,
                working=rows.w * weight,
                factor=solution.factor,
                **stacked,  # type: ignore[arg-type]
            )
        )
        thetas.append(solution.coef)
    every = np.stack(thetas)
    theta = np.median(every, axis=0)
    treatment = common["treatment"]
    fit = CATEFit(
        **common,
        nobs=nobs,
        terms=tuple(treatment if n == "Intercept" else f"{treatment}:{n}" for n in names),
        theta=theta,
        cov=Covariance(np.empty((0, 0)), "", "", np.inf),
        df_resid=float(nobs - int(kept.sum())),
        dropped=rows.design.dropped,
        design=rows.design,
        target=_TARGETS[pair],
        thetas=every,
        notes=_facts(problem),
        splits=Splits(
            every[:, kept],
            tuple(moments),
            label=", score of estimated weights" if pair == ("dr", "ivw") else "",
        ),
    )
    kind = vcov if vcov is not None else "HC1" if cluster is None else {"cluster": cluster}
    cov = fit._covariance(check_kind(kind))
    if rows.design.weights_object is None:
        cov = replace(cov, label=cov.label.replace(", weights estimated", ""))
    return replace(fit, cov=cov)


def _facts(problem: Problem) -> dict[str, Any]:
    p = problem.predictions[0]
    facts: dict[str, Any] = {"Pseudo-outcome": problem.recipe.pseudo, "Weighting": problem.recipe.weighting}
    if "propensity" in p:
        facts["Propensities"] = f"{p['propensity'].min():.3f} to {p['propensity'].max():.3f}"
    if problem.recipe.weighting != "none":
        w = problem.rows.w * problem.products[0][1]
        facts["Effective sample"] = float(w.sum() ** 2 / (w**2).sum())
    return facts


def _curve(problem: Problem, second: Any, common: dict[str, Any]) -> CATECurve:
    everyone = np.ones(len(problem.rows.y), bool)
    functions = tuple(problem.final(second, s, everyone) for s in range(len(problem.predictions)))
    coefficients = None
    if isinstance(second, LeastSquares):
        # The final stage is affine: its values at the origin and at unit vectors are its coefficients.
        k = problem.phi.shape[1]
        if problem.recipe.pseudo != "x":
            at = np.vstack([np.zeros(k), np.eye(k)[1:]])
            values = np.median([f(at, np.zeros((k, problem.rows.x.shape[1]))) for f in functions], axis=0)
            coefficients = np.append(values[0], values[1:] - values[0])
    return CATECurve(
        **common,
        nobs=int(np.count_nonzero(problem.rows.w)),
        coefficients=coefficients,
        functions=functions,
        notes={k: v for k, v in _facts(problem).items() if problem.recipe.pseudo != "x" or k != "Effective sample"},
    )
