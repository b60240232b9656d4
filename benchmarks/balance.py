"""Balancing methods beside empirical_calibration, ebal, cbps, cvxpy and plain loops."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from dataclasses import replace

import numpy as np

from benchmarks.harness import compare
from statinf.balancing import cbps, energy, entropy, ipm, kernel, sbw, uniform
from statinf.balancing.problem import BalanceProblem

FULL = os.environ.get("STATINF_BENCH_FULL") == "1"

# Clarabel stops at weights with three digits unless told otherwise
TIGHT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def sample(n: int, p: int, seed: int = 0) -> BalanceProblem:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    t = rng.random(n) < 1 / (1 + np.exp(-x @ (rng.normal(size=p) * 0.2)))
    return BalanceProblem(x, t, np.ones(n), tuple(f"x{j}" for j in range(p)))


def solve(module, s: BalanceProblem, estimand: str, **options):
    return module.METHOD.estimate(replace(s, estimand=estimand), module.METHOD.options(**options))


def quiet(work):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return work()


def normalised(sample: BalanceProblem, solution) -> np.ndarray:
    w = solution.values[np.flatnonzero(~sample.treated)]
    return w / w.sum()


def same(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of weights relative to their mean."""
    return float(np.max(np.abs(ours - theirs)) * len(ours))


def same_controls(s: BalanceProblem):
    """`same` for a solution of ours and the normalised weights of the controls of a peer."""
    return lambda ours, theirs: same(normalised(s, ours), theirs)


def entropy_million() -> None:
    import empirical_calibration as ec
    from ebal import ebal_bin

    s = sample(1_000_000, 20)
    t, x = s.treated, s.x

    def peer() -> np.ndarray:
        return ec.calibrate(x[~t], x[t], objective=ec.Objective.ENTROPY)[0]

    def second() -> np.ndarray:
        found = quiet(
            lambda: ebal_bin(effect="ATT", PCA=False, constraint_tolerance=1e-6).ebalance(t.astype(int), x, x[:, 0])
        )
        w = np.asarray(found["w"])[~t].ravel()
        return w / w.sum()

    name = "entropy balancing, ATT, n = 1e6, p = 20"
    for peer_name, work, more in (("empirical_calibration", peer, ""), ("ebal", second, " (ebal)")):
        compare(
            name + more, lambda: solve(entropy, s, "ATT"), work, peer_name=peer_name, check=same_controls(s), repeat=9
        )


def entropy_arms() -> None:
    """Three arms, each brought to the whole sample, beside a loop over them."""
    import empirical_calibration as ec

    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_000_000, 20))
    slopes = rng.normal(size=(20, 3)) * 0.2
    arm = (x @ slopes + rng.gumbel(size=(len(x), 3))).argmax(axis=1).astype(np.int8)
    problem = BalanceProblem(x, arm, np.ones(len(x)), tuple(f"x{j}" for j in range(20)), arms=("a", "b", "c"))

    def peer() -> np.ndarray:
        mean = x.mean(axis=0, keepdims=True)
        parts = [ec.calibrate(x[arm == k], mean, objective=ec.Objective.ENTROPY)[0] for k in range(3)]
        return np.concatenate([p / p.sum() for p in parts])

    def check(ours, theirs: np.ndarray) -> float:
        parts = [ours.values[arm == k] for k in range(3)]
        shares = np.concatenate([p / p.sum() for p in parts])
        return float(np.max(np.abs(shares / theirs - 1.0)))

    compare("entropy balancing, ATE, 3 arms, n = 1e6, p = 20", lambda: solve(entropy, problem, "ATE"), peer,
            peer_name="empirical_calibration", check=check, repeat=3, note="peer: a loop over the arms")  # fmt: skip


