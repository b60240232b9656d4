"""Averaged stochastic approximation: replicas against a NumPy loop, plug-in rate, a stream from disk, scaling exponents.

``python benchmarks/stochastic.py --gpu`` measures 100,000 replicas of 32 coefficients on an accelerator beside two
cores of the same machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from statinf.numerics.laws.multipliers import multipliers
from statinf.stochastic.engine import advance, draws, settle
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State

STEP = {"c0": 0.5, "k0": 100.0, "power": 2.0 / 3.0}


def sample(n: int, d: int, seed: int = 0) -> StreamRows:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return StreamRows.of(x, x, x @ np.linspace(0, 1, d) + rng.standard_normal(n))


def options(d: int, replicas: int) -> Settings:
    return Settings(d=d, burn_in=1000, replicas=replicas, **STEP)


def ours(rows: StreamRows, replicas: int) -> State:
    s = options(rows.F.shape[1], replicas)
    return settle(s, advance(s, State.start(s), rows))


def loop(rows: StreamRows, replicas: int, weights: np.ndarray) -> np.ndarray:
    """The loop over rows, vectorised over replicas in the faster layout (d, B), with weights made beforehand."""
    n, d = rows.F.shape
    s = options(d, replicas)
    alpha = s.steps(1, n)
    theta, total = np.zeros((d, replicas)), np.zeros((d, replicas))
    for k in range(n):
        error = rows.G[k] @ theta - rows.c[k]
        theta -= rows.F[k][:, None] * (alpha[k] * weights[k] * error)[None, :]
        if k >= s.burn_in:
            total += theta
    return (total / (n - s.burn_in)).T


def replicas(n: int = 100_000, B: int = 1000, d: int = 10) -> None:
    from benchmarks.harness import compare

    rows = sample(n, d)
    weights = multipliers(np.arange(1, n + 1), B)  # given to the loop for nothing; ours draws its own each time
    s = options(d, B)

    def distance(state: State, mean: np.ndarray) -> float:
        gap = float(np.abs(draws(s, state) - mean).max())
        assert gap < 1e-12, gap
        return gap

    compare(
        f"{B} multiplier replicas, n = {n:.0e}, d = {d}", partial(ours, rows, B), partial(loop, rows, B, weights), repeat=9,
        peer_name="numpy loop over rows, vectorised over replicas", check=distance,
        note="error: largest difference of any replica's average; the loop's multipliers are drawn beforehand, ours inside",
    )  # fmt: skip


def plugin(n: int = 1_000_000, d: int = 10) -> None:
    from benchmarks.harness import compare

    rows = sample(n, d)
    done = compare(f"plug-in only, n = {n:.0e}, d = {d}", partial(ours, rows, 0), repeat=5, note="")
    print(f"   {n / done.ours / 1e6:.2f} million rows per second")


def write_parquet(path: Path, n: int, d: int = 5, block: int = 500_000) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for start in range(0, n, block):
        rows = sample(min(block, n - start), d, seed=start)
        table = pa.table({"y": rows.c, **{f"x{j}": rows.F[:, j] for j in range(d)}})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=100_000)
    if writer is not None:
        writer.close()


def regress(path: str, B: int) -> np.ndarray:
    import statinf as si

    return si.lsa("y ~ x0 + x1 + x2 + x3 + x4", path, replicas=B, progress=False).theta


def parquet(n: int = 10_000_000) -> None:
    from benchmarks.harness import compare

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet(path, n)
        compare(
            f"si.lsa from parquet, n = {n:.0e}, 5 covariates, 200 replicas", partial(regress, str(path), 200), repeat=1,
            memory=True, note="memory is the peak over what a process with Python and NumPy holds",
        )  # fmt: skip


def exponents() -> None:
    """Slopes of log time on log n, B and d, each with the other two fixed; noted with the largest size."""
    from dataclasses import replace

    from benchmarks.harness import RESULTS, compare, keep

    base = {"n": 16_384, "B": 1024, "d": 16}
    for name, sizes in (("n", (32_768, 65_536, 131_072)), ("B", (2048, 4096, 8192)), ("d", (16, 32, 64))):
        times = []
        for size in sizes:
            work = base | {name: size}
            rows = sample(work["n"], work["d"])
            title = "scaling: " + ", ".join(f"{k} = {v:,}" for k, v in work.items())
            done = compare(title, partial(ours, rows, work["B"]), repeat=5)
            times.append(done.ours_range[0])
        slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        note = f"time grows like {name}^{slope:.2f} from {sizes[0]:,} to {sizes[-1]:,} (fastest of 5 runs each)"
        print("  ", note)
        keep(replace(done, note=note), Path(sys.argv[0]).stem, RESULTS)


def gpu(n: int = 16_384, B: int = 100_000, d: int = 32) -> None:
    """Microseconds per row on the accelerator for several block lengths, and on two pinned cores of the same machine."""
    if os.environ.get("STATINF_BENCHMARK_CORES"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # before JAX makes its threads
        _timed(min(n, 1024), B, d, "two cores")
        return
    import jax

    device = jax.devices()[0]
    print("device:", device.device_kind, "| jax", jax.__version__)
    if device.platform == "cpu":
        print("no accelerator: timing the same path on the processor with fewer replicas")
        n, B = 1024, 2048
    from statinf.stochastic import engine

    best = np.inf
    for block, chain in ((16, 8), (16, 16), (32, 8), (32, 16), (32, 32), (64, 16)):
        engine.ACCELERATOR_BLOCK, engine.ACCELERATOR_CHAIN = block, chain
        best = min(best, _timed(n, B, d, f"block {block}, chain {chain}"))
    here = {**os.environ, "JAX_PLATFORMS": "cpu", "STATINF_BENCHMARK_CORES": "2", "STATINF_BENCHMARK_B": str(B)}
    out = subprocess.run([sys.executable, __file__, "--gpu"], env=here, capture_output=True, text=True, check=False)
    print(out.stdout.strip() or out.stderr[-2000:])
    slow = float(out.stdout.split("=")[-1].split()[0])
    print(f"accelerator over two cores, B = {B}, d = {d}: {slow / best:.1f}x")


def _timed(n: int, B: int, d: int, name: str) -> float:
    B = int(os.environ.get("STATINF_BENCHMARK_B", B))
    rows, s = sample(n, d), options(d, B)
    begun = time.perf_counter()
    ours(rows[:1024], B)
    first = time.perf_counter() - begun
    # Replicas go to the device and back once a call: the slope between two lengths is the cost of a row.
    half = n // 2
    times = []
    for length in (half, n):
        runs = []
        for _ in range(3):
            begun = time.perf_counter()
            advance(s, State.start(s), rows[:length])
            runs.append(time.perf_counter() - begun)
        times.append(min(runs))
    row = (times[1] - times[0]) / (n - half) * 1e6
    print(f"{name}: first call {first:.1f} s, {n} rows {times[1]:.2f} s, a row = {row:.2f} microseconds", flush=True)
    return row


if __name__ == "__main__":
    if "--gpu" in sys.argv:
        gpu()
    else:
        replicas()
        plugin()
        parquet()
        exponents()
