"""False discovery rate and power of `si.conformal_select` in the papers' simulations, beside what it is compared with there.

Settings 1 to 8 of Jin and Candes (2023) with the clip and the residual score; covariate shift with a known density ratio;
and the choice among eight models of Bai and Jin (2024) beside a random model, the model that selects most (naive) and a
choice on a part of the calibration rows (split). Run as ``python -m benchmarks.selection_fdr [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si
from statinf.conformity.selection.scores import select_from_scores

SIGMA = 0.5
FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(1, 21))


def mean_of(setting: int, X: np.ndarray) -> np.ndarray:
    """Conditional mean in settings 1 to 8 of the conformal selection paper."""
    x1, x2, x3, x4 = X.T[:4]
    product = x1 * x2
    if setting == 1:
        return 4.0 * np.where(product > 0, np.maximum(x4, 0.5), np.minimum(x4, -0.5))
    if setting in (2, 3, 4):
        return 5.0 * (product + np.exp(x4 - 1.0))
    if setting == 5:
        return ((product > 0) & (x4 > 0.5)) * (0.25 + x4) + ((product <= 0) & (x4 < -0.5)) * (x4 - 0.25)
    return 2.0 * (product + x3**2 + np.exp(x4 - 1.0) - 1.0)


def spread_of(setting: int, mu: np.ndarray) -> np.ndarray:
    """Conditional standard deviation."""
    size = np.abs(mu)
    if setting in (1, 5):
        return np.full(len(mu), SIGMA)
    if setting in (2, 6):
        return np.full(len(mu), 1.5 * SIGMA)
    if setting in (3, 7):
        return np.maximum(5.5 - size, 0.0) / 2.0 * SIGMA
    return SIGMA * (0.25 * mu**2 * (size < 2.0) + 0.5 * size * (size >= 1.0))


def draw(setting: int, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """A sample of a setting: x1 to x20 and y."""
    X = rng.uniform(-1.0, 1.0, (n, 20))
    mu = mean_of(setting, X)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(1, 21)])
    return frame.assign(y=mu + spread_of(setting, mu) * rng.standard_normal(n))


def rates(selected: np.ndarray, passes: np.ndarray) -> tuple[float, float]:
    """False discovery proportion and power of one selection."""
    return float((selected & ~passes).sum() / max(1, selected.sum())), float(
        (selected & passes).sum() / max(1, passes.sum())
    )


def plain(setting: int, seed: int, levels: tuple[float, ...]) -> dict[tuple[str, float], tuple[float, float]]:
    """Clip and residual scores of one forest, on one sample."""
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng([setting, seed])
    data, new = draw(setting, 2000, rng), draw(setting, 500, rng)
    model = RandomForestRegressor(50, max_depth=5, max_features=0.5, random_state=seed)
    out = {}
    for score in ("clip", "residual"):
        fit = si.conformal_select(FORMULA, data, new, models=model, score=score, seed=seed)
        curve = fit.fdp_curve(levels, newdata=new)
        for row in curve.itertuples():
            out[score, row.fdr] = (row.fdp, row.power)
    return out


def shifted(seed: int, levels: tuple[float, ...]) -> dict[tuple[str, float], tuple[float, float]]:
    """New rows drawn with density ratio exp(-2 x1 x2) of setting 2, with and without the weights."""
    rng = np.random.default_rng([99, seed])
    data, pool = draw(2, 1000, rng), draw(2, 4000, rng)
    ratio = lambda frame: np.exp(-2.0 * frame["x1"] * frame["x2"]).to_numpy()  # noqa: E731
    new = pool[rng.random(len(pool)) < ratio(pool) / np.exp(2.0)].head(300)
    passes = (new["y"] > 0.0).to_numpy()
    out = {}
    kinds = {"unweighted": {}} | {
        p: {"weights": ratio, "pruning": p} for p in ("deterministic", "heterogeneous", "homogeneous")
    }
    for name, options in kinds.items():
        for q in levels:
            fit = si.conformal_select(FORMULA, data, new, models="ridge", fdr=q, seed=seed, **options)
            out[name, q] = rates(fit.selected.to_numpy(), passes)
    return out


def eight_models(seed: int) -> list:
    """Ridge, lasso, support vectors, forest, neighbours, and boosted quantiles."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import Lasso, Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.svm import SVR

    boosted = [
        GradientBoostingRegressor(loss="quantile", alpha=a, n_estimators=50, random_state=seed)
        for a in (0.25, 0.5, 0.75)
    ]
    return [
        Ridge(),
        Lasso(0.01),
        SVR(),
        RandomForestRegressor(50, max_depth=5, random_state=seed),
        KNeighborsRegressor(10),
        *boosted,
    ]


