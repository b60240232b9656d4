"""Coverage of class shares, of the weights that they make, and of a mean with these weights; size of the test of the assumption.

Three normal classes with means (0, 0), (1.5, .5), (.3, 1.8) and unit covariance; shares (.5, .3, .2) in the source and
(.15, .25, .6) in the target. The mean is that of x1 + x2 + class, known in closed form.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

MEANS = np.array([(0.0, 0.0), (1.5, 0.5), (0.3, 1.8)])
SOURCE, TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.15, 0.25, 0.6])
MEAN = float(TARGET @ (MEANS.sum(axis=1) + np.arange(3)))
METHODS = {
    "bbse": {"method": "bbse"},
    "bbse-soft": {"method": "bbse-soft"},
    "rlls": {"method": "rlls"},
    "mlls": {"method": "mlls"},
    "mlls, no calibration": {"method": "mlls", "calibration": None},
    "mlls, correct=True": {"method": "mlls", "correct": True},
    "mlls, forest": {"method": "mlls", "learner": "forest"},
    "mlls, forest, correct=True": {"method": "mlls", "learner": "forest", "correct": True},
}


def drawn(random: np.random.Generator, n: int, shares: np.ndarray) -> pd.DataFrame:
    label = random.choice(3, size=n, p=shares)
    x = MEANS[label] + random.standard_normal((n, 2))
    return pd.DataFrame({"label": label, "x1": x[:, 0], "x2": x[:, 1], "z": x.sum(axis=1) + label})


def replicate(seed: int, n: int, options: dict) -> dict[str, float]:
    random = np.random.default_rng([seed, n])
    source, target = drawn(random, n, SOURCE), drawn(random, n, TARGET)
    w = si.target_shift("C(label) ~ x1 + x2", source, target, **options)
    half = 1.959964 * w.ratio_errors
    low, high = w.shares.conf_int().to_numpy().T
    mean = si.lm("z ~ 1", source, weights=w).conf_int().to_numpy()[0]
    return {
        "shares": float(((low <= TARGET) & (high >= TARGET)).mean()),
        "weights": float((np.abs(w.ratio - TARGET / SOURCE) <= half).mean()),
        "mean": float(mean[0] <= MEAN <= mean[1]),
        "test": float(w.specification_test().p_value < 0.05),
    }


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    half = 3.29 * np.sqrt(0.95 * 0.05 / replications)
    lines = [
        "# Coverage under label shift",
        "",
        f"Nominal 95% intervals of the three class shares of the target and of the three weights (averages over the classes), "
        f"and of a mean under the weights by `si.lm`; rejections of `specification_test` at 5%. {replications} samples a cell "
        f"(a tenth with a forest), n rows in source and target each, five folds. Shares inside the binomial band at 99.9%, "
        f"[{0.95 - half:.3f}, {0.95 + half:.3f}], are bold.",
        "",
        "| method | n | shares | weights | mean | test rejects |",
        "|:---|---:|---:|---:|---:|---:|",
    ]
    for name, options in METHODS.items():
        for n in (200, 1000):
            count = replications // 10 if "forest" in name else replications
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = pd.DataFrame([replicate(seed, n, options) for seed in range(count)]).mean()
            cells = [f"**{v:.3f}**" if abs(v - 0.95) <= half else f"{v:.3f}" for v in found.iloc[:3]]
            lines.append(f"| {name} | {n} | " + " | ".join(cells) + f" | {found['test']:.3f} |")
            print(lines[-1], flush=True)
    target = Path(__file__).resolve().parent / "results" / "label_shift_coverage.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
