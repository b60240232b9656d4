"""Warnings of sets that hold everything because too few rows calibrate."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.conformity.class_procedure import ClassCross, ClassSplit
from statinf.conformity.procedure import Split
from statinf.conformity.regions.procedure import RegionSplit
from statinf.errors import StatinfWarning, issue_warning


def warn_infinite(procedure: Any, level: float, groups: Any) -> None:
    """Say that all sets, or those of some groups or classes, hold everything."""
    needed = procedure.smallest(level)
    held_out = isinstance(procedure, Split | ClassSplit | RegionSplit)
    codes = procedure.calibration.groups if held_out else None
    of_classes = isinstance(procedure, ClassSplit | ClassCross)
    if codes is None:
        if procedure.n < needed:
            kind = "calibration rows" if held_out else "rows"
            what = "holds every class" if of_classes else "is infinite"
            _warn(
                f"Every set {what}: {procedure.n} {kind} are too few at level {level:g}; at least {needed} are needed."
            )
        return
    names = cell_names(procedure, groups)
    counts = np.bincount(codes, minlength=len(names))
    small = [f"'{names[g]}' ({counts[g]})" for g in np.flatnonzero(counts < needed)]
    if not small:
        return
    shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
    said = f"fewer than {needed} calibration rows, which level {level:g} needs: {shown}."
    if isinstance(procedure, ClassSplit) and procedure.by_class:
        kind = "classes" if groups is None else "pairs of group and class"
        _warn(f"{len(small)} {kind} are in every set, having {said}")
    elif of_classes:
        _warn(f"Sets hold every class in {len(small)} groups with {said}")
    else:
        _warn(f"Sets are infinite in {len(small)} groups with {said}")


def warn_endless(endless: int, m: int, level: float) -> None:
    """Say that some sets of new rows hold everything because those rows outweigh the calibration rows like them."""
    if endless:
        _warn(
            f"{endless} of {m} sets are infinite: such a row holds more than {1.0 - level:.3g} of the weight of the "
            "calibration rows and itself. Calibrate on more rows, or use a lower level."
        )


def cell_names(procedure: Any, groups: Any) -> tuple[str, ...]:
    """Names of what has a threshold of its own: groups, classes, or pairs of both."""
    labels = () if groups is None else groups.labels
    if not getattr(procedure, "by_class", False):
        return labels or ("all rows",)
    classes = tuple(map(str, procedure.levels))
    return tuple(f"{g}, {c}" for g in labels for c in classes) if labels else classes


def _warn(message: str) -> None:
    issue_warning(message, StatinfWarning)
