"""The R-learner as inverse-variance weighting at its paper's own size, with its paper's own learner.

Fisher (ICML 2024, arXiv 2307.09700): six designs, n = 1,000, ten folds, propensities clipped at .01, the error of the effect
on 10,000 new rows. Every nuisance and every second stage is LightGBM, its settings the best of 25 random ones in ten folds.

What is done more cheaply than there, where one sample of every design takes nine minutes of a core: second stages are tuned in
each sample, as there, but nuisances once for a design, on a sample of its own; settings race by halving (all of them in three
folds, half of them in two more, and so on) and not by Welch's test; columns have 63 bins and not 255. The paper's T-learner
is the difference of two fits, where `si.cate` regresses it once more; it is computed here.

Samples are counted from zero and each is kept as soon as it is done, so that the work goes on where
it stopped: ``python -m benchmarks.r_learner [--samples 600] [--minutes 3]``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks._r_learner import DESIGNS, PAIRS, write

N, NEW, FOLDS, CLIP, TRIED, HALVED = 1000, 10_000, 10, 0.01, 25, (3, 5, 7)
STATE = Path(__file__).resolve().parent / "results" / "r_learner.json"


def settings(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Random settings from the grid of the paper's software: 20 values a parameter.

    That grid has shares of rows for bagging too, without a frequency of bagging, so that LightGBM bags nothing; they are
    left out.
    """
    grid = {
        "num_iterations": np.geomspace(10, 1000, 20).round().astype(int),
        "learning_rate": np.geomspace(1e-5, 0.25, 20),
        "num_leaves": np.geomspace(2, 50, 20).round().astype(int),
        "min_data_in_leaf": np.geomspace(10, 50, 20).round().astype(int),
        "min_gain_to_split": np.geomspace(1e-10, 1e-2, 20),
    }
    return [{name: rng.choice(values).item() for name, values in grid.items()} for _ in range(TRIED)]


@dataclass
class Trees:
    """LightGBM with settings of its own, as `si.cate` takes a learner."""

    setting: dict[str, Any]
    objective: str = "regression"

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Trees:
        return self.grow(binned(X, y, sample_weight))

    def grow(self, data: Any) -> Trees:
        import lightgbm

        rest = {k: v for k, v in self.setting.items() if k != "num_iterations"}
        fixed = {"objective": self.objective, "verbose": -1, "num_threads": 1, "force_col_wise": True, "seed": 0}
        self.model = lightgbm.train(rest | fixed, data, self.setting["num_iterations"])
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict(X, num_threads=1))


class Chances(Trees):
    """LightGBM of a 0/1 outcome."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.predict(X)


@dataclass
class Raced:
    """LightGBM whose settings win a race: the worse half of them runs no further after 3, 5 and 7 folds."""

    tried: list[dict[str, Any]]
    seed: int
    objective: str = "regression"

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Raced:
        self.model = Trees(self.choose(X, y, sample_weight), self.objective).fit(X, y, sample_weight)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.model.predict(X)

    def choose(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> dict[str, Any]:
        """The setting of the smallest loss over ten folds, of those that run in all."""
        w = np.ones(len(y)) if w is None else np.asarray(w)
        fold = np.random.default_rng(self.seed).permutation(len(y)) % FOLDS
        loss = np.full((FOLDS, len(self.tried)), np.nan)
        running = np.arange(len(self.tried))
        for k in range(FOLDS):
            if k in HALVED:
                order = loss[:k, running].mean(axis=0).argsort()
                running = running[order[: -(-len(running) // 2)]]
            train, test = fold != k, fold == k
            data = binned(X[train], y[train], w[train])
            for j in running:
                p = Trees(self.tried[j], self.objective).grow(data).predict(X[test])
                loss[k, j] = np.mean(w[test] * self._losses(p, y[test]))
        best = running[loss[:, running].mean(axis=0).argmin()]
        return self.tried[best]

    def _losses(self, p: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.objective == "binary":
            with np.errstate(divide="ignore"):
                return np.minimum(100.0, -np.log(np.where(y > 0.5, p, 1.0 - p)))
        return (p - y) ** 2


def binned(X: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> Any:
    """Rows as LightGBM keeps them; a filter of columns by the leaves' least size would tie them to one setting."""
    import lightgbm

    quiet = {"verbose": -1, "max_bin": 63, "feature_pre_filter": False}
    return lightgbm.Dataset(np.asarray(X), np.asarray(y), weight=w, params=quiet, free_raw_data=False).construct()