def cbps_million() -> None:
    import empirical_calibration as ec
    from cbps import CBPS

    s = sample(5000, 20)
    t, x = s.treated, s.x

    def peer() -> np.ndarray:
        fit = quiet(lambda: CBPS(treatment=t.astype(float), covariates=x, att=0, method="exact"))
        return np.asarray(fit.weights).ravel()

    def check(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
        return _imbalance(x, t, ours), _imbalance(x, t, theirs)

    compare(
        "CBPS, exact, ATE, n = 5000, p = 20",
        lambda: solve(cbps, s, "ATE").values,
        peer,
        peer_name="cbps",
        check=check,
        repeat=1,
        note="error: largest standardised difference in means left; the peer decomposes an n x n matrix, which bounds n",
    )
    million = sample(1_000_000, 20)
    compare("CBPS, exact, ATE, n = 1e6, p = 20", lambda: solve(cbps, million, "ATE").values, repeat=3)
    controls = ~million.treated

    def calibrated() -> np.ndarray:
        return ec.calibrate(million.x[controls], million.x[~controls], objective=ec.Objective.ENTROPY)[0]

    compare("CBPS, exact, ATT, n = 1e6, p = 20", lambda: solve(cbps, million, "ATT"), calibrated,
            peer_name="empirical_calibration", check=same_controls(million), repeat=9,
            note="the same weights: the logit whose odds balance is that of entropy balancing")  # fmt: skip


def _imbalance(x: np.ndarray, t: np.ndarray, w: np.ndarray) -> float:
    gap = np.average(x[t], axis=0, weights=w[t]) - np.average(x[~t], axis=0, weights=w[~t])
    return float(np.max(np.abs(gap / x.std(axis=0))))


def stable(solver: str) -> None:
    import cvxpy as cp

    s = sample(5000, 20)
    t, x = s.treated, s.x
    sd = x[t].std(axis=0, ddof=1)
    z, tols = (x[~t] - x[t].mean(axis=0)) / sd, 0.02

    def peer() -> np.ndarray:
        w = cp.Variable(len(z))
        problem = cp.Problem(
            cp.Minimize(cp.sum_squares(w - 1)), [w >= 0, cp.sum(w) == len(z), cp.abs(z.T @ w) <= tols * len(z)]
        )
        exact = {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iter": 100_000} if solver == "OSQP" else TIGHT
        problem.solve(solver=solver, **exact)
        return w.value / len(z)

    compare(
        f"SBW, ATT, tols = 0.02, n = 5000, p = 20 ({solver})", lambda: normalised(s, solve(sbw, s, "ATT", tols=tols)), peer,
        peer_name="cvxpy", check=same,
    )  # fmt: skip


def energy_dense() -> None:
    import cvxpy as cp

    from statinf.numerics.kernels.distances import distances

    s = sample(5000, 10)
    t = s.treated
    z = s.x / s.x.std(axis=0, ddof=1)

    def peer() -> np.ndarray:
        d = distances(z[~t], z)
        q, linear = -2 * d[:, ~t], 2 * d[:, t].mean(axis=1)
        q[np.diag_indices_from(q)] += 1e-4
        m = len(q)
        # Centred, the matrix is positive definite without a large constant, whose rounding would cost three digits.
        row = q.mean(axis=1)
        centred = q - row[:, None] - row + q.mean()
        v = cp.Variable(m)
        value = cp.quad_form(v, cp.psd_wrap((centred + centred.T) / (4 * m))) + (linear + row) @ v
        exact = {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-14, "tol_feas": 1e-14}
        cp.Problem(cp.Minimize(value), [v >= 0, cp.sum(v) == m]).solve(solver="CLARABEL", **exact)
        return v.value / m

    compare("energy balancing, ATT, n = 5000, p = 10", lambda: normalised(s, solve(energy, s, "ATT")), peer, peer_name="cvxpy",
            check=same, repeat=1, note="Clarabel")  # fmt: skip


def kernel_loop() -> None:
    s = sample(5000, 4)
    compare("kernel balancing, ATT, n = 5000, p = 4", lambda: normalised(s, solve(kernel, s, "ATT", landmarks=5000)),
            lambda: naive_kernel(s), peer_name="plain loop", check=same, repeat=3, warmup=0,
            note="peer: full decomposition, entropy balancing from scratch for every number of dimensions (as R kbal)")  # fmt: skip


def naive_kernel(s: BalanceProblem) -> np.ndarray:
    """Kernel balancing as its definition reads: all eigenvectors, one balancing problem a dimension."""
    from statinf.numerics.kernels.distances import squared_distances

    t = s.treated
    x = (s.x - s.x.mean(axis=0)) / s.x.std(axis=0, ddof=1)
    squared = squared_distances(x, x)
    k = np.exp(-squared / kernel.widest(squared))
    u = np.linalg.eigh(k)[1][:, ::-1] * np.sqrt(len(x))
    best, answer, since = np.inf, np.empty(0), 0
    for r in range(1, len(x)):
        w = newton_loop(u[~t, :r] - u[t, :r].mean(axis=0))
        if w is None:
            break
        signed = np.where(t, 1 / t.sum(), 0.0)
        signed[~t] = -w
        bound = float(np.sqrt(max(signed @ k @ signed, 0.0)))
        since += 1
        if bound < best:
            best, answer, since = bound, w, 0
        if since >= 10:
            break
    return answer


def newton_loop(z: np.ndarray) -> np.ndarray | None:
    """Entropy balancing of columns to mean zero by Newton steps with halving, from uniform weights."""
    slope, value = np.zeros(z.shape[1]), np.log(len(z))
    w = np.full(len(z), 1 / len(z))
    for _ in range(100):
        mean = w @ z
        if np.abs(mean).max() <= 1e-8:
            return w
        step = np.linalg.solve((z * w[:, None]).T @ z - np.outer(mean, mean), mean)
        for _ in range(30):
            eta = z @ (slope - step)
            w = np.exp(eta - eta.max())
            new = np.log(w.sum()) + eta.max()
            if new <= value + 1e-12:
                break
            step /= 2
        slope, value, w = slope - step, new, w / w.sum()
    return None


def energy_large() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solve(energy, sample(50_000, 10), "ATT").values


def kernel_large() -> np.ndarray:
    return solve(kernel, sample(50_000, 4), "ATT").values


def large() -> None:
    """Rows whose distance matrix would take 20 GB."""
    if not FULL:
        print("large: left out, set STATINF_BENCH_FULL=1 to run it", flush=True)
        return
    compare("energy balancing, ATT, n = 50,000, p = 10", energy_large, repeat=1, warmup=0, memory=True,
            note="the 1000 leading directions of the distance")  # fmt: skip
    compare("kernel balancing, ATT, n = 50,000, p = 4", kernel_large, repeat=1, warmup=0, memory=True,
            note="1000 landmarks, 300 components")  # fmt: skip


def ipm_loops() -> None:
    for n in (200, 1000):
        s = ipm.standardised(sample(n, 4))
        compare(f"MMD balancing, ATT, n = {n}", lambda s=s: normalised(s, solve(ipm, s, "ATT")), lambda s=s: adam_loop(s, "mmd"),
                peer_name="plain loop", note="ours: exact program; peer: 1,000 Adam steps in NumPy as the authors")  # fmt: skip
    for n in (200, 1000):
        s = ipm.standardised(sample(n, 4))
        compare(f"SIPM balancing, ATT, n = {n}", lambda s=s: normalised(s, solve(ipm, s, "ATT", ipm="sipm")),
                lambda s=s: adam_loop(s, "sipm"), peer_name="plain loop", repeat=3,
                check=lambda a, b, s=s: worst_sigmoids(s, a, b),
                note="ours: optimum by cutting planes; peer: 1,000 epochs of 5 + 1 Adam steps as the authors; "
                     "error: largest gap over sigmoids of slope 2 by an independent search, less at 4 and 10 too")  # fmt: skip


def worst_sigmoids(s: BalanceProblem, ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Largest gaps of slope 2; raises unless ours are the smaller ones at steeper slopes too, which the loop may use.

    Much steeper ones are near half-spaces, among which the search of `_worst` finds gaps to within a twentieth only.
    """
    for slope in (4.0, 10.0):
        assert _worst(s, ours, slope) < _worst(s, theirs, slope), slope
    return _worst(s, ours, 2.0), _worst(s, theirs, 2.0)


def _worst(s: BalanceProblem, w: np.ndarray, slope: float) -> float:
    """Largest gap that L-BFGS finds from 200 random starts, one at a time."""
    from scipy.optimize import minimize
    from scipy.special import expit

    signed = np.where(s.treated, 1 / s.treated.sum(), 0.0)
    signed[~s.treated] = -w

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        length = np.linalg.norm(at[:-1])
        e = at[:-1] / length
        v = expit(slope * (s.x @ e - at[-1]))
        gap = signed @ v
        inner = slope * signed * v * (1 - v)
        by_e = s.x.T @ inner
        return -(gap**2), -2 * gap * np.r_[(by_e - (by_e @ e) * e) / length, -inner.sum()]

    rng = np.random.default_rng(1)
    starts = [np.r_[e, e @ s.x[rng.integers(s.n)] / np.linalg.norm(e)] for e in rng.normal(size=(200, s.x.shape[1]))]
    return float(np.sqrt(max(-minimize(loss, at, jac=True, method="L-BFGS-B").fun for at in starts)))


def adam_loop(s: BalanceProblem, metric: str, epochs: int = 1000, width: int = 100) -> np.ndarray:
    """The authors' iteration written plainly in NumPy with hand-written gradients."""
    t, x = s.treated, s.x
    rng = np.random.default_rng(0)
    v, state = np.ones((~t).sum()), [0.0, 0.0, 0]
    slope, shift = rng.uniform(-0.5, 0.5, (x.shape[1], width)), rng.uniform(-0.5, 0.5, width)
    adversary = [[0.0, 0.0, 0], [0.0, 0.0, 0]]
    u = np.full(t.sum(), 1 / t.sum())
    k = np.exp(-((x[:, None] - x[None]) ** 2).sum(axis=2) / 200.0) if metric == "mmd" else np.empty((0, 0))

    def adam(value, gradient, memory, rate):
        memory[2] += 1
        memory[0] = 0.9 * memory[0] + 0.1 * gradient
        memory[1] = 0.999 * memory[1] + 0.001 * gradient**2
        return value - rate * (memory[0] / (1 - 0.9 ** memory[2])) / (
            np.sqrt(memory[1] / (1 - 0.999 ** memory[2])) + 1e-8
        )

    for _ in range(epochs):
        w = np.exp(v - v.max())
        w /= w.sum()
        if metric == "mmd":
            by_weight = 2 * (k[~t][:, ~t] @ w - k[~t][:, t] @ u)
        else:
            signed = np.where(t, 1 / t.sum(), 0.0)
            signed[~t] = -w
            for _ in range(5):
                a = 1 / (1 + np.exp(-(x @ slope + shift)))
                gap = signed @ a
                inner = a * (1 - a) * signed[:, None] * (2 * gap)
                slope = adam(slope, -(x.T @ inner), adversary[0], 0.003)
                shift = adam(shift, -inner.sum(axis=0), adversary[1], 0.003)
            a = 1 / (1 + np.exp(-(x @ slope + shift)))
            gap = signed @ a
            worst = np.argmax(gap**2)
            by_weight = -2 * gap[worst] * a[~t, worst]
        v = adam(v, w * (by_weight - w @ by_weight), state, 0.03)
    return w


def bootstrap_batch() -> None:
    import empirical_calibration as ec
    from ebal import ebal_bin

    s = sample(2000, 10)
    t, x = s.treated, s.x
    draws = np.random.default_rng(1).exponential(size=(1000, s.n))
    first = solve(entropy, s, "ATT")

    def ours() -> np.ndarray:
        return entropy.solve_many(replace(s, estimand="ATT"), draws, first)

    def check(ours: np.ndarray, theirs: np.ndarray) -> float:
        w = ours[:, ~t]
        return float(np.max(np.abs(w / w.sum(axis=1, keepdims=True) - theirs)) * w.shape[1])

    def peer() -> np.ndarray:
        return np.stack([
            ec.calibrate(x[~t], x[t], baseline_weights=d[~t], target_weights=d[t], objective=ec.Objective.ENTROPY)[0] for d in draws
        ])  # fmt: skip

    def one_by_one() -> np.ndarray:
        return np.stack([normalised(s, solve(entropy, BalanceProblem(x, t, d, s.names), "ATT")) for d in draws])

    def rows() -> None:
        rng = np.random.default_rng(1)
        for _ in range(1000):
            at = rng.integers(0, s.n, s.n)
            quiet(lambda at=at: ebal_bin(effect="ATT", PCA=False).ebalance(t[at].astype(int), x[at], x[at, 0]))

    name = "1,000 re-solves of entropy weights, n = 2000, p = 10"
    # The first calls pay for memory that the process never held: as much time again as the work.
    compare(f"{name} (empirical_calibration loop)", ours, peer, peer_name="empirical_calibration",
            check=check, repeat=9, warmup=4)  # fmt: skip
    compare(f"{name} (loop of single solves)", ours, one_by_one, peer_name="own loop",
            check=check, repeat=9)  # fmt: skip
    compare(f"{name} (ebal loop)", ours, rows, peer_name="ebal", repeat=3)


def verb_million() -> None:
    import pandas as pd

    import statinf as si

    s = sample(1_000_000, 20)
    frame = pd.DataFrame(s.x, columns=list(s.names)).assign(t=s.treated.astype(int))
    formula = "t ~ " + " + ".join(s.names)
    for method in ("entropy", "cbps"):
        compare(f"si.balance with its formula, {method}, ATT, n = 1e6, p = 20",
                lambda m=method: si.balance(formula, frame, method=m, estimand="ATT").values, repeat=3)  # fmt: skip


def uniform_formulas() -> None:
    """The joint map and the kernel estimator of Yu and Wang as their formulas read, every pair of rows at once."""
    for n, d in ((10_000, 2), (10_000, 1)):
        s = sample(n, d)
        compare(f"uniform transformer, kernel, ATT, n = {n:,}, p = {d}", lambda s=s: normalised(s, solve(uniform, s, "ATT")),
                lambda s=s: uniform_plain(s.x, s.treated), check=same, repeat=3, peer_name="NumPy",
                note="the formulas in NumPy: all pairs of controls and treated, in blocks of 1,000 rows")  # fmt: skip


def uniform_plain(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    n, d = x.shape
    eps = 0.5 / n
    x = ((x - x.min(axis=0)) / np.ptp(x, axis=0) + eps) / (1 + 2 * eps)
    control, aim = x[~t], x[t]
    sizes, least = [], int(len(control) ** (1 / d) + 1e-9)
    for j in range(d):
        sizes.append(least + 1 if np.prod([*sizes, least + 1, *[least] * (d - j - 1)]) < len(control) else least)
    if d == 1:
        sizes = [len(control)]
    phi, target = np.empty_like(control), np.empty_like(aim)

    def split(rows: np.ndarray, points: np.ndarray, j: int) -> None:
        order = rows[np.argsort(control[rows, j])]
        ends = np.searchsorted(np.arange(1, len(rows)) / len(rows), np.arange(1, sizes[j]) / sizes[j] - 1e-12) + 1
        edges = control[order, j]
        cuts = np.r_[0.0, 0.5 * (edges[ends - 1] + edges[ends]), 1.0]
        mass = np.r_[0.0, ends / len(rows), 1.0]
        for values, out, index in ((control, phi, rows), (aim, target, points)):
            out[index, j] = np.interp(values[index, j], cuts, mass)
        if j + 1 < d:
            own = np.searchsorted(cuts[1:-1], control[rows, j], side="left")
            others = np.searchsorted(cuts[1:-1], aim[points, j], side="left")
            for k in range(sizes[j]):
                split(rows[own == k], points[others == k], j + 1)

    split(np.arange(len(control)), np.arange(len(aim)), 0)
    h, w = n ** (-1 / d), np.empty(len(control))
    for start in range(0, len(control), 1000):
        product = 1.0
        for a, b in zip(phi[start : start + 1000].T, target.T, strict=True):
            pairs = [a[:, None] - b, a[:, None] + b, 2.0 - a[:, None] - b]
            product = product * sum(np.exp(-0.5 * (u / h) ** 2) for u in pairs)
        w[start : start + 1000] = product.sum(axis=1)
    return w / w.sum()


def main() -> None:
    works = [
        uniform_formulas,
        stable_osqp,
        stable_clarabel,
        bootstrap_batch,
        ipm_loops,
        energy_dense,
        kernel_loop,
        entropy_million,
        entropy_arms,
        cbps_million,
        verb_million,
        large,
    ]
    for work in works:
        begun = time.perf_counter()
        try:
            work()
        except ModuleNotFoundError as missing:
            print(f"{work.__name__}: left out, {missing.name} is not installed", flush=True)
            continue
        print(f"{work.__name__}: {time.perf_counter() - begun:.0f} s", flush=True)


def stable_osqp() -> None:
    stable("OSQP")


def stable_clarabel() -> None:
    stable("CLARABEL")


if __name__ == "__main__":
    main()
