"""Coverage of nominal 95% intervals of a parameter of which values in continuous time are no linear function.

Run as ``python -m benchmarks.nonlinear_values_coverage [REPLICATIONS]``. The distance y of a portfolio from its goal under a fixed
policy; the value of a state is y^2 exp(-theta (T - t)).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

import statinf as si

WAYS: dict[str, dict[str, Any]] = {
    "CTD(0)": {}, "relative": {"test_function": "relative"}, "martingale loss": {"method": "ml"},
}  # fmt: skip
ROWS, EPISODES = 64, 200


def worth(state: Any, theta: Any) -> Any:
    import jax.numpy as jnp

    return state["y"] ** 2 * jnp.exp(-theta["theta"] * state["left"])


def replicate(drift: float, seed: int) -> dict[str, tuple[float, float]]:
    data = si.datasets.simulate("mean_variance", EPISODES * ROWS, seed=seed, drift=drift, rows=ROWS)
    truth, found = data.attrs["truth"]["theta"], {}
    for name, options in WAYS.items():
        try:
            fit = si.ctd(
                "reward ~ 0 + y + left", data, id="episode", time="time", terminal="paid", discount=0.0, value_function=worth,
                start={"theta": truth}, **options,
            )  # fmt: skip
        except si.ConvergenceError:
            found[name] = (np.nan, 0.0)
            continue
        low, high = fit.conf_int().to_numpy()[0]
        found[name] = (float(fit.theta[0]), float(low <= truth <= high))
    return found


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    lines = [
        "# Coverage of a parameter of nonlinear values",
        "",
        f"{replications} samples of {EPISODES} episodes of {ROWS} rows; shares in which 95% intervals by episode hold theta, "
        f"bold where inside the binomial's 99.9% band [{low:.3f}, {high:.3f}]. With theta = 0.81 the values have heavy tails, and "
        "episodes that sandwiches average over are too few for conditions that do not divide by the variance of the martingale.",
        "",
        "| theta | conditions | mean | spread | no root | coverage |",
        "|---:|:---|---:|---:|---:|---:|",
    ]
    for drift, theta in ((0.08, 0.09), (0.2, 0.81)):
        runs = [replicate(drift, seed) for seed in range(replications)]
        for name in WAYS:
            estimates, hits = np.array([run[name] for run in runs]).T
            share = f"**{hits.mean():.3f}**" if low <= hits.mean() <= high else f"{hits.mean():.3f}"
            lost = int(np.isnan(estimates).sum())
            lines.append(
                f"| {theta:g} | {name} | {np.nanmean(estimates):.3f} | {np.nanstd(estimates):.3f} | {lost} | {share} |"
            )
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "nonlinear_values_coverage.md").write_text(text)


if __name__ == "__main__":
    main()
