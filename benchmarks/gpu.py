"""An accelerator beside two processor cores of the same machine: times, and how far the numbers are apart.

``make bench-gpu`` runs it; without an accelerator it says so and measures nothing. ``python -m benchmarks.gpu --cpu --small``
goes the same ways on the processor with tiny sizes, for a look that all of it runs, and records nothing.

The replicas of averaged stochastic approximation are timed by the row, for several lengths of the blocks that one kernel
works through, before the rest: `ACCELERATOR_BLOCK, ACCELERATOR_CHAIN` in `statinf.numerics.recursions.averaging` are those
of the fastest line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

BLOCKS = ((16, 8), (16, 16), (32, 8), (32, 16), (32, 32), (64, 16), (64, 32))
_CHILD = "STATINF_BENCHMARK_GPU_CHILD"


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes
    ----------
    name : str
        With its size in full.
    run : callable
        From a size to numbers that must agree.
    full, small : int
        Sizes.
    cores : int
        The size that two cores are timed at; times are per unit of size.
    agree : float
        Largest difference over the largest number.
    note : str
    """

    name: str
    run: Callable[[int], np.ndarray]
    full: int
    small: int
    cores: int
    agree: float = 1e-10
    note: str = ""


def replicas(n: int, B: int = 100_000, d: int = 32) -> np.ndarray:
    from benchmarks.stochastic import options, sample
    from statinf.stochastic.engine import advance, draws
    from statinf.stochastic.state import State

    B = int(os.environ.get("STATINF_BENCHMARK_B", B))
    rows, s = sample(n, d), options(d, B)
    return draws(s, advance(s, State.start(s), rows))


def _columns(n: int, p: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, p))


