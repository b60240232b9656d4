"""The record of a method of `si.rd`."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.results import Fit, Method


@dataclass(frozen=True, kw_only=True)
class RdMethod(Method):
    """A method of `si.rd`.

    Attributes
    ----------
    fit : type
        The kind of fit that its estimate makes.
    """

    fit: type[Fit]
