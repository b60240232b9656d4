"""What is known about a bundled table: where it comes from, under which terms, and what its columns mean.

Each table is two files in ``data/``: ``NAME.csv.gz`` with the numbers and ``NAME.toml`` with this record.
A new table needs no code.
"""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from statinf.errors import DataError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

KINDS = ("int", "float", "category", "ordinal", "text")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a bundled table.

    Attributes
    ----------
    name : str
    kind : {"int", "float", "category", "ordinal", "text"}
        ``category`` is an unordered and ``ordinal`` an ordered pandas Categorical.
    unit : str
        Unit of measurement; ``"0/1"`` for an indicator, empty where there is none.
    description : str
    levels : tuple of str
        The categories in the order they have in the frame; the first is the reference level.
    """

    name: str
    kind: str
    unit: str
    description: str
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """The record of a bundled table; printing it shows everything.

    Attributes
    ----------
    name, title, description : str
    rows : int
    missing : int
        Number of missing cells in the whole table.
    columns : tuple of Column
        In the order of the frame.
    citation : str
        The study the data come from.
    source : str
        The package and version the table was taken from, and what was changed on the way.
    licence : str
        SPDX identifier, or ``"public domain"``. It is the licence of this table alone, not of statinf.
    licence_note : str
        Who says so.
    licence_file : str
        Name of the licence text shipped beside the table, empty where none has to go with it.
    used_for : tuple of str
    """

    name: str
    title: str
    description: str
    rows: int
    missing: int
    columns: tuple[Column, ...]
    citation: str
    source: str
    licence: str
    licence_note: str
    licence_file: str
    used_for: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.rows, len(self.columns)

    def licence_text(self) -> str:
        """Text of the licence that goes with the table; empty for the public domain and CC0."""
        if not self.licence_file:
            return ""
        return (_data() / "licences" / self.licence_file).read_text(encoding="utf-8")

    def __str__(self) -> str:
        """Everything about the table as plain text."""

        def block(label: str, text: str) -> str:
            return textwrap.fill(text, 100, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)

        head = f"{self.name}: {self.title}\n{self.rows} rows, {len(self.columns)} columns, {self.missing} missing cells"
        width = max(len(c.name) for c in self.columns)
        table = [f"  {c.name:<{width}}  {_kind(c):<9}  {_meaning(c)}" for c in self.columns]
        return "\n".join(
            [
                head,
                "",
                textwrap.fill(self.description, 100),
                "",
                block("Used for", ", ".join(self.used_for)),
                block("Study", self.citation),
                block("Source", self.source),
                block("Licence", f"{self.licence}. {self.licence_note}"),
                "",
                *table,
            ]
        )

    def _repr_markdown_(self) -> str:
        rows = [f"| `{c.name}` | {_kind(c)} | {_meaning(c)} |" for c in self.columns]
        return "\n".join(
            [
                f"**{self.name}**: {self.title} ({self.rows} rows, {len(self.columns)} columns)",
                "",
                self.description,
                "",
                f"*Study*: {self.citation} *Source*: {self.source} *Licence*: {self.licence}. {self.licence_note}",
                "",
                "| column | kind | meaning |",
                "|---|---|---|",
                *rows,
            ]
        )


def _kind(column: Column) -> str:
    return "0/1" if column.unit == "0/1" else column.kind


def _meaning(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit and column.unit != "0/1" else ""
    order = " < " if column.kind == "ordinal" else ", "
    levels = f" (levels: {order.join(column.levels)})" if column.levels else ""
    return f"{column.description}{unit}{levels}"


def _data() -> Traversable:
    return files("statinf.datasets") / "data"


def table_file(name: str) -> Traversable:
    """Return the compressed CSV of a bundled table."""
    return _data() / f"{name}.csv.gz"


@cache
def names() -> tuple[str, ...]:
    """Names of the bundled tables, in alphabetical order.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from statinf import datasets
    >>> "lalonde" in datasets.names()
    True
    """
    return tuple(sorted(f.name.removesuffix(".toml") for f in _data().iterdir() if f.name.endswith(".toml")))


def describe(name: str) -> Dataset:
    """Return the record of a bundled table.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Dataset
        Title, source, licence and the meaning and unit of every column.

    Raises
    ------
    DataError
        If no bundled table has that name; close names are suggested.

    Examples
    --------
    >>> from statinf import datasets
    >>> engel = datasets.describe("engel")
    >>> engel.shape, engel.licence
    ((235, 2), 'public domain')
    """
    if not isinstance(name, str) or name not in names():
        raise DataError(unknown("data set", name, names(), "datasets.list_datasets() lists the bundled tables."))
    return _record(name)


@cache
def _record(name: str) -> Dataset:
    raw: dict[str, Any] = tomllib.loads((_data() / f"{name}.toml").read_text(encoding="utf-8"))
    levels = raw.get("levels", {})
    columns = tuple(Column(c, *spec, levels=tuple(levels.get(c, ()))) for c, spec in raw["columns"].items())
    plain = {k: " ".join(raw.get(k, "").split()) for k in ("title", "description", "citation", "source")}
    return Dataset(
        name=name,
        rows=raw["rows"],
        missing=raw.get("missing", 0),
        columns=columns,
        licence=raw["licence"],
        licence_note=" ".join(raw["licence_note"].split()),
        licence_file=raw.get("licence_file", ""),
        used_for=tuple(raw["used_for"]),
        **plain,
    )


def unknown(what: str, name: object, known: tuple[str, ...], advice: str) -> str:
    """Message for a name that is not among the known ones, with the closest of them."""
    spelled = {k.lower(): k for k in known}
    close = difflib.get_close_matches(str(name).lower(), list(spelled), n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(spelled[k]) for k in close)}?" if close else ""
    return f"No {what} is called {name!r}.{hint} {advice}"
