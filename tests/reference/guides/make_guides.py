"""Numbers of other software that the guides show: each with software, version and call, in guides.json.

Run with a Python that has the peers (pyfixest, statsmodels, marginaleffects, DoubleML, MAPIE, rdrobust) and with quantreg in
R, on tables that statinf brings: ``python make_guides.py FOLDER``, FOLDER holding them as CSV (`export_tables` of a Python
that has statinf writes them).
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TABLES = ("wage_panel", "k401ksubs", "engel", "senate", "mtcars", "mroz", "lalonde")


def export_tables(folder: str) -> None:
    """Write the tables that the guides use as CSV."""
    import statinf as si

    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        si.datasets.load(name).to_csv(Path(folder) / f"{name}.csv", index=False)


def entry(software: str, call: str, numbers: dict[str, float], version: str | None = None) -> dict[str, Any]:
    """Numbers with what made them."""
    return {"software": software, "version": version or metadata.version(software), "call": call, "numbers": numbers}


def fixest(read: Any) -> dict[str, Any]:
    """Linear and Poisson regressions with absorbed effects, clustered."""
    import pyfixest as pf

    d = read("wage_panel")
    linear = pf.feols("lwage ~ union + married + expersq | nr + year", d, vcov={"CRV1": "nr"})
    poisson = pf.fepois("hours ~ union + married | nr + year", d, vcov={"CRV1": "nr"})
    default = pf.feols("lwage ~ union + married + expersq | nr + year", d)
    numbers = {
        "union": linear.coef()["union"],
        "union, clustered by nr": linear.se()["union"],
        "union, default": default.se()["union"],
        "poisson union": poisson.coef()["union"],
        "poisson union, clustered by nr": poisson.se()["union"],
    }
    call = 'feols("lwage ~ union + married + expersq | nr + year", d, vcov={"CRV1": "nr"}); '
    call += 'fepois("hours ~ union + married | nr + year", d, vcov={"CRV1": "nr"})'
    made = entry("pyfixest", call, numbers)
    made["default vcov"] = str(default._vcov_type_detail)
    return made


def statsmodels(read: Any) -> dict[str, Any]:
    """Least squares and a logit with their default and robust errors."""
    import statsmodels.formula.api as smf

    d, m = read("mtcars"), read("mroz")
    ols = smf.ols("mpg ~ wt + hp + C(cyl)", d).fit()
    robust = smf.ols("mpg ~ wt + hp + C(cyl)", d).fit(cov_type="HC1", use_t=True)
    logit = smf.logit("inlf ~ nwifeinc + educ + exper + age + kidslt6", m).fit(disp=0)
    numbers = {
        "wt": ols.params["wt"],
        "wt, default": ols.bse["wt"],
        "wt, HC1": robust.bse["wt"],
        "logit educ": logit.params["educ"],
        "logit educ, default": logit.bse["educ"],
        "logit log-likelihood": logit.llf,
    }
    call = 'smf.ols("mpg ~ wt + hp + C(cyl)", d).fit(cov_type="HC1", use_t=True); smf.logit("inlf ~ ...", m).fit()'
    return entry("statsmodels", call, numbers)


def marginaleffects(read: Any) -> dict[str, Any]:
    """Average slopes and comparisons of a logit."""
    import statsmodels.formula.api as smf
    from marginaleffects import avg_comparisons, avg_slopes

    m = read("mroz").astype(float)
    logit = smf.logit("inlf ~ nwifeinc + educ + exper + age + kidslt6", m).fit(disp=0)
    slopes = avg_slopes(logit).to_pandas().set_index("term")
    steps = avg_comparisons(logit, variables="educ").to_pandas().set_index("term")
    numbers = {
        "slope of educ": slopes.loc["educ", "estimate"],
        "slope of educ, error": slopes.loc["educ", "std_error"],
        "one year of educ": steps.loc["educ", "estimate"],
        "one year of educ, error": steps.loc["educ", "std_error"],
    }
    return entry("marginaleffects", 'avg_slopes(logit); avg_comparisons(logit, variables="educ")', numbers)


def doubleml(read: Any) -> dict[str, Any]:
    """Partially linear and interactive models of eligibility for a 401(k), with given folds and linear learners."""
    import doubleml as dml
    import numpy as np
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    d = read("k401ksubs")
    x = ["inc", "incsq", "age", "agesq", "fsize", "marr", "pira"]
    folds = np.arange(len(d)) % 5
    split = [[(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(5)]]
    data = dml.DoubleMLData(d[["nettfa", "e401k", *x]], "nettfa", "e401k", x)
    logit = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-12))
    plr = dml.DoubleMLPLR(data, LinearRegression(), LinearRegression(), draw_sample_splitting=False)
    irm = dml.DoubleMLIRM(data, LinearRegression(), logit, draw_sample_splitting=False)
    numbers = {}
    for name, model in (("plr", plr), ("irm", irm)):
        model.set_sample_splitting(split)
        model.fit()
        numbers |= {name: float(model.coef[0]), f"{name}, error": float(model.se[0])}
    call = "DoubleMLPLR(data, LinearRegression(), LinearRegression()); DoubleMLIRM(data, LinearRegression(), logit); "
    call += "row i in fold i % 5"
    return entry("doubleml", call, numbers)


def mapie(read: Any) -> dict[str, Any]:
    """Split and jackknife+ intervals around least squares for the first row of a table."""
    import numpy as np
    from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
    from sklearn.linear_model import LinearRegression

    d = read("lalonde")
    x = d[["age", "educ", "re74", "re75"]].to_numpy(float)
    y = d["re78"].to_numpy(float)
    calibrates = np.arange(len(d)) % 2 == 0
    model = LinearRegression().fit(x[~calibrates], y[~calibrates])
    split = SplitConformalRegressor(model, confidence_level=0.9, prefit=True)
    split.conformalize(x[calibrates], y[calibrates])
    _, band = split.predict_interval(x[:1])
    plus = CrossConformalRegressor(LinearRegression(), confidence_level=0.9, method="plus", cv=-1)
    plus.fit_conformalize(x[:200], y[:200])
    _, jack = plus.predict_interval(x[:1])
    numbers = {
        "split lower": float(band[0, 0, 0]),
        "split upper": float(band[0, 1, 0]),
        "jackknife+ lower": float(jack[0, 0, 0]),
        "jackknife+ upper": float(jack[0, 1, 0]),
    }
    call = 'SplitConformalRegressor(model, confidence_level=0.9, prefit=True); CrossConformalRegressor(method="plus", cv=-1)'
    return entry("mapie", call, numbers)


def rdrobust(read: Any) -> dict[str, Any]:
    """The incumbents' advantage in the Senate."""
    from rdrobust import rdrobust as call

    d = read("senate")
    fit = call(d["vote"], d["margin"])
    numbers = {
        "conventional": float(fit.coef.iloc[0, 0]),
        "bias-corrected": float(fit.coef.iloc[1, 0]),
        "robust error": float(fit.se.iloc[2, 0]),
        "bandwidth": float(fit.bws.iloc[0, 0]),
    }
    return entry("rdrobust", "rdrobust(d['vote'], d['margin'])", numbers)


