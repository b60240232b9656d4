"""The design of a million rows against formulaic's own model matrix on pandas, in time and in peak memory.

One formula over kinds of tables, then further formulas on pandas. The peer always reads pandas, with a ready categorical or with
text as ours has it. The matrix of 23 columns
takes 184 MB by itself. Run as ``python -m benchmarks.formula [rows]``.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from benchmarks.harness import compare

FORMULA = "y ~ x1 + x2 + C(g) + x1:x2"
KINDS = ("pandas", "pandas, text", "polars", "polars, text", "pyarrow", "pyarrow, text")
FURTHER = {
    "20 numbers": " + ".join(f"z{i}" for i in range(20)),
    "polynomial": "poly(x1, 3)",
    "B-spline": "bs(x1, df=6)",
    "two-way products": "(x1 + x2 + z0 + z1)**2",
    "factor by number": "C(g) * x1",
    "missing values": "gaps + " + " + ".join(f"z{i}" for i in range(9)),
}
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


def wide(frame: Any) -> Any:
    """The pandas table with further columns of numbers, one of them with a hundredth missing."""
    import numpy as np
    import pandas as pd

    rng, n = np.random.default_rng(1), len(frame)
    more = pd.DataFrame({f"z{i}": rng.normal(size=n) for i in range(20)})
    more["gaps"] = rng.normal(size=n)
    more.loc[rng.random(n) < 0.01, "gaps"] = np.nan
    return pd.concat([frame, more], axis=1)


def ours(data: Any, formula: str = FORMULA) -> Any:
    from statinf.formula import design

    return design(formula, data)


def theirs(data: Any, formula: str = FORMULA) -> Any:
    from formulaic import Formula

    return Formula(formula).get_model_matrix(data)


def agree(made: Any, matrix: Any) -> float:
    """Largest difference between the columns of the same name."""
    part = made.part("covariates")
    right = matrix.rhs
    return max(float(abs(part.values[:, j] - right[name].to_numpy()).max()) for j, name in enumerate(part.names))


def main(n: int) -> None:
    data = tables(n, KINDS)
    for kind in KINDS:
        peer = data["pandas, text" if kind.endswith("text") else "pandas"]
        compare(
            f"{FORMULA}, n = {n:,}, {kind}",
            partial(ours, data[kind]),
            partial(theirs, peer),
            peer_name="formulaic",
            check=agree,
            memory=True,
            family="formula",
            # A virtual machine is slow to hand out memory that it never gave to anybody.
            warmup=5,
            repeat=9,
        )
    more = wide(data["pandas"])
    for name, right in FURTHER.items():
        compare(
            f"{name}, n = {n:,}",
            partial(ours, more, f"y ~ {right}"),
            partial(theirs, more, f"y ~ {right}"),
            peer_name="formulaic",
            check=agree,
            memory=True,
            family="formula",
            warmup=5,
            repeat=9,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
