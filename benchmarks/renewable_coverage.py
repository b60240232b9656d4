"""Coverage of 95 % intervals of renewable estimates, beside those of batch fits to the same samples.

Run as ``python -m benchmarks.renewable_coverage [REPLICATIONS]``. Rows are expanded in chunks of 256.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import statinf as si

TRUE = np.array([0.2, 0.6, -0.4])
SECOND = np.array([-0.3, 0.3, 0.5])
SIZES = (500, 1000, 4000)
FAMILIES = {"squared": "gaussian", "logistic": "binomial", "poisson": "poisson"}


def sample(loss: str, n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two normal columns, the outcome of a loss, and the coefficients."""
    rng = np.random.default_rng([31, n, seed])
    x = rng.normal(size=(n, 2))
    u = TRUE[0] + x @ TRUE[1:]
    truth = TRUE
    if loss == "squared":
        y = u + rng.standard_t(5, n) * (1 + 0.5 * np.abs(x[:, 0]))
    elif loss == "logistic":
        y = 1.0 * (rng.random(n) < 1 / (1 + np.exp(-u)))
    elif loss == "poisson":
        y = rng.poisson(np.exp(u)) * 1.0
    else:
        scores = np.column_stack([np.zeros(n), u, SECOND[0] + x @ SECOND[1:]])
        odds = np.exp(scores)
        chance = (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)
        y = np.array(["A", "B", "C"])[(rng.random((n, 1)) > chance).sum(axis=1)]
        truth = np.concatenate([TRUE, SECOND])
    return {"y": y, "a": x[:, 0], "b": x[:, 1]}, truth


def covered(fit: si.Fit, truth: np.ndarray) -> float:
    limits = fit.conf_int().to_numpy()
    return float(((limits[:, 0] <= truth) & (truth <= limits[:, 1])).mean())


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    lines = ["| loss | n | renewable | batch, HC1 |", "|:---|---:|---:|---:|"]
    for loss in (*FAMILIES, "multinomial"):
        for n in SIZES:
            found, batch = [], []
            for seed in range(replications):
                data, truth = sample(loss, n, seed)
                found.append(covered(si.lsa("y ~ a + b", data, loss=loss, method="renewable", chunk=256), truth))
                if loss in FAMILIES:
                    batch.append(covered(si.glm("y ~ a + b", data, family=FAMILIES[loss], vcov="HC1"), truth))
            lines.append(f"| {loss} | {n} | {np.mean(found):.3f} | {f'{np.mean(batch):.3f}' if batch else ''} |")
    error = float(np.sqrt(0.95 * 0.05 / replications))
    head = [
        "# Coverage of renewable estimates",
        "",
        f"`python -m benchmarks.renewable_coverage`: {replications} samples a row, mean over the coefficients, which "
        f"hardly depend on one another; Monte Carlo error at most {error:.3f}. The batch fits are to the same samples.",
        "",
    ]
    target = Path(__file__).resolve().parent / "results" / "renewable_coverage.md"
    target.write_text("\n".join([*head, *lines]) + "\n")
    print(target.read_text())


if __name__ == "__main__":
    main()
