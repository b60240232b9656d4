"""The design of a million rows against formulaic's own model matrix on pandas: time and peak memory.

`python benchmarks/formula.py [rows]` prints a table. Times are medians of five interleaved runs, so that a
busy machine slows all alike; peak memory is the growth of the resident set in a process of its own.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

FORMULA = "y ~ x1 + x2 + C(g) + x1:x2"
KINDS = ("pandas", "pandas, text", "polars", "polars, text", "pyarrow", "pyarrow, text")
LEVELS = 20


def tables(n: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    names = np.array([f"level{i:02d}" for i in range(LEVELS)])
    codes = rng.integers(0, LEVELS, n)
    frame = pd.DataFrame({"y": rng.normal(size=n), "x1": rng.normal(size=n), "x2": rng.normal(size=n)})
    frame["g"] = pd.Categorical.from_codes(codes, names)
    out: dict[str, Any] = {"pandas": frame}
    if "pandas, text" in kinds:
        out["pandas, text"] = frame.assign(g=names[codes])
    if any(k.startswith("polars") for k in kinds):
        import polars as pl

        plain = {k: frame[k].to_numpy() for k in ("y", "x1", "x2")}
        out["polars, text"] = pl.DataFrame(plain | {"g": names[codes]})
        out["polars"] = out["polars, text"].with_columns(pl.col("g").cast(pl.Categorical))
    if any(k.startswith("pyarrow") for k in kinds):
        import pyarrow as pa

        out["pyarrow"] = pa.Table.from_pandas(frame)
        out["pyarrow, text"] = pa.Table.from_pandas(frame.assign(g=names[codes]))
    return {k: out[k] for k in ("pandas", *kinds) if k in out}


def ours(data: Any) -> Any:
    from statinf.formula import design

    return design(FORMULA, data)


def theirs(data: Any) -> Any:
    from formulaic import Formula

    return Formula(FORMULA).get_model_matrix(data)


def timed(call: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(calls: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Median seconds of each call after one warm-up, all in turn."""
    for call in calls.values():
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            found[name].append(timed(call))
    return {name: statistics.median(times) for name, times in found.items()}


def peak(who: str, kind: str, n: int) -> float:
    """Megabytes that one call adds at its peak, measured in a fresh process."""
    made = subprocess.run([sys.executable, __file__, "--peak", who, kind, str(n)], capture_output=True, text=True, check=True)
    return float(json.loads(made.stdout))


def _measure_peak(who: str, kind: str, n: int) -> float:
    call = {"statinf": ours, "formulaic": theirs}[who]
    data = tables(n, (kind,))[kind]
    call(data[:100] if kind.startswith("polars") else data.slice(0, 100) if kind.startswith("pyarrow") else data.iloc[:100])
    gc.collect()
    # Writing 5 makes the kernel forget the highest resident set so far.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _status("VmRSS")
    kept = call(data)
    after = _status("VmHWM")
    del kept
    return (after - before) / 1024


def _status(field: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def main(n: int) -> None:
    data = tables(n, KINDS)
    calls: dict[str, Callable[[], Any]] = {"formulaic": lambda: theirs(data["pandas"])}
    calls["formulaic, text"] = lambda: theirs(data["pandas, text"])
    for kind in KINDS:
        calls[kind] = lambda kind=kind: ours(data[kind])
    times = interleaved(calls)
    matrix = n * (LEVELS + 3) * 8 / 2**20
    print(f"{FORMULA}, {n:,} rows; the matrix takes {matrix:.0f} MB.\n")
    print("| input | seconds | ratio to formulaic on pandas | peak MB | copies of the matrix beyond it |")
    print("|---|---|---|---|---|")
    for name in ("formulaic", "formulaic, text"):
        base = "pandas, text" if name.endswith("text") else "pandas"
        used = peak("formulaic", base, n)
        print(f"| {name} ({base}) | {times[name]:.3f} | 1 | {used:.0f} | {used / matrix - 1:.2f} |")
    for kind in KINDS:
        ratio = times[kind] / times["formulaic, text" if kind.endswith("text") else "formulaic"]
        used = peak("statinf", kind, n)
        print(f"| {kind} | {times[kind]:.3f} | {ratio:.2f} | {used:.0f} | {used / matrix - 1:.2f} |")


if __name__ == "__main__":
    if "--peak" in sys.argv:
        print(json.dumps(_measure_peak(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
