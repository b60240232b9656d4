"""Races of whole verbs: from a data frame and a formula to the table with default errors, each side at its best setting.

    python -m benchmarks.races                    # all races at 1e4, 1e5 and 1e6 rows
    python -m benchmarks.races --quick            # fewer repeats, and no peer that would take a minute: under six minutes
    python -m benchmarks.races --only lm,logit --sizes 10000

Each side has a process of its own with the rows in memory: ours, the packages of Python in the environment whose Python is
named by STATINF_PEERS (this one by default), and R where there is one. A fork for each race makes a first call, packages not yet
imported (cold), and then calls in turn with the other side (warm). Records are those of `benchmarks.harness`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import RESULTS, Comparison, keep, machine, seconds
from benchmarks.race.exact import exact, loss
from benchmarks.race.rows import P, Rows, X

HERE = Path(__file__).resolve().parent
PEERS = os.environ.get("STATINF_PEERS", sys.executable)
SIZES = (10_000, 100_000, 1_000_000)
_LONG = 60.0
"""Seconds of a first call from which it counts for all others."""
ALIKE = "same definition of the standard errors"


@dataclass(frozen=True)
class Race:
    """A race: what is done, by whom, and what its numbers are judged by.

    Attributes
    ----------
    key : str
        The function of `race.ours`.
    work, family : str
    peers : tuple of str
        Packages of Python, or "quantreg" of R.
    note : str
        What a reader must know of the peers' setting.
    """

    key: str
    work: str
    family: str
    peers: tuple[str, ...]
    note: str = ""


RACES = (
    Race("lm", "lm, HC1, p = 20", "models", ("statsmodels", "pyfixest"), ALIKE),
    Race("clusters", "lm, clustered by 1,000 groups, p = 20", "models", ("statsmodels", "pyfixest"), ALIKE),
    Race("logit", "glm, logit, p = 20", "models", ("statsmodels", "pyfixest"), ALIKE),
    Race("rq", "rq, median, nid, p = 10", "quantile", ("statsmodels", "quantreg"), "quantreg: method pfn, se nid"),
    Race("conformal", "conformal, split, least squares, p = 20, n / 10 new rows", "conformal", ("mapie",), ""),
    Race(
        "balance", "balance, entropy, ATT, then lm, p = 20", "balance", ("empirical_calibration",),
        "the peer's weights in statsmodels' WLS, whose errors take them as known",
    ),
    Race("iv", "iv, 2SLS, p = 20, 2 instruments", "effects", ("pyfixest", "linearmodels"), ALIKE),
    Race("plr", "effect, plr, ridge for both, 5 folds, p = 20", "effects", ("doubleml",), "own folds"),
    Race("irm", "effect, irm, ridge and logit, 5 folds, p = 20", "effects", ("doubleml",), "own folds"),
    Race(
        "lsa", "lsa, least squares in one pass with plug-in errors, p = 20", "stochastic", ("sklearn",),
        "the peer: SGDRegressor, averaged, one pass, constant step 0.01, no standard error; it is a stochastic estimate",
    ),
    Race(
        "target_mean", "target_mean, aipw, two samples, p = 20", "shift", ("statsmodels",),
        "the peer's logit and least squares, the mean by hand, no standard error",
    ),
)  # fmt: skip


class Side:
    """A process that answers requests with the seconds and the numbers of a call."""

    def __init__(self, command: list[str]) -> None:
        places = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent,
            env={**os.environ, "PYTHONPATH": places, "JAX_PLATFORMS": "cpu"},
        )  # fmt: skip

    def say(self, line: str) -> str:
        """The answer to a line."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def ask(self, name: str) -> dict[str, Any]:
        """One call."""
        return json.loads(self.say(name) or '{"failed": "the process ended"}')

    def end(self) -> None:
        """End the race, so that the next one begins cold."""
        self.say("end")

    def close(self) -> None:
        self.process.communicate()


class RSide(Side):
    """quantreg in R, which begins anew for each race."""

    def __init__(self, rows: Rows) -> None:
        self.file = Path(tempfile.mkdtemp()) / "rows.bin"
        np.asfortranarray(rows.source[["y", *X[:10]]].to_numpy()).T.tofile(self.file)
        super().__init__(["Rscript", str(HERE / "race" / "peers.R"), str(rows.n), "10", str(self.file)])

    def ask(self, name: str) -> dict[str, Any]:
        numbers = np.array(self.say(name).split(), float)
        assert self.process.stdout is not None
        version = self.process.stdout.readline().strip()
        if not len(numbers):
            return {"missing": "R or quantreg"}
        names = ["Intercept", *X[:10]]
        found = dict(zip(names, zip(numbers[1:12], numbers[12:], strict=True), strict=True))
        return {"seconds": float(numbers[0]), "found": found, "package": "quantreg (R)", "version": version}

    def end(self) -> None:
        self.close()
        shutil.rmtree(self.file.parent)


def python_side(python: str, which: str, n: int) -> Side:
    return Side([python, "-m", "benchmarks.race.server", which, str(n)])


