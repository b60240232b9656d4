"""Estimated effects of absorbed levels: normalised, by name, and for new rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.formula.absorbed import AbsorbedTerm, LevelNames
from statinf.formula.frame import Frame
from statinf.numerics.absorb.factors import Factors


@dataclass(frozen=True, eq=False, repr=False)
class AbsorbedEffects(Brief):
    """Effects of the levels of absorbed factors.

    Within every set of levels that rows connect, the effects of each factor but the first have mean zero over the rows; the
    first carries the level of the outcome.

    Attributes
    ----------
    terms : tuple of AbsorbedTerm
    effects : tuple of ndarray, shape (levels,)
        By factor.
    counts : tuple of ndarray, shape (levels,)
        Rows of each level.
    sets : tuple of ndarray of int, shape (levels,)
        Which connected set a level belongs to; sums of effects have an estimate within one set only.
    connected : int
        Number of sets.
    rank : int
        Effects that the rows identify, the constant included.
    exact : bool
        Whether `rank` is exact and not an upper bound.
    aliases : tuple of ndarray, shape (levels, p - k)
        Effects in each column that was left out, less what the kept columns make of it.
    names : tuple of LevelNames or None
        None while the rows are at hand.
    """

    terms: tuple[AbsorbedTerm, ...]
    effects: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    sets: tuple[np.ndarray, ...]
    connected: int
    rank: int
    exact: bool
    aliases: tuple[np.ndarray, ...]
    names: tuple[LevelNames, ...] | None = None

    @classmethod
    def of(
        cls,
        terms: Sequence[AbsorbedTerm],
        factors: Factors,
        effects: Sequence[np.ndarray],
        aliases: Sequence[np.ndarray],
        weights: np.ndarray | None = None,
    ) -> AbsorbedEffects:
        """Effects as a projection found them, normalised."""
        count, sets = factors.components
        rank, exact = factors.rank
        counts = tuple(np.bincount(c, minlength=s) for c, s in zip(factors.codes, factors.sizes, strict=True))
        found = [np.array(effect) for effect in effects]
        if len(found) > 1:
            for q in range(1, len(found)):
                rows = counts[q].astype(np.float64)
                mean = np.bincount(sets[q], rows * found[q], minlength=count) / np.bincount(
                    sets[q], rows, minlength=count
                )
                found[q] -= mean[sets[q]]
                found[0] += mean[sets[0]]
        return cls(tuple(terms), tuple(found), counts, sets, count, rank, exact, tuple(aliases))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(effect) for effect in self.effects)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that the factors are made of."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term.columns))

    def named(self, names: tuple[LevelNames, ...]) -> AbsorbedEffects:
        return replace(self, names=names)

    def facts(self) -> dict[str, str]:
        """What the summary says of them."""
        listed = ", ".join(f"{t.name} ({size:,})" for t, size in zip(self.terms, self.sizes, strict=True))
        found = {"Absorbed effects": listed}
        if len(self.terms) > 1:
            most = "" if self.exact else " at most"
            sets = "" if self.connected == 1 else f", {self.connected:,} sets of levels not connected"
            found["Absorbed df"] = f"{self.rank:,}{most}{sets}"
        return found

    def on(self, frame: Frame) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
        """Sums of effects for the rows of a new frame, of aliases (n, p - k), and how many rows have none, by cause.

        Both are NaN for a level that is missing or unknown to the fit, and for levels of different connected sets.
        """
        assert self.names is not None
        total, causes = np.zeros(frame.n), {}
        made = np.zeros((frame.n, self.aliases[0].shape[1]))
        ok = np.ones(frame.n, dtype=bool)
        first: np.ndarray | None = None
        apart = np.zeros(frame.n, dtype=bool)

        def strike(rows: np.ndarray, cause: str) -> None:
            if (rows & ok).any():
                causes[cause] = int(np.count_nonzero(rows & ok))
                ok[rows] = False

        for term, name, effect, alias, sets in zip(
            self.terms, self.names, self.effects, self.aliases, self.sets, strict=True
        ):
            code = name.codes(frame)
            strike(code == -1, f"{term.name} is missing")
            strike(code == -2, f"{term.name} has a level that the fit has no effect of")
            known = np.maximum(code, 0)
            total += effect[known]
            made += alias[known]
            if first is not None:
                apart |= (sets[known] != first) & (code >= 0)
            first = sets[known]
        if len(self.terms) > 1:
            strike(apart, f"levels of {' and '.join(t.name for t in self.terms)} are not connected")
        total[~ok], made[~ok] = np.nan, np.nan
        return total, made, causes
