"""The record of a method of `proximal`."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.results import Fit
from statinf.results.methods import Method


@dataclass(frozen=True, kw_only=True)
class ProximalMethod(Method):
    """`estimate` maps a `ProximalProblem` and options to a design and an estimate, which become a fit of this kind."""

    fit: type[Fit] = Fit
