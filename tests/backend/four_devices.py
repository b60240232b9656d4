"""What four devices make beside what one makes, as JSON on standard output: largest differences by name of the work.

Run by `test_sharing.py` in a process of its own: JAX must be told of four devices before it starts.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

import statinf as si
from statinf.backend import row_sharded_sum
from statinf.shifts import permutation, ulsif


def gap(four, one) -> float:
    four, one = np.asarray(four, float), np.asarray(one, float)
    assert four.shape == one.shape
    return float(np.abs(four - one).max() / max(np.abs(one).max(), 1e-300))


def both(work) -> float:
    with si.set_device("cpu"):
        one = work()
    with si.set_device("cpu", "all"):
        four = work()
    return gap(four, one)


def moments(x, w):
    return (x * w[:, None]).T @ x


def sums() -> float:
    rng, worst = np.random.default_rng(0), 0.0
    for n in (10_001, 10_003, 3):
        x, w = rng.normal(size=(n, 5)) * 100, rng.uniform(size=n)
        exact = (x * w[:, None]).T @ x
        with si.set_device("cpu", 4):
            made = row_sharded_sum(moments, x, w)
        assert made.dtype == np.float64 and type(made) is np.ndarray
        worst = max(worst, gap(made, exact))
    return worst


def rows(n: int = 700) -> dict:
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=n), rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(float)
    return {"x": x, "z": z, "t": t, "y": 1 + x + t + rng.normal(size=n)}


def network() -> np.ndarray:
    from statinf.learners import Network

    d = rows(300)
    X = np.column_stack([d["x"], d["z"]])
    # three networks on four devices
    made = Network(hidden=(4,), epochs=3).fit_folds(X, d["y"], np.arange(300) % 3)
    return np.stack([m.predict(X) for m in made])


def process() -> np.ndarray:
    from statinf.learners import ProcessNetwork

    d = rows(300)
    X = np.column_stack([d["x"], d["z"]])
    made = ProcessNetwork(hidden=(4,), epochs=2, penalty="auto").fit(X, d["y"])
    return made.predict_quantiles(X, np.array([0.1, 0.5, 0.9]))


def main() -> None:
    import jax

    settings = {name: getattr(jax.config, name) for name in ("jax_enable_x64", "jax_default_device")}
    d, warm = rows(), {"progress": False}
    lm, logit = si.lm("y ~ x + z", d), si.glm("t ~ x", d, family="binomial")
    x, first = np.column_stack([d["x"], d["z"]]), np.arange(700) < 400

    def unfactored():
        from unittest import mock

        with mock.patch.object(permutation, "_factor", lambda *_: None):
            return permutation.mmd(x, first, 1.5, 60, 3, False)

    work = {
        # 300 replicas are five groups, which four devices cannot share evenly
        "replicas of lsa": lambda: si.lsa("y ~ x + z", rows(1500), replicas=300, **warm).replica_draws(),
        "multiplier bootstrap": lambda: lm.bootstrap(500).draws.draws,
        "pairs bootstrap": lambda: lm.bootstrap(300, "pairs").draws.draws,
        "refits of a logit": lambda: logit.bootstrap(99, "pairs").draws.draws,
        "ulsif": lambda: ulsif.loocv(x[first], x[~first], x[-40:], np.array([0.3, 1.0]), np.array([1e-3, 0.1])),
        "kernel balancing": lambda: (
            si.balance("t ~ x + z", d, method="kernel", landmarks=60, dimensions=8, tol=1e-12).values
        ),
        "MMD": lambda: np.append(*permutation.mmd(x, first, 1.5, 60, 3, False)),
        "MMD without a factor": lambda: np.append(*unfactored()),
        "energy distance": lambda: np.append(*permutation.energy(x, first, 60, 3, False)),
    }
    if "--networks" in sys.argv:
        work = {"networks of folds": network, "quantile process": process}
    found, spent = {"sums": sums()}, {}
    for name, make in work.items():
        begun = time.process_time()
        found[name] = both(make)
        spent[name] = round(time.process_time() - begun, 2)
    unchanged = settings == {name: getattr(jax.config, name) for name in settings}
    with si.set_device("cpu", "all"):
        single = jax.numpy.asarray(1.5).dtype == jax.numpy.float32
    try:
        si.set_device("cpu", 9)
        refused = ""
    except si.OptionError as error:
        refused = str(error)
    print(json.dumps({"found": found, "spent": spent, "unchanged": unchanged and bool(single), "refused": refused}))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main()
