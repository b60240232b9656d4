"""Real data sets with source and licence, and data-generating processes with known truth."""

from statinf.datasets.bundled import list_datasets, load
from statinf.datasets.dgp.registry import list_simulations, simulate
from statinf.datasets.record import Column, Dataset, describe, names

__all__ = ["Column", "Dataset", "describe", "list_datasets", "list_simulations", "load", "names", "simulate"]