def balancing(n: int) -> np.ndarray:
    import statinf as si

    x = _columns(n)
    chance = 1 / (1 + np.exp(-x[:, 0] + 0.5 * x[:, 1] ** 2 - 0.5))
    data = {f"x{j}": x[:, j] for j in range(5)} | {"t": (np.random.default_rng(1).random(n) < chance).astype(float)}
    found = si.balance(
        "t ~ x0 + x1 + x2 + x3 + x4", data, method="kernel", dimensions=20, landmarks=min(1000, n // 4), estimand="ATT",
        tol=1e-12, progress=False,
    )  # fmt: skip
    return found.values


def ratio_grid(n: int) -> np.ndarray:
    from statinf.shifts.ulsif import BANDWIDTHS, RIDGES, loocv

    xs, xt = _columns(n), _columns(n, seed=1) * 0.8 + 0.3
    return loocv(xs, xt, xt[:100], 2.0 * BANDWIDTHS, RIDGES)


def permutations(n: int) -> np.ndarray:
    from statinf.shifts.permutation import mmd

    x = _columns(n)
    x[: n // 2] += 0.05
    return np.append(*mmd(x, np.arange(n) < n // 2, 2.0, 999, 0, False))


def bootstrap(count: int) -> np.ndarray:
    import statinf as si

    x = _columns(10_000, 4)
    data = {f"x{j}": x[:, j] for j in range(4)} | {"y": x.sum(axis=1) + _columns(10_000, 1, 2)[:, 0]}
    fit = si.lm("y ~ x0 + x1 + x2 + x3", data)
    return fit.bootstrap(count, progress=False).draws.draws


def requ(n: int) -> np.ndarray:
    from statinf.learners import ProcessNetwork

    x, noise = _columns(n), _columns(n, 1, 3)[:, 0]
    fitted = ProcessNetwork(epochs=4, progress=iter).fit(x, x[:, 0] + (1 + x[:, 1] ** 2) * noise)
    return fitted.predict_quantiles(x[:100], np.array([0.1, 0.5, 0.9]))


def cvae(n: int) -> np.ndarray:
    from statinf.learners.cvae import Cvae

    x = _columns(n)
    y = x[:, :2] + _columns(n, 2, 4)
    fitted = Cvae(epochs=10).fit(x, y / y.std(axis=0), np.arange(n) % 5 == 0, progress=False)
    return fitted.encode(y[:100], x[:100], 0)


TRAINED = "of the first epochs: training magnifies what the order of sums leaves apart"
WORK = (
    Work("replicas of lsa, B = 1e5, d = 32, 16,384 rows", replicas, 16_384, 512, 1024),
    Work("kernel balancing, n = 5e4, 1000 landmarks, 20 components", balancing, 50_000, 400, 50_000),
    Work("uLSIF, 10 bandwidths x 10 ridges, n = 5e4 a sample", ratio_grid, 50_000, 200, 50_000),
    Work("MMD, 999 permutations, n = 2e4", permutations, 20_000, 300, 20_000),
    Work("multiplier bootstrap, 1e5 replicas, n = 1e4", bootstrap, 100_000, 512, 100_000),
    Work("ReQU process, 4 epochs, n = 5e4", requ, 50_000, 300, 50_000, 1e-8, TRAINED),
    Work("CVAE, 10 epochs, n = 5e4", cvae, 50_000, 300, 50_000, 1e-8, TRAINED),
)


def timed(run: Callable[[int], np.ndarray], size: int, repeat: int) -> tuple[list[float], np.ndarray]:
    """Seconds of each run after the first, which compiles, and the numbers of the last."""
    made, times = run(size), []
    for _ in range(repeat):
        begun = time.perf_counter()
        made = run(size)
        times.append(time.perf_counter() - begun)
    return times, made


def sweep(n: int, blocks: tuple[tuple[int, int], ...] = BLOCKS) -> tuple[int, int]:
    """The fastest lengths of a block and of its written-out chain, by the time of a row; every line is printed."""
    from statinf.stochastic import tiles

    found = []
    for block, chain in blocks:
        names = {"ACCELERATOR_BLOCK": block, "ACCELERATOR_CHAIN": chain, "BLOCK": block, "CHAIN": chain}
        with mock.patch.multiple(tiles, **names):
            # Replicas go to the device and back once a call: the slope between two lengths is the cost of a row.
            long, short = (min(timed(replicas, size, 3)[0]) for size in (n, n // 2))
        row = (long - short) / (n - n // 2)
        found.append((row, block, chain))
        print(f"   block {block}, chain {chain}: {row * 1e6:.2f} microseconds a row", flush=True)
    _, block, chain = min(found)
    print(f"   fastest: ACCELERATOR_BLOCK, ACCELERATOR_CHAIN = {block}, {chain}", flush=True)
    return block, chain


def on_two_cores(work: Work, repeat: int) -> tuple[list[float], np.ndarray]:
    """Times and numbers of a process that sees two cores and no accelerator."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.npz"
        here = {**os.environ, "JAX_PLATFORMS": "cpu", _CHILD: f"{WORK.index(work)},{repeat},{file}"}
        subprocess.run([sys.executable, "-m", "benchmarks.gpu"], env=here, check=True)
        with np.load(file) as made:
            return list(made["times"]), made["numbers"]


def child(told: str) -> None:
    number, repeat, file = told.split(",", 2)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # before JAX makes its threads
    work = WORK[int(number)]
    times, made = timed(work.run, work.cores, int(repeat))
    np.savez(file, times=times, numbers=made)


def compared(work: Work, repeat: int, *, small: bool, here: bool) -> bool:
    """Time a piece of work on both and print, and record unless `here`, what came out; whether the numbers agree."""
    import statinf as si

    size = work.small if small else work.full
    if here:
        with si.set_device("cpu", "all"):
            times, made = timed(work.run, size, repeat)
        with si.set_device("cpu"):
            others, numbers = timed(work.run, size, repeat)
        per, per_cores = size, size
    else:
        times, made = timed(work.run, size, repeat)
        others, numbers = on_two_cores(work, repeat)
        per, per_cores = size, work.cores
        if per != per_cores:
            made = work.run(per_cores)
    gap = float(np.abs(made - numbers).max() / max(np.abs(numbers).max(), 1e-300))
    agrees = gap <= work.agree
    ours, cores = np.median(times) / per * work.full, np.median(others) / per_cores * work.full
    said = "agree" if agrees else "DISAGREE"
    if here:
        print(f"{work.name.partition(',')[0]}, at size {size} on the processor: numbers {said} ({gap:.1e})", flush=True)
    else:
        print(
            f"{work.name}: {ours:.3g} s, two cores {cores:.3g} s, ratio {cores / ours:.3g}; numbers {said} ({gap:.1e})"
        )
        _record(work, np.array(times) / per * work.full, np.array(others) / per_cores * work.full, gap)
    return agrees


def _record(work: Work, times: np.ndarray, others: np.ndarray, gap: float) -> None:
    from benchmarks.harness import RESULTS, Comparison, keep, machine

    ours, cores = float(np.median(times)), float(np.median(others))
    extent = "" if work.cores == work.full else f"two cores timed at {work.cores:,} of {work.full:,}; "
    done = Comparison(
        name=work.name, peer_name="two processor cores of the same machine", ours=ours,
        ours_range=(float(times.min()), float(times.max())), peer=cores, peer_range=(float(others.min()), float(others.max())),
        ratio=cores / ours, repeat=len(times), ours_error=gap, peer_error=None, ours_memory=None, peer_memory=None,
        note=f"{extent}error: distance of the numbers, relative, allowed {work.agree:.0e} {work.note}".strip(),
        machine=machine(),
    )  # fmt: skip
    keep(done, "gpu", RESULTS)


def main(given: list[str]) -> int:
    if told := os.environ.get(_CHILD):
        child(told)
        return 0
    import jax

    from statinf.backend import accelerated

    here, small = "--cpu" in given, "--small" in given
    if not here and not accelerated():
        kinds = ", ".join(sorted({device.platform for device in jax.devices()}))
        print(f"no accelerator: JAX {jax.__version__} finds {kinds} alone. Nothing was measured.")
        return 0
    device: Any = jax.devices("cpu" if here else None)[0]
    print(f"device: {device.device_kind}; {device.client.platform_version.splitlines()[0]}; jax {jax.__version__}")
    if small:
        os.environ["STATINF_BENCHMARK_B"] = "128"
    block, chain = sweep(256, BLOCKS[:2]) if small else sweep(16_384)
    from statinf.stochastic import tiles

    with mock.patch.multiple(tiles, ACCELERATOR_BLOCK=block, ACCELERATOR_CHAIN=chain):
        agree = [compared(work, 1 if small else 5, small=small, here=here) for work in WORK]
    return int(not all(agree))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