def quantreg(folder: str) -> dict[str, Any]:
    """Engel's food expenditures in R's quantreg."""
    code = """
    suppressMessages(library(quantreg)); d <- read.csv(file.path(commandArgs(TRUE)[1], "engel.csv"))
    fit <- rq(foodexp ~ income, tau = c(.25, .5, .75), data = d); one <- rq(foodexp ~ income, tau = .5, data = d)
    s <- summary(one, se = "nid")$coefficients; i <- summary(one, se = "iid")$coefficients
    k <- summary(one, se = "rank")$coefficients; f <- anova(fit)$table
    cat(sprintf("%.10g\\n", c(coef(one)[2], s[2, 2], i[2, 2], k[2, 2], k[2, 3], f$Tn)))
    cat(as.character(packageVersion("quantreg")), "\\n")
    """
    said = subprocess.run(["Rscript", "-e", code, folder], capture_output=True, text=True, check=True).stdout.split()
    names = ("income", "income, nid", "income, iid", "income, rank lower", "income, rank upper", "equal slopes F")
    call = 'summary(rq(foodexp ~ income, tau = .5, data = engel), se = "nid")'
    return entry("quantreg", call, dict(zip(names, map(float, said[:-1]), strict=True)), said[-1])


def main(folder: str) -> None:
    """Ask every peer and write guides.json."""
    import pandas as pd

    def read(name: str) -> Any:
        return pd.read_csv(Path(folder) / f"{name}.csv")

    peers = (fixest, statsmodels, marginaleffects, doubleml, mapie, rdrobust)
    made = {peer.__name__: peer(read) for peer in peers} | {"quantreg": quantreg(folder)}
    (HERE / "guides.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
