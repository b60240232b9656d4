"""Coverage of conditional and localised conformal sets by group, beside split conformal and Mondrian sets.

Errors spread by the sign of x and by two overlapping groups of rows; each replication fits, calibrates and predicts anew.
Run as ``python -m benchmarks.conditional_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEVEL = 0.9
NEAR = " | x + a + b"
METHODS = {
    "split": ("", {"method": "split"}),
    "mondrian, by a": (" | C(a) - 1", {"method": "mondrian"}),
    "conditional, a + b": (" | a + b", {"method": "conditional"}),
    "conditional, a + b + bs(x)": (" | a + b + bs(x, df=5, lower_bound=-2, upper_bound=2)", {"method": "conditional"}),
    "conditional, a + b, randomised": (" | a + b", {"method": "conditional", "randomize": True}),
    "localized, x + a + b": (NEAR, {"method": "localized"}),
    "localized, x + a + b, not randomised": (NEAR, {"method": "localized", "randomize": False}),
}


def draw(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows whose errors are twice as wide in group a, thrice in group b, and wider to the right."""
    x = rng.uniform(-2.0, 2.0, n)
    a, b = (rng.random(n) < share for share in (0.5, 0.2))
    spread = (1.0 + a) * (1.0 + 2.0 * b) * (1.0 + (x > 1.0))
    return pd.DataFrame({"x": x, "a": a.astype(float), "b": b.astype(float), "y": x + spread * rng.standard_normal(n)})


def cells(new: pd.DataFrame) -> dict[str, np.ndarray]:
    """The parts of the new rows in which coverage is counted."""
    a, b, right = new["a"] == 1, new["b"] == 1, new["x"] > 1.0
    parts = {"all": a | ~a, "a": a, "not a": ~a, "b": b, "not b": ~b, "x > 1": right, "x <= 1": ~right}
    return {name: held.to_numpy() for name, held in parts.items()}


def replicate(seed: int, n: int, m: int) -> dict[str, dict[str, tuple[int, int]]]:
    """Covered rows and rows by method and part, and the mean length of the finite sets."""
    rng = np.random.default_rng([7, seed])
    data, new = draw(n, rng), draw(m, rng)
    out = {}
    for name, (second, options) in METHODS.items():
        fit = si.conformal("y ~ x" + second, data, level=LEVEL, seed=seed, **options)
        covered = fit.contains(new)
        out[name] = {part: (int(covered[held].sum()), int(held.sum())) for part, held in cells(new).items()}
        ends = fit.predict(new)
        length = (ends["upper"] - ends["lower"]).to_numpy()
        finite = np.isfinite(length)
        out[name] |= {"length": (float(length[finite].sum()), int(finite.sum()))}
    return out


def study(replications: int, n: int = 400, m: int = 200) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shares covered (methods by parts), and their standard errors over replications."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [replicate(seed, n, m) for seed in range(replications)]
    shares, errors = {}, {}
    for name in METHODS:
        counts = {part: np.array([run[name][part] for run in runs], float) for part in runs[0][name]}
        shares[name] = {part: hits.sum() / rows.sum() for part, (hits, rows) in ((p, c.T) for p, c in counts.items())}
        errors[name] = {
            part: float(np.std(c[:, 0] - shares[name][part] * c[:, 1]) / c[:, 1].mean() / np.sqrt(len(c)))
            for part, c in counts.items()
        }
    return pd.DataFrame(shares).T, pd.DataFrame(errors).T


def markdown(shares: pd.DataFrame, errors: pd.DataFrame, replications: int) -> str:
    """The table, with shares that are below the level by more than four standard errors in bold."""
    lines = [
        "# Coverage by group of conditional and localised conformal sets",
        "",
        f"Level {LEVEL:g}; {replications} replications of 400 rows, half of which calibrate, and 200 new rows. Errors are twice "
        "as wide in a (half of the rows), three times in b (a fifth, whatever a) and twice where x > 1. Standard errors "
        f"are at most {errors.drop(columns='length').to_numpy().max():.4f}; shares more than four of their own below the "
        "level are bold. Length is the mean of the finite sets.",
        "",
        "| method | " + " | ".join(shares.columns) + " |",
        "|:---|" + "---:|" * shares.shape[1],
    ]
    for name, row in shares.iterrows():
        low = row < LEVEL - 4.0 * errors.loc[name]
        said = [
            f"{v:.2f}" if part == "length" else f"**{v:.3f}**" if low[part] else f"{v:.3f}" for part, v in row.items()
        ]
        lines.append(f"| {name} | " + " | ".join(said) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    text = markdown(*study(count), count)
    print(text)
    (Path(__file__).parent / "results" / "conditional_coverage.md").write_text(text)
