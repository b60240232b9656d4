"""The families, their tables of methods and their parts of the demonstration, found by module name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from statinf.spellings import plain

if TYPE_CHECKING:
    from statinf.results.methods import Method

FAMILIES = ("models", "quantile", "conformal", "balance", "effects", "stochastic", "shift")
# A folder that had the name of a verb would hide it.
_FOLDERS = {"conformal": "conformity", "balance": "balancing", "shift": "shifts"}


def modules(name: str, families: tuple[str, ...] = FAMILIES) -> Iterator[tuple[str, ModuleType]]:
    """(family, its module of that name) for the families that have it."""
    for family in families:
        package = f"statinf.{_FOLDERS.get(family, family)}"
        if find_spec(package) and find_spec(f"{package}.{name}"):
            yield family, import_module(f"{package}.{name}")


def all_methods() -> list[Method]:
    """Every method of every family, in the families' order."""
    from statinf.results.methods import tables

    found: list[Method] = []
    for _, module in modules("table"):
        found += tables(*getattr(module, "TABLES", ()))
    return found


def calls_of(name: str) -> list[str]:
    """How verbs take a name that is one of their methods, such as ``si.conformal_online(..., method="aci")``."""
    guess = plain(name)
    calls = []
    for _, module in modules("table"):
        for table in getattr(module, "TABLES", ()):
            if guess and guess in table.spelled:
                calls.append(f'si.{table.verb}(..., method="{table.spelled[guess]}")')
    return calls
