"""Coverage of 95% intervals by simulation, with the binomial band that the number of replications gives."""

from __future__ import annotations

import numpy as np
import pytest

from balancing.balance_samples import solve
from statinf.balancing import cbps, energy, entropy, ipm, ipw, kernel, sbw
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution

REPLICATIONS = 250
METHODS = {
    "ipw": lambda s, e: solve(ipw, s, e),
    "entropy": lambda s, e: solve(entropy, s, e),
    "cbps": lambda s, e: solve(cbps, s, e),
    "sbw": lambda s, e: solve(sbw, s, e),
    "ipm": lambda s, e: solve(ipm, s, e),
    "kernel": lambda s, e: solve(kernel, s, e),
    "energy": lambda s, e: solve(energy, s, e),
}


def draw(n: int, seed: int) -> tuple[BalanceProblem, np.ndarray]:
    """Logit linear in the columns, outcome linear: every method's assumptions hold; the effect is 1 for everybody."""
    rng = np.random.default_rng([n, seed])
    x = rng.normal(size=(n, 3))
    t = rng.random(n) < 1 / (1 + np.exp(-0.4 * x[:, 0] + 0.4 * x[:, 1]))
    y = x[:, 0] + x[:, 1] + 0.5 * x[:, 2] + t + rng.normal(size=n) * (1 + 0.5 * t)
    return BalanceProblem(x, t, np.ones(n), ("a", "b", "c")), y


def interval_errors(sample: BalanceProblem, y: np.ndarray, solution: BalanceSolution) -> tuple[float, np.ndarray]:
    """Error of the estimate and standard errors: weights as known, stacked, and stacked with HC2 and HC3 corrections."""
    t, w = sample.treated, solution.values
    mean1, mean0 = np.average(y[t], weights=w[t]), np.average(y[~t], weights=w[~t])
    unit = np.where(t, (y - mean1) / w[t].sum(), -(y - mean0) / w[~t].sum())
    own = np.where(t, w / w[t].sum(), w / w[~t].sum())
    stacked, leverage = w * unit, own
    if solution.linear is not None:
        expansion = solution.linear()
        stacked = stacked + expansion.influence @ (expansion.derivative.T @ unit)
        leverage = np.maximum(own, expansion.leverage)
    powers = [np.linalg.norm(stacked / (1 - leverage) ** k) for k in (0.0, 0.5, 1.0)]
    return mean1 - mean0 - 1.0, np.array([np.linalg.norm(w * unit), *powers])


@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.slow) if m in ("kernel", "ipm") else m for m in METHODS]
)
def test_coverage(method, estimand):
    # Kernel balancing searches over dimensions, a tenth of a second each.
    replications = 30 if method == "kernel" else REPLICATIONS
    found = [interval_errors(*(s := draw(300, r)), METHODS[method](s[0], estimand)) for r in range(replications)]
    errors, ses = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    cover = np.mean(np.abs(errors)[:, None] < 1.96 * ses, axis=0)
    # Four standard errors of a share of 0.95 among the replications.
    band = 4 * np.sqrt(0.95 * 0.05 / replications)
    if method == "energy":
        assert cover[0] > 0.95 - band  # weights taken as known: conservative
        return
    # The kernel's components soak up the outcome: its stacked interval needs the leverage correction.
    chosen = cover[2] if method == "kernel" else cover[3]
    assert abs(chosen - 0.95) < band
    # Estimated weights make the estimate more precise than weights taken as known would: those intervals are too wide.
    assert np.median(ses[:, 1]) < np.median(ses[:, 0])
    assert abs(np.mean(errors)) < 4 * errors.std() / np.sqrt(replications)