def best_of(setting: int, seed: int, levels: tuple[float, ...]) -> dict[tuple[str, float], tuple[float, float]]:
    """The choice among eight models on one sample of 200 training, 150 calibration and 100 new rows."""
    rng = np.random.default_rng([50, setting, seed])
    train, old, new = (draw({1: 5, 2: 6, 4: 7}[setting], n, rng) for n in (200, 150, 100))
    columns = [c for c in train if c != "y"]
    margins, T = [], []
    for model in eight_models(seed):
        fitted = model.fit(train[columns], train["y"])
        margins.append(-fitted.predict(old[columns]))
        T.append(-fitted.predict(new[columns]))
    margins, T, passes = np.array(margins), np.array(T), (new["y"] > 0.0).to_numpy()
    C = np.where(old["y"] > 0.0, np.inf, margins)
    half, quarter = len(old) // 2, len(old) // 4
    out = {}
    for q in levels:
        each = [select_from_scores(c, t, fdr=q) for c, t in zip(C, T, strict=True)]
        # The choice on a part of the calibration rows: a quarter of them stands in for new rows.
        tried = [select_from_scores(c[:quarter], m[quarter:half], fdr=q).sum() for c, m in zip(C, margins, strict=True)]
        k = int(np.argmax(tried))
        kinds = {
            "random": each[int(rng.integers(len(C)))],
            "naive": each[int(np.argmax([e.sum() for e in each]))],
            "split": select_from_scores(C[k][half:], T[k], fdr=q),
        }
        for pruning in ("deterministic", "heterogeneous", "homogeneous"):
            kinds[pruning] = select_from_scores(C, T, fdr=q, pruning=pruning, seed=seed)
        out |= {(name, q): rates(selected, passes) for name, selected in kinds.items()}
    return out


def pooled(seed: int, levels: tuple[float, ...]) -> dict[tuple[str, float], tuple[float, float]]:
    """Selection without a split beside one, ridge regression of labels, 200 labelled and 100 new rows of a linear mean."""
    rng = np.random.default_rng([70, seed])
    X = rng.uniform(-1.0, 1.0, (300, 5))
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(1, 6)])
    frame["y"] = 2.0 * X[:, 0] - X[:, 1] - 0.5 + rng.standard_normal(300) * (0.5 + np.abs(X[:, 2]))
    data, new = frame.iloc[:200], frame.iloc[200:]
    passes = (new["y"] > 0.0).to_numpy()
    formula, out = "y ~ x1 + x2 + x3 + x4 + x5", {}
    calls = {
        "cs, label": {"method": "cs", "models": "ridge", "fit_to": "label"},
        "optcs-full": {"method": "optcs-full", "models": "ridge"},
        "optcs-full-msel": {"method": "optcs-full-msel", "models": ["ridge", "lm", "kernel_ridge"]},
    }
    for name, options in calls.items():
        for q in levels:
            fit = si.conformal_select(formula, data, new, fdr=q, seed=seed, **options)
            out[name, q] = rates(fit.selected.to_numpy(), passes)
    return out


def table(title: str, runs: list[dict[tuple[str, float], tuple[float, float]]]) -> list[str]:
    """Mean false discovery proportion, its standard error and mean power, one row per kind, two columns per level."""
    names = list(dict.fromkeys(name for name, _ in runs[0]))
    levels = list(dict.fromkeys(q for _, q in runs[0]))
    lines = ["", f"## {title}, {len(runs)} replications", ""]
    lines.append("| | " + " | ".join(f"FDR at {q:g} | power at {q:g}" for q in levels) + " |")
    lines.append("|:---|" + "---:|---:|" * len(levels))
    for name in names:
        cells = []
        for q in levels:
            found = np.array([run[name, q] for run in runs])
            error = found[:, 0].std(ddof=1) / np.sqrt(len(runs))
            share = found[:, 0].mean()
            shown = f"{share:.3f} ({error:.3f})"
            cells += [shown if share <= q + 2.0 * error else f"**{shown}**", f"{found[:, 1].mean():.3f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(replications: int = 200) -> None:
    """Run every part and write the tables."""
    lines = [
        "# False discovery rate and power of conformal selection",
        "",
        "Mean false discovery proportion (its standard error) and mean share of the rows that pass which is selected. Bold: "
        "above the level by more than two standard errors.",
    ]
    few = max(4, replications // 5)
    for setting in range(1, 9):
        runs = [plain(setting, seed, (0.1, 0.2)) for seed in range(few)]
        lines += table(f"Setting {setting}: 1000 training, 1000 calibration and 500 new rows, one forest", runs)
    runs = [shifted(seed, (0.1, 0.2)) for seed in range(replications)]
    lines += table("Covariate shift exp(-2 x1 x2) of setting 2, ridge regression, known ratio", runs)
    for setting in (1, 2, 4):
        runs = [best_of(setting, seed, (0.2, 0.3, 0.5)) for seed in range(replications)]
        lines += table(f"Choice among eight models, setting {setting} of that paper", runs)
    lines += table("Without a split", [pooled(seed, (0.1, 0.2)) for seed in range(replications)])
    target = Path(__file__).resolve().parent / "results" / "selection_fdr.md"
    target.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
