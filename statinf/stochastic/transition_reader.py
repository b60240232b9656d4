"""From frames to rows of temporal-difference learning, one block after the other, by what the first block taught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula import NewRows, Recipe, as_frame
from statinf.formula.blocks import check_levels, counted, listed_causes, number_column, refuse_infinite
from statinf.formula.native_rows import native_rows
from statinf.stochastic.reading import StreamBlock
from statinf.stochastic.rows import StreamRows


@dataclass(frozen=True, kw_only=True)
class TransitionReader:
    """Rows of temporal-difference learning: f = rho trace, g = phi - discount phi', c = reward.

    Parameters
    ----------
    recipe : Recipe
    discount, trace : float
    following : mapping of str to str, or None
        Column of the next state for each column of the state; None: the next row of the episode.
    ratio, episode, terminal : str or None
        Columns.
    last_trace, last_episode, episodes, held
        What the next block needs: the trace, the episode's value and number, and a row that waits for its next state.
    """

    recipe: Recipe
    discount: float
    trace: float = 0.0
    following: dict[str, str] | None = None
    ratio: str | None = None
    episode: str | None = None
    terminal: str | None = None
    last_trace: np.ndarray | None = None
    last_ended: bool = True
    last_episode: Any = None
    episodes: int = 0
    held: dict[str, np.ndarray] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        named = [self.ratio, self.episode, self.terminal, *(self.following or {}).values()]
        return (*self.recipe.columns, *(c for c in named if c))

    def read(
        self, table: Any, weights: np.ndarray | None = None, *, strict: bool = False
    ) -> tuple[StreamBlock, TransitionReader]:
        """Rows of a block, and the reader of the next block."""
        from statinf.numerics.recursions.traces import eligibility

        raw, dropped = self._raw(table)
        if strict and dropped:
            raise DataError(f"na_action='raise' and rows cannot be used: {listed_causes(dropped)}.")
        held = None
        if self.following is None:
            raw, held = self._with_next_row(raw, dropped)
        n = len(raw["reward"])
        if not n:
            empty = StreamRows.none(raw["phi"].shape[1])
            return StreamBlock(empty, dropped), replace(self, held=held)
        fresh = raw["fresh"].astype(bool)
        fresh[0] |= self.last_ended
        F = eligibility(raw["phi"], fresh, self.discount * self.trace, raw["ratio"], self.last_trace)
        number = self.episodes + np.cumsum(fresh)
        G = raw["phi"] - self.discount * raw["following"]
        reader = replace(
            self, last_trace=F[-1].copy(), last_ended=bool(raw["ended"][-1]), episodes=int(number[-1]),
            last_episode=raw["last_episode"], held=held,
        )  # fmt: skip
        return StreamBlock(StreamRows.of(F, G, raw["reward"], number.astype(np.int64)), dropped), reader

    def _raw(self, table: Any) -> tuple[dict[str, Any], dict[str, int]]:
        """Features, next features, rewards, ratios and where episodes begin and end, rows with gaps left out."""
        new = self.recipe.new_rows(table, response=True, warn=False)
        check_levels(self.recipe, new)
        phi, reward = new.part("covariates").values, np.asarray(new.response, np.float64)
        refuse_infinite(self.recipe, new, reward)
        ended = np.zeros(new.n, bool) if self.terminal is None else self._flag(new, self.terminal)
        ratio = np.ones(new.n) if self.ratio is None else number_column(new, self.ratio)
        if (ratio < 0).any():
            raise DataError(f"importance ratios in '{self.ratio}' are negative in {int((ratio < 0).sum())} rows.")
        fresh, last = self._boundaries(new)
        following = np.zeros_like(phi)
        next_ok = np.ones(new.n, bool)
        if self.following is not None:
            following, next_ok = self._next_columns(new, ended)
        causes = {
            f"{self.recipe.response[0]} is missing": np.isnan(reward),
            "the next state is missing": ~next_ok,
            f"{self.ratio} is missing": np.isnan(ratio),
        }
        bad = np.logical_or.reduce([~new.ok, *causes.values()])
        dropped = counted(self.recipe, new) | {cause: int(rows.sum()) for cause, rows in causes.items() if rows.any()}
        after_gap = np.concatenate([[False], bad[:-1]])
        ok = ~bad
        # What follows a gap starts anew: a trace across it would use rows that are not there.
        fresh = (fresh | after_gap | np.concatenate([[False], ended[:-1]]))[ok]
        raw = {
            "phi": phi[ok], "following": following[ok], "reward": reward[ok], "ratio": ratio[ok], "fresh": fresh,
            "ended": (ended | np.concatenate([bad[1:], [False]]))[ok], "done": ended[ok], "last_episode": last,
        }  # fmt: skip
        return raw, dropped

    def _flag(self, new: NewRows, name: str) -> np.ndarray:
        values = number_column(new, name)
        if not np.isin(values, (0.0, 1.0)).all():
            raise DataError(f"terminal column '{name}' must hold 0 and 1 (or booleans) without gaps.")
        return values == 1.0

    def _boundaries(self, new: NewRows) -> tuple[np.ndarray, Any]:
        fresh = np.zeros(new.n, bool)
        if self.episode is None:
            return fresh, None
        found = new.frame.categories(self.episode)
        if (found.codes < 0).any():
            raise DataError(f"the episode column '{self.episode}' is missing in {int((found.codes < 0).sum())} rows.")
        if not new.n:
            return fresh, self.last_episode
        fresh[1:] = found.codes[1:] != found.codes[:-1]
        fresh[0] = found.levels[found.codes[0]] != self.last_episode
        return fresh, found.levels[found.codes[-1]]

    def _next_columns(self, new: NewRows, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import narwhals as nw

        assert self.following is not None
        columns = {target: new.frame.raw(source).alias(target) for target, source in self.following.items()}
        rest = [c for c in self.recipe.columns if c not in self.following and c in new.frame.names]
        there = as_frame(nw.from_dict(columns | {c: new.frame.raw(c) for c in rest}).to_native())
        after = self.recipe.new_rows(there, roles=["covariates"], warn=False)
        values = after.part("covariates").values.copy()
        lost = ~after.ok & ~ended
        if lost.any():
            gone = self.recipe.new_rows(native_rows(there, np.flatnonzero(lost)), roles=["covariates"], warn=False)
            check_levels(self.recipe, gone)
        values[ended] = 0.0
        return values, ~lost

    def _with_next_row(
        self, raw: dict[str, Any], dropped: dict[str, int]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray] | None]:
        """Pair each row with the next of its episode; the last row waits for the next block."""
        if self.held is not None:
            raw = raw | {k: np.concatenate([v, raw[k]]) for k, v in self.held.items()}
        n = len(raw["reward"])
        if not n:
            return raw, None
        last = bool(raw["done"][-1])  # a terminal row needs no next one
        following = np.zeros_like(raw["phi"])
        following[:-1] = np.where(raw["done"][:-1, None], 0.0, raw["phi"][1:])
        cut = np.append(raw["fresh"][1:] & ~raw["done"][:-1], False)
        if cut.any():
            cause = "the episode stops without a terminal row"
            if self.episode is not None:
                cause += f" (rows of an episode of '{self.episode}' must lie side by side, in order)"
            dropped[cause] = dropped.get(cause, 0) + int(cut.sum())
        keep = ~cut
        keep[-1] = last
        out = {k: raw[k][keep] for k in ("phi", "reward", "ratio", "ended", "done", "fresh")}
        out |= {"following": following[keep], "last_episode": raw["last_episode"]}
        waiting = {k: v[-1:] for k, v in raw.items() if isinstance(v, np.ndarray)}
        return out, None if last else waiting
