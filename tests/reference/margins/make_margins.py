"""Marginal effects by Python's marginaleffects on statsmodels fits; writes margins.json beside this file.

Run in an environment of its own: marginaleffects 0.6.0, statsmodels, polars before 2, pandas (versions stand in the file).

Its derivatives in the coefficients are forward differences, which are off by 2 % in the standard errors of some slopes. What it
gives by default stands under `as_given`; `std_error` is made with the same functions and five-point differences in steps of a
250th of each coefficient's standard error, and slopes with `eps` of a thousandth.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE.parent / "data"

MODELS = {
    "lm": ("mtcars", "ols", "mpg ~ wt * hp + C(cyl) + am", {}),
    "lm_hc3": ("mtcars", "ols", "mpg ~ wt * C(cyl) + I(hp**2) + hp", {"cov_type": "HC3"}),
    "lm_spline": ("mtcars", "ols", "mpg ~ bs(wt, df=4) + am * hp", {}),
    "lm_log": ("mtcars", "ols", "mpg ~ np.log(wt) * am + np.sqrt(hp) + np.exp(-disp / 100)", {}),
    "wls": ("mtcars", "wls", "mpg ~ wt * am + C(cyl)", {}),
    "logit": ("infert", "logit", "case ~ age + parity * spontaneous + C(education) + induced", {}),
    "logit_hc0": ("infert", "logit", "case ~ age * spontaneous + C(education)", {"cov_type": "HC0"}),
    "probit": ("infert", "probit", "case ~ age + I(age**2) + spontaneous * C(education)", {}),
    "poisson": ("warpbreaks", "poisson", "breaks ~ C(wool) * C(tension)", {}),
    "poisson_numeric": ("mtcars", "poisson", "carb ~ wt * hp + C(cyl)", {}),
}
ASKED = {
    "lm": [
        ("avg_slopes", {}),
        ("avg_slopes", {"by": "am"}),
        ("slopes", {"variables": "wt"}),
        ("avg_comparisons", {"variables": {"hp": 50, "cyl": "pairwise"}}),
        ("avg_comparisons", {"variables": {"hp": "sd", "wt": "iqr"}}),
        ("avg_comparisons", {"variables": {"hp": "minmax", "wt": "2sd"}}),
        ("avg_comparisons", {"variables": {"hp": [100, 200], "cyl": "sequential"}}),
        ("avg_predictions", {"by": "cyl"}),
        ("slopes", {"newdata": "mean"}),
        ("avg_slopes", {"variables": ["wt", "hp"], "slope": "eyex"}),
        ("avg_slopes", {"variables": ["wt", "hp"], "slope": "eydx"}),
        ("avg_slopes", {"variables": ["wt", "hp"], "slope": "dyex"}),
    ],
    "lm_hc3": [("avg_slopes", {}), ("avg_comparisons", {"comparison": "ratio"}), ("predictions", {})],
    "lm_spline": [
        ("avg_comparisons", {"variables": {"am": None}}),
        ("avg_predictions", {"by": "am"}),
        ("predictions", {}),
    ],
    "lm_log": [("avg_slopes", {}), ("slopes", {"variables": "wt"}), ("avg_predictions", {"by": "am"})],
    "wls": [
        ("avg_slopes", {}),
        ("avg_comparisons", {"wts": "qsec", "comparison": "ratio"}),
        ("avg_slopes", {"wts": "qsec"}),
    ],
    "logit": [
        ("avg_slopes", {}),
        ("avg_slopes", {"by": "education"}),
        ("slopes", {"variables": "age"}),
        ("avg_comparisons", {"variables": "spontaneous", "comparison": "ratio"}),
        ("avg_comparisons", {"variables": {"parity": 2}, "comparison": "lnor"}),
        ("avg_comparisons", {"variables": {"education": ["0-5yrs", "12+ yrs"]}, "comparison": "lift"}),
        ("avg_comparisons", {"variables": "education", "comparison": "lnratio"}),
        ("comparisons", {"variables": "education", "comparison": "ratio"}),
        ("predictions", {}),
        ("avg_predictions", {"by": ["education", "induced"]}),
        ("avg_slopes", {"variables": "age", "slope": "eyex"}),
        ("slopes", {"newdata": "mean"}),
    ],
    "logit_hc0": [("avg_slopes", {}), ("avg_comparisons", {"comparison": "lnor"}), ("avg_slopes", {"by": "education"})],
    "probit": [("avg_slopes", {}), ("slopes", {"variables": "age"}), ("avg_predictions", {"by": "education"})],
    "poisson": [
        ("avg_comparisons", {}),
        ("avg_comparisons", {"comparison": "ratio"}),
        ("avg_predictions", {"by": "tension"}),
    ],
    "poisson_numeric": [
        ("avg_slopes", {}),
        ("avg_slopes", {"variables": "wt", "slope": "eydx"}),
        ("slopes", {"variables": "hp"}),
    ],
}


def fitted(kind: str, formula: str, data, options):
    import numpy
    import statsmodels.formula.api as smf

    sys.modules[__name__].np = numpy  # formulas look names up here
    if kind == "wls":
        return smf.wls(formula, data, weights=data["qsec"]).fit(**options)
    if kind == "probit":  # by Fisher scoring, as R's glm
        import statsmodels.api as sm

        family = sm.families.Binomial(sm.families.links.Probit())
        return smf.glm(formula, data, family=family).fit(tol=1e-14, maxiter=200)
    made = getattr(smf, kind)(formula, data)
    tight = {} if kind == "ols" else {"disp": 0, "method": "newton", "tol": 1e-13, "maxiter": 100}
    return made.fit(**tight, **options)


def five_points(se):
    """The Jacobian of a function of coefficients by five-point differences."""
    import numpy as np
    from marginaleffects.uncertainty import _estimate_vector

    def jacobian(func, coefs, eps_vcov=None):
        b, columns = np.asarray(coefs, dtype=float), []
        for j, h in enumerate(0.004 * se):
            at = [_estimate_vector(func(b + k * h * np.eye(len(b))[j])) for k in (-2, -1, 1, 2)]
            columns.append((8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * h))
        return np.column_stack(columns)

    return jacobian


def called(me, verb, fit, asked):
    """The table as given, and with exact derivatives in the coefficients."""
    import numpy as np

    # Not as attributes: the package has functions of the same names.
    modules = [import_module(f"marginaleffects.{name}") for name in ("comparisons", "predictions", "uncertainty")]
    given, own = getattr(me, verb)(fit, **asked), modules[2].get_jacobian
    for module in modules:
        module.get_jacobian = five_points(np.sqrt(np.diag(fit.cov_params())))
    try:
        steps = {"eps": 1e-3} if "slopes" in verb else {}
        return given, getattr(me, verb)(fit, **asked, **steps)
    finally:
        for module in modules:
            module.get_jacobian = own


def main() -> None:
    import marginaleffects as me
    import pandas as pd

    warnings.simplefilter("ignore")
    out = []
    for name, (file, kind, formula, options) in MODELS.items():
        data = pd.read_csv(DATA / f"{file}.csv")
        # C() takes categories alone there.
        for column in {"cyl", "education", "wool", "tension"} & set(data):
            data[column] = data[column].astype(str).astype("category")
        fit = fitted(kind, formula, data, options)
        for verb, asked in ASKED[name]:
            try:
                given, found = called(me, verb, fit, asked)
            except Exception as error:
                print(name, verb, asked, type(error).__name__, str(error)[:150])
                continue
            table = found.data if hasattr(found, "data") else found
            keep = ["term", "contrast", *(b for b in [asked.get("by")] if isinstance(b, str))]
            keep += asked["by"] if isinstance(asked.get("by"), list) else []
            keep = [c for c in dict.fromkeys(keep) if c in table.columns]
            rows = {c: table[c].to_list()[:60] for c in [*keep, "estimate", "std_error"]}
            rows["as_given"] = given.data["std_error"].to_list()[:60]
            out.append({"model": name, "verb": verb, "asked": asked, "rows": rows})
    packages = ("marginaleffects", "statsmodels", "patsy", "numpy", "polars", "pandas")
    text = {
        "versions": {p: version(p) for p in packages},
        "models": {k: {"data": v[0], "kind": v[1], "formula": v[2], "options": v[3]} for k, v in MODELS.items()},
        "cases": out,
    }
    (HERE / "margins.json").write_text(json.dumps(text, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
