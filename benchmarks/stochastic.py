"""Averaged stochastic approximation: replicas against a NumPy loop, plug-in rate, a stream from disk, scaling exponents."""

from __future__ import annotations

import sys
import tempfile
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


if __name__ == "__main__":
    replicas()
    plugin()
    parquet()
    exponents()
