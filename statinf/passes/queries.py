"""Queries that are run anew at each pass: duckdb relations and polars lazy frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from statinf.errors import DataError
from statinf.optional import need
from statinf.passes.table import Load


@dataclass(frozen=True)
class DuckRelation:
    """A duckdb relation: each pass runs its query over the columns that are used, and streams the result."""

    relation: Any
    countable = True

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        pa: Any = need("pyarrow", "reading a duckdb relation")
        chosen = self._chosen(columns)
        # duckdb before 1.4 knows the reader by its older name only.
        opened = chosen.to_arrow_reader if hasattr(chosen, "to_arrow_reader") else chosen.fetch_record_batch
        with opened(rows) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield partial(pa.Table.from_batches, [batch])

    def count(self) -> int:
        """Rows of the result, by a query of its own."""
        return int(self.relation.aggregate("count(*)").fetchall()[0][0])

    def _chosen(self, columns: Sequence[str]) -> Any:
        return self.relation.project(", ".join('"' + c.replace('"', '""') + '"' for c in columns))


@dataclass(frozen=True)
class LazyRows:
    """A polars lazy frame: each pass runs its query over the columns that are used, and streams the result."""

    lazy: Any

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        chosen = self.lazy.select(list(columns))
        # Rows keep their order, so that sums are the same at every pass.
        for batch in chosen.collect_batches(chunk_size=rows, maintain_order=True):
            for start in range(0, len(batch), rows):
                yield partial(batch.slice, start, rows)

    @property
    def countable(self) -> bool:
        """Whether rows are counted without running the query: a frame in memory or Parquet files, and nothing done to them."""
        return bool(self.lazy.explain().lstrip().startswith(("DF [", "Parquet SCAN")))

    def count(self) -> int:
        """Rows of the result, by a query of its own."""
        pl: Any = need("polars", "a polars lazy frame")
        return int(self.lazy.select(pl.len()).collect(engine="streaming").item())


def query_rows(data: Any) -> tuple[Any, tuple[str, ...], str] | None:
    """The part that runs a query, its columns and what it is; None for other data.

    Raises
    ------
    DataError
        If a duckdb connection was given instead of a relation.
    """
    package = type(data).__module__.split(".")[0]
    if package in ("duckdb", "_duckdb"):
        if not hasattr(data, "project"):
            raise DataError("data is a duckdb connection; give a relation, such as connection.sql('select ...').")
        return DuckRelation(data), tuple(map(str, data.columns)), "a duckdb relation"
    if package == "polars" and hasattr(data, "collect_batches"):
        return LazyRows(data), tuple(data.collect_schema().names()), "a polars lazy frame"
    return None
