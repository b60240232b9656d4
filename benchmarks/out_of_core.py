"""Fits that pass over data on disk: time, passes and peak memory as rows grow, beside the floor of reading the columns once.

    python -m benchmarks.out_of_core --rows 1e6 1e7 1e8 --folder /path/with/space

writes Parquet files of ten columns (eight bytes each, row groups of half a million rows, the same numbers whatever was
written before), runs each piece of work in a process of its own, and keeps the results after each, so that a run that was
stopped goes on where it was. A hundred million rows take eight gigabytes of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
GROUP = 500_000
GROUPS_A_FILE = 10
FIRMS = 10_000
COLUMNS = ("y", "b", "t", "firm", "x1", "x2", "x3", "x4", "x5", "x6")
X = "x1 + x2 + x3 + x4 + x5 + x6"
WORK = {
    "read once": "the floor: all ten columns read, nothing computed",
    "lm HC1": f"lm, y ~ t + {X}, HC1",
    "lm clusters": "the same, clustered by 10,000 firms",
    "logit": f"glm, b ~ t + {X}, binomial",
    "entropy": f"balance, t ~ {X}, entropy, ATT",
    "plr": f"effect, y ~ t | {X}, plr, 5 folds, least squares and logit",
    "split conformal": f"conformal, y ~ {X}, split",
    "lsa plug-in": f"lsa, y ~ t + {X}, plug-in",
    "density ratio": f"density_ratio, ~ {X}, logistic, to a target of a tenth of the rows, and its table of balance",
    "target mean": f"target_mean, y ~ {X}, doubly robust, over the same target",
}


def group(number: int, rows: int, seed: int = 0, shift: float = 0.0) -> dict[str, np.ndarray]:
    """The rows of one row group, told by its number alone; `shift` moves the first two covariates."""
    random = np.random.default_rng((seed, number))
    x = random.standard_normal((rows, 6))
    x[:, :2] += shift
    firm = random.integers(0, FIRMS, rows)
    effect = np.random.default_rng(seed + 1).standard_normal(FIRMS)[firm]
    t = (random.random(rows) < 1.0 / (1.0 + np.exp(0.5 - 0.4 * x[:, 0] + 0.3 * x[:, 1]))).astype(np.float64)
    index = 0.5 * t + x @ np.array([0.5, -0.3, 0.2, 0.1, 0.0, 0.0])
    y = index + 0.5 * effect + random.standard_normal(rows) * (1.0 + 0.2 * np.abs(x[:, 2]))
    b = (random.random(rows) < 1.0 / (1.0 + np.exp(1.0 - index))).astype(np.float64)
    return {"y": y, "b": b, "t": t, "firm": firm, **{f"x{j + 1}": x[:, j] for j in range(6)}}


def target_of(source: Path) -> Path:
    """The folder of the target's rows that goes with one of source rows."""
    return source.with_name(source.name + "_target")


def make(
    folder: Path, rows: int, *, size: int = GROUP, seed: int = 0, shift: float = 0.0, name: str | None = None
) -> Path:
    """The folder of Parquet files of so many rows; files that are there already stay."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    target = folder / (name or f"rows_{rows}")
    target.mkdir(parents=True, exist_ok=True)
    groups = [(k, min(size, rows - k * size)) for k in range(-(-rows // size))]
    for start in range(0, len(groups), GROUPS_A_FILE):
        path = target / f"part-{start // GROUPS_A_FILE:04d}.parquet"
        if path.exists():
            continue
        draft = target / f".{path.name}.draft"
        writer = None
        for number, count in groups[start : start + GROUPS_A_FILE]:
            table = pa.table(group(number, count, seed, shift))
            writer = writer or parquet.ParquetWriter(draft, table.schema, compression="none", use_dictionary=False)
            writer.write_table(table, row_group_size=size)
        assert writer is not None
        writer.close()
        draft.replace(path)
    return target


def work(name: str, folder: Path) -> Any:
    """One piece of work, down to its table."""
    import statinf as si

    data = str(folder)
    if name == "read once":
        from statinf.passes.engine import length

        return si.blocks(data).total(length, COLUMNS, "reading")
    if name == "lm HC1":
        return si.lm(f"y ~ t + {X}", data).tidy()
    if name == "lm clusters":
        return si.lm(f"y ~ t + {X}", data, cluster="firm").tidy()
    if name == "logit":
        return si.glm(f"b ~ t + {X}", data, family="binomial").tidy()
    if name == "entropy":
        return si.balance(f"t ~ {X}", data, method="entropy", estimand="ATT").diagnostics()
    if name == "plr":
        return si.effect(f"y ~ t | {X}", data, method="plr").tidy()
    if name == "split conformal":
        return si.conformal(f"y ~ {X}", data).summary().to_text()
    if name == "density ratio":
        return si.density_ratio(f"~ {X}", data, str(target_of(folder))).diagnostics()
    if name == "target mean":
        return si.target_mean(f"y ~ {X}", data, str(target_of(folder))).tidy()
    return si.lsa(f"y ~ t + {X}", data, inference="plugin", progress=False).tidy()


def child(name: str, folder: Path, small: Path) -> dict[str, Any]:
    """Time, passes and memory of one piece of work in this process, after the same work on few rows."""
    from statinf.passes.engine import LocalEngine

    passes = [0]
    own = LocalEngine.total

    def counted(*args: Any, **options: Any) -> Any:
        passes[0] += 1
        return own(*args, **options)

    LocalEngine.total = counted  # type: ignore[method-assign]
    work(name, small)
    before = _status("VmRSS")
    _forget_peak()
    passes[0] = 0
    start = time.perf_counter()
    work(name, folder)
    spent = time.perf_counter() - start
    peak = _status("VmHWM")
    return {
        "seconds": spent,
        "passes": passes[0] if passes[0] else 1,
        "peak_mb": max(peak, 0.0) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "growth_mb": peak - before,
        # What other processes took shows in the load: this one keeps the cores busy by itself.
        "busy": os.getloadavg()[0] > 2.0 * len(os.sched_getaffinity(0)),
    }


def _status(field: str) -> float:
    """A line of this process's status, in megabytes."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def measure(name: str, folder: Path, small: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.out_of_core",
        "--child",
        name,
        "--folder",
        str(folder),
        "--small",
        str(small),
    ]
    root = Path(__file__).resolve().parents[1]
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    if found.returncode:
        return {"failed": found.stderr.strip().splitlines()[-1][:300] if found.stderr.strip() else "no message"}
    return json.loads(found.stdout.strip().splitlines()[-1])


