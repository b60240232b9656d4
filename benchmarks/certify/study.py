"""A study: data drawn again and again from one design, and which of the intervals of each sample hold the truth."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import StatinfError
from statinf.results.certified import CertifiedLine, described
from statinf.results.protocol import Result

FOLDER = Path(__file__).resolve().parents[1] / "results" / "certificates"
CHUNK = 100
ENOUGH = 400
"""Samples from which on a size is certified; what is drawn within a minute has a thousand."""


@dataclass(frozen=True)
class Shown:
    """An interval of one sample.

    Attributes
    ----------
    result : Result or tuple of str
        The fit that gave it; or class, method and kind of interval, where these are not those of one fit.
    quantity : str
        What it is for.
    held : float
        Whether it held the truth, or a test kept a true hypothesis; a share for several intervals.
    clusters : int
        Number of clusters, 0 where there are none.
    share : float
        Effective rows as a share of the rows, where weights carry one sample to another law; else 0.
    """

    result: Result | tuple[str, str, str]
    quantity: str
    held: float | np.bool_
    clusters: int = 0
    share: float = 0.0


def _refused(refusal: StatinfError) -> Shown:
    raise refusal


def limits(
    fit: Any, place: Any, truth: Any, quantity: str, *, level: float = 0.95, clusters: int = 0, share: float = 0.0
) -> Shown:
    """Whether the intervals of some coefficients, by name, position or slice, hold their true values."""
    table = fit.conf_int(level)
    low, high = (table.loc[place] if isinstance(place, str) else table.iloc[place]).to_numpy(float).T
    return Shown(fit, quantity, float(np.mean((low <= truth) & (truth <= high))), clusters, share)


def inside(table: Any, truth: Any, names: tuple[str, str] = ("conf_low", "conf_high")) -> np.ndarray:
    """Which intervals of a table hold their true values, shape (rows,)."""
    low, high = (np.asarray(table[name], float) for name in names)
    return (low <= truth) & (truth <= high)


def many(
    found: Mapping[str, Any], whole: Callable[[str], tuple[tuple[str, str, str], str]], **more: Any
) -> Iterator[Shown]:
    """The intervals of a sample that a script of coverage gives by name; `whole` says whose and what for each is."""
    for name, held in found.items():
        identity, quantity = whole(name)
        yield Shown(identity, quantity, float(np.mean(held)), **more)


@dataclass(frozen=True)
class Study:
    """One design at several sizes.

    Attributes
    ----------
    name : str
        Its file's name.
    verb : str
        The verb whose results are looked at.
    design : str
        What is drawn, in words.
    sizes : tuple of int
        Rows.
    draw : callable
        From rows and seed to the intervals of one sample: an iterable of `Shown`, or of functions that make one, of
        which each may be refused by itself.
    level : float
        Nominal coverage.
    """

    name: str
    verb: str
    design: str
    sizes: tuple[int, ...]
    draw: Callable[[int, int], Iterable[Shown | Callable[[], Shown]]]
    level: float = 0.95

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.json"

    def read(self) -> dict[str, Any]:
        """What is known so far: seeds used per size, and sums per interval."""
        if self.file.exists():
            held = json.loads(self.file.read_text(encoding="utf-8"))
            if held["design"] == self.design:
                return held
        return {"design": self.design, "done": {}, "sums": []}

    def write(self, known: Mapping[str, Any]) -> None:
        """Keep what is known; the file is there whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".part")
        draft.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, self.file)

    def run(self, samples: int, say: Callable[[str], None] = print, sizes: int | None = None) -> None:
        """Draw until there are so many samples of each size, or of the first sizes; what was drawn before counts."""
        known = self.read()
        for n in self.sizes[:sizes]:
            done = known["done"].get(str(n), 0)
            while done < samples:
                until = min(samples, done + CHUNK)
                self._chunk(known, n, range(done, until))
                known["done"][str(n)] = done = until
                self.write(known)
                say(f"{self.name}, n = {n}: {done} of {samples}")

    def _chunk(self, known: dict[str, Any], n: int, seeds: range) -> None:
        sums = {tuple(line[:6]): [*line[6:], 0.0][:4] for line in known["sums"]}
        for seed in seeds:
            for item in self._sample(n, seed):
                try:
                    shown = item() if callable(item) else item
                except StatinfError as refusal:
                    # counted under its own name: an interval that is not given covers nothing and misses nothing
                    key = (n, "", "", type(refusal).__name__, "refused", 0)
                    sums.setdefault(key, [0, 0.0, 0.0, 0.0])[0] += 1
                    continue
                identity = shown.result if isinstance(shown.result, tuple) else described(shown.result)
                total = sums.setdefault((n, *identity, shown.quantity, shown.clusters), [0, 0.0, 0.0, 0.0])
                for place, value in enumerate((1, shown.held, float(shown.held) ** 2, shown.share)):
                    total[place] += value
        known["sums"] = [[*key, *total] for key, total in sums.items()]

    def _sample(self, n: int, seed: int) -> Iterator[Shown | Callable[[], Shown]]:
        """The intervals of one sample; after a refusal of all that follows, the refusal."""
        try:
            yield from self.draw(n, seed)
        except StatinfError as refusal:
            yield partial(_refused, refusal)

    def lines(self) -> list[CertifiedLine]:
        """What the samples so far say, one line per interval and size."""
        known = self.read()
        out = []
        for n, result, method, kind, quantity, clusters, count, total, squares, *share in known["sums"]:
            if not result or known["done"].get(str(n), 0) < ENOUGH or n not in self.sizes:
                continue
            # Intervals that few samples have, or that have no standard error, say nothing of coverage.
            if kind == "none" or 4 * count < ENOUGH:
                continue
            mean = total / count
            error = float(np.sqrt(max(squares / count - mean**2, 0.0) / count))
            out.append(
                CertifiedLine(
                    self.verb,
                    result,
                    method,
                    kind,
                    quantity,
                    self.design,
                    n,
                    count,
                    self.level,
                    round(mean, 4),
                    round(error, 4),
                    known["done"][str(n)] - count,
                    clusters,
                    round(sum(share) / count, 2),
                )
            )
        return out
