"""The families, their tables of methods and their parts of the demonstration, found by module name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from statinf.results.methods import Method

FAMILIES = ("models", "quantile", "conformity", "balancing", "effects", "stochastic", "shifts")


def modules(name: str, families: tuple[str, ...] = FAMILIES) -> Iterator[tuple[str, ModuleType]]:
    """(family, module ``statinf.<family>.<name>``) for the families that have it."""
    for family in families:
        if find_spec(f"statinf.{family}") and find_spec(f"statinf.{family}.{name}"):
            yield family, import_module(f"statinf.{family}.{name}")


def all_methods() -> list[Method]:
    """Every method of every family, in the families' order."""
    from statinf.results.methods import tables

    found: list[Method] = []
    for _, module in modules("table"):
        found += tables(*module.TABLES) if hasattr(module, "TABLES") else module.METHODS
    return found