def exponents(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Growth of time and memory with the rows, from the fewest to the most that were measured."""
    out = {}
    for name in WORK:
        held = sorted((int(n), found[name]) for n, found in results.items() if "seconds" in found.get(name, {}))
        # Where there are enough times of a quiet machine, those alone tell the growth.
        quiet = [one for one in held if not one[1].get("busy")]
        held = quiet if len(quiet) > 1 else held
        if len(held) < 2:
            continue
        (few, first), (many, last) = held[0], held[-1]
        span = math.log(many / few)
        out[name] = {key: math.log(last[key] / first[key]) / span for key in ("seconds", "peak_mb")}
    return out


def table(results: dict[str, Any], machine: dict[str, Any]) -> str:
    """The results as Markdown."""
    growth = exponents(results)
    lines = [
        "# Fits over data on disk",
        "",
        f"`python -m benchmarks.out_of_core`; {machine['cores']} cores, Python {machine['python']}. Parquet of ten columns, eight "
        "bytes each, row groups of 500,000; each piece of work in a process of its own, from the folder to the printed table. "
        "Passes over the data count those that learn levels and count rows. Memory is the peak of the whole process, the "
        "interpreter and its packages among it. Times marked (busy) were taken while other processes held the cores, which only "
        "lengthens them.",
        "",
        "| work | rows | seconds | over the floor | passes | peak memory, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for rows in sorted(results, key=int):
        floor = results[rows].get("read once", {}).get("seconds")
        for name in WORK:
            found = results[rows].get(name)
            if found is None:
                continue
            if "failed" in found:
                lines.append(f"| {name} | {int(rows):,} | failed: {found['failed']} | | | |")
                continue
            ratio = f"{found['seconds'] / floor:.1f}" if floor and not found.get("busy") else ""
            spent = f"{found['seconds']:.2f}{' (busy)' if found.get('busy') else ''}"
            lines.append(f"| {name} | {int(rows):,} | {spent} | {ratio} | {found['passes']} | {found['peak_mb']:.0f} |")
    if growth:
        lines += ["", "Growth with the rows, from the fewest to the most (1 is linear, 0 none):", ""]
        lines += ["| work | exponent of time | of memory |", "|---|---:|---:|"]
        lines += [f"| {name} | {g['seconds']:.2f} | {g['peak_mb']:.2f} |" for name, g in growth.items()]
    lines += ["", *(f"- {name}: {what}." for name, what in WORK.items())]
    return "\n".join(lines) + "\n"


def _pair(folder: Path, rows: int) -> Path:
    """The source's folder, whose target of a tenth of the rows lies beside it."""
    size = min(GROUP, rows)
    source = make(folder, rows, size=size)
    make(folder, max(1, rows // 10), size=size, seed=7, shift=0.3, name=target_of(source).name)
    return source


def run(rows: list[int], folder: Path, names: list[str], *, again: bool, results: Path = RESULTS) -> None:
    """Make the data, measure what has not been measured, and write the results after each."""
    held_at = results / "out_of_core.json"
    held = json.loads(held_at.read_text()) if held_at.exists() else {"results": {}}
    held["machine"] = {"cores": len(os.sched_getaffinity(0)), "python": sys.version.split()[0]}
    small = _pair(folder, 20_000)
    for n in sorted(rows):
        where = _pair(folder, n)
        found = held["results"].setdefault(str(n), {})
        for name in names:
            if "seconds" in found.get(name, {}) and not again:
                continue
            found[name] = measure(name, where, small)
            print(n, name, found[name], flush=True)
            held["exponents"] = exponents(held["results"])
            held_at.write_text(json.dumps(held, indent=1) + "\n")
            (results / "out_of_core.md").write_text(table(held["results"], held["machine"]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=float, default=[1e6])
    parser.add_argument("--folder", type=Path, required=True, help="where the Parquet files are kept")
    parser.add_argument("--work", nargs="+", choices=list(WORK), default=list(WORK))
    parser.add_argument("--again", action="store_true", help="measure what has been measured too")
    parser.add_argument("--child", choices=list(WORK), help=argparse.SUPPRESS)
    parser.add_argument("--small", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.folder, given.small)))
        return
    run([int(n) for n in given.rows], given.folder, given.work, again=given.again)


if __name__ == "__main__":
    main()
