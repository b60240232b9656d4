"""Checks of the arms of a treatment: groups in which nothing can be compared, and arms too thin to judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.effects.arms import Arms
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning

if TYPE_CHECKING:
    from statinf.effects.rows import EffectRows


def warn_thin_arms(rows: EffectRows) -> None:
    """Warn, naming row or cluster and arm, where one row or one cluster is all that an arm has."""
    if not (rows.binary or rows.several):
        return
    found = []
    for name, where, inside in _arms(rows):
        if np.count_nonzero(inside) == 1:
            found.append(f"row {int(rows.design.rows[inside][0])} is the only one of the arm {name}{where}")
            continue
        alone = [c for c, codes in rows.clusters.items() if len(np.unique(codes[inside])) == 1]
        found += [f"one cluster of '{c}' holds all rows of the arm {name}{where}" for c in alone]
    if found:
        issue_warning(
            f"{'; '.join(found[:3])}: how that arm varies cannot be seen, so that the interval is far too short.",
            NumericalWarning,
        )


def _arms(rows: EffectRows) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, group and rows of every arm, the reference last."""
    for label, group in rows.groups:
        where = f" of {label}" if label else ""
        if rows.arms is None:
            yield "treated", where, group & rows.treated
            yield "control", where, group & ~rows.treated
            continue
        for level in (*rows.arms.ordered[1:], rows.arms.reference):
            yield _level(level), where, group & rows.arms.rows(level)


def check_groups(
    groups: tuple[tuple[str, np.ndarray], ...], by: str | None, d: np.ndarray, w: np.ndarray, arms: Arms | None
) -> None:
    """Refuse groups in which nothing can be compared, all of them by name."""
    if by is None:
        return
    lacking = []
    for label, rows in groups:
        some = rows & (w > 0)
        inside = d[some]
        what = ""
        if arms is not None and len(arms.levels) > 2:
            absent = [_level(level) for level in arms.levels if not (arms.rows(level) & some).any()]
            what = f"no rows of the arm {', '.join(absent)}" if absent else ""
        elif np.all(inside == inside[0]):
            what = "one value of the treatment only"
            if arms is not None:
                what = "no controls" if inside[0] else "no treated rows"
        if what:
            lacking.append(f"'{label}' has {what} ({len(inside)} {'row' if len(inside) == 1 else 'rows'})")
    if lacking:
        raise DataError(
            f"by='{by}': {'; '.join(lacking[:5])}{'; ...' if len(lacking) > 5 else ''}: nothing can be compared there. "
            "Leave such groups out, or join them with others."
        )


def check_whose(rows: EffectRows, estimand: str) -> None:
    """Of several arms, `treated=` says whose average effect the ATT is, and means nothing else.

    Raises
    ------
    OptionError
        If it is missing there, or given elsewhere.
    """
    if not rows.several or rows.arms is None:
        return
    levels = ", ".join(map(_level, rows.arms.levels))
    if estimand == "ATT" and rows.arms.treated is None:
        raise OptionError(
            f"estimand='ATT' with several arms is the average over the rows of one arm: name it by treated= ({levels})."
        )
    if estimand != "ATT" and rows.arms.treated is not None:
        raise OptionError(
            f"treated= with several arms says whose average effect estimand='ATT' is; '{rows.treatment}' has the arms "
            f"{levels}, each compared with reference=. Leave treated= out, or keep the rows of two arms."
        )


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