def named(found: dict[str, Any], name: str) -> Any:
    """A number under its name, or under another package's name for the constant."""
    return found.get(name) or (found.get("(Intercept)") or found.get("const") if name == "Intercept" else None)


def errors(
    race: Race, rows: Rows, mine: dict[str, Any], peers: dict[str, Any]
) -> tuple[float | None, float | None, str]:
    """Distance of both from the exact solution in standard errors, or between the two where there is none; in words."""
    if race.key == "rq":
        both = [loss(rows, np.array([named(f, c)[0] for c in ["Intercept", *X[:10]]])) for f in (mine, peers)]
        best = min(both)
        return both[0] / best - 1, both[1] / best - 1, "error: share of the check loss above the smaller of the two"
    right = exact(race.key, rows)
    if right is not None:
        far = [max(abs(named(f, c)[0] - b) / mine[c][1] for c, b in right.items()) for f in (mine, peers)]
        apart = max(abs(named(peers, c)[1] / mine[c][1] - 1) for c in right)
        said = "error: largest distance from the solution in extended precision, in standard errors"
        return far[0], far[1], f"{said}; standard errors differ by {apart:.0e}"
    name = next(iter(peers))
    unit = mine[name][1] if np.isfinite(mine[name][1]) else abs(mine[name][0])
    said = "standard errors" if np.isfinite(mine[name][1]) else "shares of it"
    return abs(mine[name][0] - peers[name][0]) / unit, None, f"error: distance between the two estimates, in {said}"


def run(race: Race, peer: str, rows: Rows, sides: tuple[Side, Side], repeat: int, patience: float) -> Comparison | None:
    """One race against one peer: cold calls, then warm ones in turn."""
    calls = (race.key, f"{race.key}__{peer}")
    cold = [side.ask(call) for side, call in zip(sides, calls, strict=True)]
    broken = next((c for c in cold if "seconds" not in c), None)
    if broken is not None:
        for side in sides:
            side.end()
        print(f"{race.work}, {peer}: left out, {broken}", flush=True)
        return None
    times: list[list[float]] = [[], []]
    done = [*cold]
    for _ in range(repeat):
        for k, (side, call) in enumerate(zip(sides, calls, strict=True)):
            if cold[k]["seconds"] > patience and times[k]:
                continue  # a long call is warm enough at its second
            if cold[k]["seconds"] > _LONG:
                times[k].append(cold[k]["seconds"])
                continue
            done[k] = side.ask(call)
            times[k].append(done[k]["seconds"])
    for side in sides:
        side.end()
    found = [d["found"] for d in done]
    mine, theirs, said = errors(race, rows, *found)
    warm = [statistics.median(t) for t in times]
    label = " ".join(filter(None, [done[1]["package"], done[1]["version"]]))
    return Comparison(
        name=f"{race.work}, n = {rows.n:,}",
        peer_name=label,
        ours=warm[0],
        ours_range=(min(times[0]), max(times[0])),
        peer=warm[1],
        peer_range=(min(times[1]), max(times[1])),
        ratio=warm[1] / warm[0],
        repeat=repeat,
        ours_error=mine,
        peer_error=theirs,
        ours_memory=None,
        peer_memory=None,
        note="; ".join(filter(None, [said, race.note])),
        machine=machine(),
        n=rows.n,
        family=race.family,
        cold=cold[0]["seconds"],
        peer_cold=cold[1]["seconds"],
    )


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three repeats, and no peer that would take a minute")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="rows, separated by commas")
    parser.add_argument("--only", default="", help="races, separated by commas: " + ", ".join(r.key for r in RACES))
    asked = parser.parse_args(given)
    only = set(filter(None, asked.only.split(",")))
    repeat, patience = (3, 2.0) if asked.quick else (7, 10.0)
    begun, slow = time.perf_counter(), dict[tuple[str, str], float]()
    for n in map(int, map(float, asked.sizes.split(","))):
        rows = Rows(n)
        ours, others = python_side(sys.executable, "ours", n), python_side(PEERS, "peers", n)
        for race in RACES:
            for peer in race.peers if not only or race.key in only else ():
                if peer == "quantreg" and shutil.which("Rscript") is None:
                    continue
                if asked.quick and slow.get((race.key, peer), 0.0) > 30.0:
                    print(f"{race.work}, {peer}, n = {n:,}: left out, it would take too long", flush=True)
                    continue
                sides = (ours, RSide(rows) if peer == "quantreg" else others)
                done = run(race, peer, rows, sides, repeat, patience)
                if done is not None and done.peer is not None:
                    slow[race.key, peer] = 10.0 * done.peer
                    keep(done, "races", RESULTS)
                    print(
                        f"{done.name}: {seconds(done.ours)} (cold {seconds(done.cold)}), {done.peer_name} "
                        f"{seconds(done.peer)} (cold {seconds(done.peer_cold)}), ratio {done.ratio:.2g}; errors "
                        f"{done.ours_error} and {done.peer_error}",
                        flush=True,
                    )
        ours.close()
        others.close()
    print(f"{time.perf_counter() - begun:.0f} s, {P} columns")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
