"""The replicas of a run on its devices, cut into tiles that are advanced side by side."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import (
    accelerated,
    cores,
    host_part,
    over_hosts,
    pad_axis,
    shared_devices,
    sharing,
    split_over,
    x64,
)
from statinf.numerics.laws.multipliers import GROUP, seed_words
from statinf.numerics.recursions.averaging import (
    ACCELERATOR_BLOCK,
    ACCELERATOR_CHAIN,
    BLOCK,
    CHAIN,
    replica_tile,
)
from statinf.stochastic.rows import StreamRows, slab_size
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State

_TILE = 512
_SPLIT = (1, 1, None, None, None, 0, None)
"""The axis of each argument of the kernel that counts replicas."""
_COORDINATES = 4
"""Coordinates are padded with zeros to a multiple of it: models of about one size share what is compiled."""


class Tiles:
    """The replicas of a run on its devices, cut into tiles that are advanced side by side.

    Several devices share each tile; several hosts share the replicas, and `arrays` puts them together.
    """

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings = settings
        self.height = -(-settings.d // _COORDINATES) * _COORDINATES
        self.targets = shared_devices() if sharing() else ()
        many = max(len(self.targets), 1)
        width = tile_width(settings.padded) * many
        own = host_part(range(settings.padded // GROUP))
        first, last = (own[0] * GROUP, (own[-1] + 1) * GROUP) if own else (0, 0)
        self.cuts = [slice(a, min(a + width, last)) for a in range(first, last, width)]
        self.words = seed_words(settings.seed)
        self.block, self.chain = (ACCELERATOR_BLOCK, ACCELERATOR_CHAIN) if accelerated() else (BLOCK, CHAIN)
        self.sizes = [-(-(c.stop - c.start) // (GROUP * many)) * GROUP * many for c in self.cuts]
        with x64():
            import jax.numpy as jnp

            def placed(columns: np.ndarray, size: int) -> Any:
                return jnp.asarray(pad_axis(columns, size, axis=1))

            Th, S = (pad_axis(a, self.height) for a in (state.replicas, state.replica_sums))
            cuts = list(zip(self.cuts, self.sizes, strict=True))
            self.tiles = [(placed(Th[:, c], size), placed(S[:, c], size)) for c, size in cuts]
        self.pool = ThreadPoolExecutor(min(len(self.cuts), cores())) if self.cuts and cores() > 1 else None

    def __enter__(self) -> Tiles:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def begin(
        self, slab: StreamRows, alpha: np.ndarray, share: np.ndarray, *, first: int, origin: int
    ) -> list[Callable[[], Any]]:
        """Send a slab of rows through every tile; `first` is the number of its first row, counted from 1.

        Returns what `finish` waits for: calls that give each tile's new arrays.
        """
        if not self.cuts:
            return []
        settings = self.settings
        number = np.arange(first, first + len(slab), dtype=np.int64)
        live = share.reshape(len(slab), -1)[:, 0] > 0.0
        kept = ((number > origin) & live).astype(np.float64)
        if settings.replica_start == "burnin":
            number = np.where(number > settings.burn_in, number, -settings.block_len)
        number //= settings.block_len
        blocks = np.int64(-(-len(slab) // self.block))
        size = slab_size(len(slab))
        left = _lengthened(slab.F, size, self.height)
        right = left if slab.G is slab.F else _lengthened(slab.G, size, self.height)
        arrays = (left, right, *(pad_axis(a, size) for a in (slab.c, alpha, kept, number)))

        def one(i: int) -> Any:
            with x64():
                start = self.cuts[i].start // GROUP
                groups = np.arange(start, start + self.sizes[i] // GROUP, dtype=np.uint32)
                Th, S = self._advanced(*self.tiles[i], arrays, blocks, self.words, groups, np.float64(settings.tau))
                return Th.block_until_ready(), S

        if self.pool is None:
            return [partial(one, i) for i in range(len(self.cuts))]
        contexts = [contextvars.copy_context() for _ in self.cuts]
        return [self.pool.submit(context.run, one, i).result for i, context in enumerate(contexts)]

    def _advanced(self, *args: Any) -> Any:
        settings = self.settings
        static = {"loss": settings.loss, "law": settings.law, "block": self.block, "chain": self.chain}
        if not self.targets:
            return replica_tile.on_device(*args, **static)
        _, compiled = split_over(replica_tile.inner, self.targets, _SPLIT, 1, tuple(sorted(static.items())))
        return compiled(*args)

    def finish(self, begun: list[Callable[[], Any]]) -> None:
        """Wait for a slab that `begin` sent."""
        self.tiles = [wait() for wait in begun]

    def restart(self, state: State, shift: np.ndarray) -> None:
        """Move the coordinates that are new by `shift` (NaN for the others), and begin averages where the state does."""
        again = pad_axis(state.origin >= state.done, self.height)
        if not self.cuts or not (again.any() or np.isfinite(shift).any()):
            return
        move = pad_axis(np.nan_to_num(shift), self.height)[:, None]
        with x64():
            self.tiles = [(Th + move, S * ~again[:, None]) for Th, S in self.tiles]

    def arrays(self, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Replicas and sums, shape (d, padded) each; `same` is what every host must have in common."""
        d, padded = self.settings.d, self.settings.padded
        if not padded:
            empty = np.zeros((d, 0))
            return empty, empty

        def own(groups: Sequence[int]) -> np.ndarray:
            with x64():
                kept = [c.stop - c.start for c in self.cuts]
                parts = [
                    np.concatenate([np.asarray(Th)[:d, :n], np.asarray(S)[:d, :n]])
                    for (Th, S), n in zip(self.tiles, kept, strict=True)
                ]
            return np.concatenate(parts, axis=1).T

        whole = over_hosts(own, range(padded // GROUP), same=same).T
        return np.ascontiguousarray(whole[:d]), np.ascontiguousarray(whole[d:])


def tile_width(padded: int) -> int:
    """Replicas a tile: what stays in a core's cache, and two tiles at least where there are many.

    A function of the number of replicas only, so that results do not depend on the number of cores; an
    accelerator takes all replicas at once.
    """
    if accelerated():
        return max(padded, GROUP)
    return _TILE if padded > _TILE else max(GROUP * -(-padded // (2 * GROUP)), 2 * GROUP)


def _lengthened(rows: np.ndarray, length: int, width: int) -> np.ndarray:
    """Rows (n, d) with zeros behind and below, shape (length, width)."""
    if rows.shape[1] == width:
        return pad_axis(rows, length)
    out = np.zeros((length, width))
    out[: len(rows), : rows.shape[1]] = rows
    return out
