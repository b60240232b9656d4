"""Memory-bounded batches."""

from __future__ import annotations

from collections.abc import Iterator

DEFAULT_BUDGET = 256 * 2**20
"""Bytes that one batch of temporaries may take unless the caller says otherwise."""


def rows_per_chunk(bytes_per_item: float, budget: float = DEFAULT_BUDGET, *, at_most: int | None = None) -> int:
    """How many items of a given size fit into the budget; at least one."""
    size = max(1, int(budget // max(bytes_per_item, 1.0)))
    return size if at_most is None else max(1, min(size, at_most))


def chunks(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` items that cover `range(total)` in order."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
