"""One of two processes that share replicas; run by `test_sharing.py` with its number, the port and a folder.

Results go to the folder, one file a process. The second one ends without a word after them, and the first says what it makes
of that.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def rows(n: int) -> dict:
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=n), rng.normal(size=n)
    return {"x": x, "z": z, "y": 1 + x + rng.normal(size=n)}


def results() -> dict:
    import statinf as si
    from statinf.shifts import permutation

    d = rows(1500)
    lm = si.lm("y ~ x + z", d)
    stream = si.lsa("y ~ x + z", d, replicas=200, progress=False)
    longer = stream.update(rows(700), progress=False)

    def median(part, w):
        return float(np.average(part["x"], weights=w))

    x = np.column_stack([d["x"], d["z"]])
    return {
        "replicas of lsa": stream.replica_draws(),
        "replicas after more rows": longer.replica_draws(),
        "path": stream.path()["conf_low"].to_numpy(),
        "bootstrap": lm.bootstrap(700).draws.draws,
        "wild": lm.with_vcov("HC1").bootstrap(300, "wild").draws.draws,
        "pipeline": si.bootstrap(median, d, replicas=150, kind="bayesian", weighted=True).draws.draws,
        "permutations": np.append(*permutation.mmd(x, np.arange(len(x)) < 700, 1.5, 50, 3, False)),
    }


def said(work) -> str:
    import statinf as si

    begun = time.monotonic()
    try:
        work()
    except si.HostError as error:
        return f"{time.monotonic() - begun:.1f} {error}"
    return "nothing"


def main(number: int, port: str, folder: Path) -> None:
    import jax

    import statinf as si

    try:
        si.set_device("cpu", hosts=True)
        unconnected = ""
    except si.OptionError as error:
        unconnected = str(error)
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, number, initialization_timeout=60)
    # with other processes JAX numbers devices through; this process computes on its own
    plain = si.lm("y ~ x", rows(100)).params["x"]
    alone = results() if number == 0 else {}
    with si.set_device("cpu", hosts=True, wait=60):
        shared = results()
        other = said(lambda: si.lm("y ~ x", rows(100)).bootstrap(200 + 64 * number))
        failed = said(lambda: _fails(number)) if number == 0 else _fails_itself(number)
    found = {"unconnected": unconnected, "plain": plain, "other": other, "failed": failed}
    np.savez(folder / f"shared{number}.npz", **shared)
    if number == 1:
        (folder / "said1.json").write_text(json.dumps(found))
        time.sleep(2.0)
        os._exit(9)
    np.savez(folder / "alone.npz", **alone)
    with si.set_device("cpu", hosts=True, wait=0.5):
        found["silent"] = said(lambda: si.lm("y ~ x", rows(100)).bootstrap(300))
    with si.set_device("cpu", hosts=True, wait=60):
        found["killed"] = said(lambda: si.lm("y ~ x", rows(100)).bootstrap(300))
    (folder / "said0.json").write_text(json.dumps(found))
    os._exit(0)


def _fails(number: int) -> None:
    from statinf.backend import over_hosts

    def work(items):
        if number == 1:
            raise ValueError("no memory left here")
        return np.zeros((len(items), 1))

    over_hosts(work, range(4))


def _fails_itself(number: int) -> str:
    try:
        _fails(number)
    except ValueError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