def draw(design: str, n: int, seed: int) -> pd.DataFrame:
    """A sample of a design: `y`, `treat`, `x1` and so on, and the effect `cate`."""
    if design not in "EF":
        return si.datasets.simulate("nie_wager", n, seed, setup=design, p=10)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, n) if design == "E" else rng.uniform(0.05, 0.95, n)
    e = 0.1 + 0.8 * (x > 0) if design == "E" else x
    bends = [0.5 * (x + 2) ** 2, x / 2 + 0.875, -5 * (x - 0.2) ** 2 + 1.075]
    b = np.select([x <= -0.5, x < 0, x < 0.5], bends, x + 0.125) if design == "E" else 0.0
    treated = (rng.random(n) < e).astype(float)
    return pd.DataFrame({"y": b + rng.standard_normal(n), "treat": treated, "x1": x, "cate": 0.0})


def tuned(design: str) -> dict[str, dict[str, Any]]:
    """Settings of a design's nuisances, raced on a sample that is used for nothing else."""
    x, y, d, _ = arrays(draw(design, N, 2_000_000))
    rng = np.random.default_rng("ABCDEF".index(design))

    def winner(X: np.ndarray, target: np.ndarray, objective: str = "regression") -> dict[str, Any]:
        return Raced(settings(rng), 0, objective).choose(X, target)

    return {
        "propensity": winner(x, d, "binary"),
        "mean": winner(x, y),
        "single": winner(np.column_stack([x, d]), y),
        "treated": winner(x[d == 1.0], y[d == 1.0]),
        "untreated": winner(x[d == 0.0], y[d == 0.0]),
    }


def arrays(frame: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Covariates, outcome, treatment and true effect."""
    names = [c for c in frame.columns if c[0] == "x"]
    return tuple(frame[c].to_numpy() for c in (names, "y", "treat", "cate"))


def errors_of(design: str, sample: int, nuisances: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Mean squared error of the effect by every pair of pseudo-outcome and weight, in one sample."""
    train, test = draw(design, N, sample), draw(design, NEW, 1_000_000 + sample)
    (x, y, d, _), (new, _, _, truth) = arrays(train), arrays(test)
    arms = [
        Trees(nuisances[name]).fit(x[d == a], y[d == a]).predict(new) for name, a in (("treated", 1), ("untreated", 0))
    ]
    found = {"T": float(np.mean((arms[0] - arms[1] - truth) ** 2))}
    final = Raced(settings(np.random.default_rng([sample, "ABCDEF".index(design)])), sample)
    for pair, options in PAIRS.items():
        fit = si.cate(
            f"y ~ treat | {' + '.join(c for c in train.columns if c[0] == 'x')}",
            train,
            treatment_model=Chances(nuisances["propensity"], "binary"),
            outcome_model=Trees(nuisances["single" if options["method"] == "s" else "mean"]),
            final=final,
            folds=FOLDS,
            clip=CLIP,
            seed=sample,
            **options,
        )
        found[pair] = float(np.mean((fit.predict(test)["estimate"] - truth) ** 2))
    return found


def main(samples: int, minutes: float, designs: str) -> None:
    """Go on with the samples that are not done yet, as long as the time lasts."""
    warnings.simplefilter("ignore", si.StatinfWarning)
    held = json.loads(STATE.read_text()) if STATE.exists() else {"seconds": 0.0, "tuned": {}, "errors": {}}
    begun = time.monotonic()
    for sample in range(samples):
        for design in designs:
            key = f"{design} {sample}"
            if key in held["errors"]:
                continue
            if time.monotonic() - begun > 60.0 * minutes:
                return
            busy = time.process_time()
            if design not in held["tuned"]:
                held["tuned"][design] = tuned(design)
            held["errors"][key] = {
                pair: round(v, 6) for pair, v in errors_of(design, sample, held["tuned"][design]).items()
            }
            held["seconds"] = round(held["seconds"] + time.process_time() - busy, 1)
            _keep(held)
            print(f"{key}: {time.process_time() - busy:.0f} s", flush=True)


def _keep(held: dict[str, Any]) -> None:
    """Write what is done; the file is there whole or not at all."""
    draft = STATE.with_suffix(".part")
    rows = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in sorted(held["errors"].items(), key=_order))
    chosen = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in held["tuned"].items())
    draft.write_text(f'{{"seconds": {held["seconds"]},\n"tuned": {{\n{chosen}\n}},\n"errors": {{\n{rows}\n}}}}\n')
    os.replace(draft, STATE)
    write(held, STATE.parent)


def _order(item: tuple[str, Any]) -> tuple[str, int]:
    design, sample = item[0].split()
    return design, int(sample)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--samples", type=int, default=600, help="of each design (default: %(default)s)")
    words.add_argument("--minutes", type=float, default=3.0, help="after which no further sample is begun")
    words.add_argument("--designs", default=DESIGNS, help="some of them, such as AC (default: %(default)s)")
    main(**vars(words.parse_args()))
