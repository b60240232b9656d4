"""Compare every stored R number with the formulas of ``conventions.py``.

Run: ``PYTHONPATH=tests python -m reference.check`` prints the worst relative error of each case, and by name what
is above 1e-8.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from . import Case, cases
from .conventions import (
    Problem,
    clustered,
    diagnostics,
    glm_stats,
    hc,
    lm_stats,
    mean_function,
    one_way,
    problem,
    satterthwaite,
)


def error(got: Any, want: Any, floor: float = 1e-12) -> float:
    """Largest error, relative to the larger of the entry and, for a covariance, its two variances."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    scale = np.abs(want)
    if want.ndim == 2 and want.shape[0] == want.shape[1]:
        scale = np.maximum(scale, np.sqrt(np.abs(np.outer(np.diag(want), np.diag(want)))))
    use = ~np.isnan(want)
    return float(np.max(np.abs(got - want)[use] / np.maximum(scale, floor)[use], initial=0.0))


def check(case: Case) -> dict[str, float]:
    """Worst error by quantity."""
    p = problem(case)
    glm = case.family is not None
    phi = p.dispersion if case.family not in ("binomial", "poisson") else 1.0
    size = np.abs(p.w[:, None] * p.x).T @ (np.abs(p.x) @ np.abs(p.beta))
    out = {"score": float(np.max(np.abs(p.scores.sum(axis=0)) / size))}
    covariances = {"const": phi * p.inverse}
    for kind, want in case["vcov"].items():
        covariances[kind] = phi * p.inverse if kind == "const" else hc(p, kind)
        out[kind] = error(covariances[kind], want)
    for item in case.get("vcov_cluster"):
        got = clustered(p, item["cluster"], item["type"], item["cadjust"], item["multi0"])
        label = f"{'+'.join(item['cluster'])} {item['type']} {item['cadjust']:d}{item['multi0']:d}"
        out[label] = error(got, item["vcov"])
    for item in case.get("vcov_cluster_small_sample"):
        groups = p.frame[item["cluster"][0]].to_numpy()
        out["CR2"] = error(one_way(p, groups, "HC2", False), item["CR2"])
        out["CR3"] = error(one_way(p, groups, "HC3", False), item["CR3"])
        out["CR2 df"] = error(satterthwaite(p, groups), item["df_satterthwaite"])
    for key, value in (glm_stats(p, case.family or "") if glm else lm_stats(p)).items():
        if case["stats"][key] is not None:
            out[key] = error(value, case["stats"][key])
    out |= prediction_errors(p, case, phi)
    if "vcov_cluster" in case:  # vcovCL's default: HC1 for lm, HC0 with the cluster factor otherwise
        covariances["cluster"] = case["vcov_cluster"][1 if glm else 2]["vcov"]
    for key, table in case["tables"].items():
        se = np.sqrt(np.diag(covariances[key]))
        low = p.beta - se * (stats.norm.ppf(0.975) if glm else stats.t.ppf(0.975, p.df))
        out[f"table {key}"] = max(error(se, table["std_error"]), error(low, table["conf_low"]))
    out |= hypothesis_errors(p, case, covariances)
    shown = case["diagnostics"]["rows"].astype(int)
    for key, value in diagnostics(p, phi, case.family).items():
        if key in case["diagnostics"]:
            out[key] = error(value[shown], case["diagnostics"][key], floor=1e-6)
    return out


def hypothesis_errors(p: Problem, case: Case, covariances: dict[str, np.ndarray]) -> dict[str, float]:
    """Wald tests and the delta method, whose gradient is taken with a complex step."""
    out: dict[str, float] = {}
    for test in case["wald_tests"]:
        contrast, vcov = np.atleast_2d(test["L"]), covariances[test["vcov"]]
        gap, q = contrast @ p.beta - test["rhs"], len(contrast)
        chisq = gap @ np.linalg.solve(contrast @ vcov @ contrast.T, gap)
        key = f"wald {test['vcov']}"
        p_f = stats.f.sf(chisq / q, q, p.df)
        p_chisq = stats.chi2.sf(chisq, q)
        errors = [error(chisq, test["chisq"]), error(p_f, test["p_F"]), error(p_chisq, test["p_chisq"])]
        out[key] = max(out.get(key, 0.0), *errors)
    names = [name for name, keep in zip(case["terms_r"], case.estimable, strict=True) if keep]
    for item in case.get("delta_method"):
        text = item["expression"].replace("^", "**")

        def value(beta: np.ndarray, text: str = text) -> complex:
            scope = {"exp": np.exp} | dict(zip(names, beta, strict=True))
            return complex(pd.eval(text, engine="python", local_dict=scope))

        step = 1e-30 * np.eye(len(names))
        gradient = np.array([value(p.beta + 1j * row).imag for row in step]) / 1e-30
        se = np.sqrt(gradient @ covariances[item["vcov"]] @ gradient)
        errors = [error(value(p.beta).real, item["estimate"]), error(se, item["std_error"])]
        out["delta"] = max(out.get("delta", 0.0), *errors)
    return out


def prediction_errors(p: Problem, case: Case, phi: float) -> dict[str, float]:
    want = case["prediction"]
    eta = p.new_x @ p.beta + p.new_offset
    se = np.sqrt(phi * ((p.new_x @ p.inverse) * p.new_x).sum(axis=1))
    if case.family is None:
        half = stats.t.ppf(0.95, p.df) * np.sqrt(se**2 + phi)
        return {
            "fit": error(eta, want["fit"]),
            "se_fit": error(se, want["se_fit"]),
            "confidence": error(eta - stats.t.ppf(0.975, p.df) * se, want["confidence_95"]["lower"]),
            "prediction": error(eta - half, want["prediction_90"]["lower"]),
        }
    mu, slope, _ = mean_function(case.family, case.link or "", eta)
    return {
        "link": error(eta, want["link"]),
        "link_se": error(se, want["link_se"]),
        "response": error(mu, want["response"]),
        "response_se": error(np.abs(slope) * se, want["response_se"]),
    }


if __name__ == "__main__":
    limit = 1e-8
    for each in (*cases("r_lm"), *cases("r_glm")):
        errors = check(each)
        worst = {key: f"{value:.1e}" for key, value in errors.items() if value > limit}
        sys.stdout.write(f"{each.kind}/{each.name}: {max(errors.values()):.1e} {worst or ''}\n")
