"""Average marginal effects beside Python's marginaleffects: the whole verb on a fit that is there.

The peer runs in a process of its own, in an environment that has it: ``STATINF_MARGINALEFFECTS`` names that Python. Both get the
same numbers by the same seed; the fits are made before the clock starts. ``STATINF_BENCH_FULL=1`` adds a million rows; a word after
the module's name runs the work whose name has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

FULL = os.environ.get("STATINF_BENCH_FULL") == "1"
PEER = os.environ.get("STATINF_MARGINALEFFECTS", "")
COLUMNS = 10
FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(COLUMNS))
CROSSED = "y ~ x0 * x1 + x2 + x3"
SAMPLE = """
def sample(n):
    r = np.random.default_rng(0)
    X = r.standard_normal((n, 10))
    d = pd.DataFrame(X, columns=[f"x{j}" for j in range(10)])
    p = 1 / (1 + np.exp(-X @ np.linspace(-0.3, 0.3, 10)))
    return d.assign(y=(r.uniform(size=n) < p).astype(float))
"""
WORKER = f"""
import json, sys, warnings
import numpy as np, pandas as pd, marginaleffects as me, statsmodels.formula.api as smf
warnings.simplefilter("ignore")
{SAMPLE}
formula, verb, n, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
fit = smf.logit(formula, sample(n)).fit(disp=0)
print("ready", me.__version__ if hasattr(me, "__version__") else "", flush=True)
for _ in sys.stdin:
    made = getattr(me, verb)(fit, **options)
    table = made.data if hasattr(made, "data") else made
    print(json.dumps([table["estimate"].to_list()[:50], table["std_error"].to_list()[:50]]), flush=True)
"""
exec(SAMPLE)  # the same lines here and in the peer's process


@cache
def fitted(formula: str, n: int) -> Any:
    return si.glm(formula, sample(n), family="binomial")  # noqa: F821


def ours(formula: str, n: int, verb: str, options: dict[str, Any]) -> Any:
    made = getattr(fitted(formula, n), verb)(**options)
    return made.params.to_numpy()[:50], made.std_errors.to_numpy()[:50]


@cache
def worker(formula: str, n: int, verb: str, options: str) -> subprocess.Popen[str]:
    command = [PEER, "-c", WORKER, formula, verb, str(n), options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    return process


def theirs(formula: str, n: int, verb: str, options: dict[str, Any]) -> Any:
    process = worker(formula, n, verb, json.dumps(options))
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return tuple(map(np.array, json.loads(process.stdout.readline())))


def distance(one: Any, other: Any) -> float | None:
    """Largest relative distance between the estimates of both, after a look at the standard errors."""
    if other is None:
        return None
    order = [np.argsort(np.abs(values[0]), kind="stable") for values in (one, other)]
    a, b = one[0][order[0]], other[0][order[1]]
    np.testing.assert_allclose(one[1][order[0]], other[1][order[1]], rtol=0.1)
    return float(np.max(np.abs(a - b) / np.abs(b)))


CASES = (
    ("average slopes of a logit, p = 10", FORMULA, "slopes", {}, "avg_slopes", {}),
    ("ratio of average predictions, one step of x9", FORMULA, "comparisons", {"variables": "x9", "comparison": "ratio"},
     "avg_comparisons", {"variables": "x9", "comparison": "ratio"}),
    ("average slopes with an interaction, p = 5", CROSSED, "slopes", {}, "avg_slopes", {}),
    ("slopes of every row in x9", FORMULA, "slopes", {"variables": "x9", "average": False}, "slopes", {"variables": "x9"}),
)  # fmt: skip


def main() -> None:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    sizes = [10_000, 100_000] + ([1_000_000] if FULL else [])
    for name, formula, verb, options, their_verb, their_options in CASES:
        if only and only not in name:
            continue
        for n in sizes:
            if n == 1_000_000 and "logit" not in name:
                continue
            large = n >= 100_000
            # Both have their fits before the clock starts.
            fitted(formula, n)
            if PEER:
                worker(formula, n, their_verb, json.dumps(their_options))
            compare(
                f"{name}, n = {n:.0e}".replace("e+0", "e"),
                partial(ours, formula, n, verb, options),
                partial(theirs, formula, n, their_verb, their_options) if PEER else None,
                repeat=1 if n == 1_000_000 else 3,
                warmup=0 if large else 1,
                check=distance,
                peer_name="marginaleffects",
                peer_version="0.6.0",
                note="error: largest relative distance of estimates; the peer's derivatives are differences",
            )
        fitted.cache_clear()
        for process in [
            worker(formula, n, their_verb, json.dumps(their_options)) for n in sizes if PEER and n < 1_000_000
        ]:
            process.terminate()


if __name__ == "__main__":
    assert pd is not None
    main()
