"""From which number of rows each inference was found to cover, by `benchmarks/results/stream_stability.md`.

400 samples a cell, four coefficients, default steps. A kind "covers" where its 95 % intervals hold the truth in at least
92.5 % of them.
"""

from __future__ import annotations

COVERS = {"multiplier": 800, "plugin": 800, "hac": 800, "random-scaling": 9_000}
"""Averaged rows; batch means cover at no number that was tried (20,000)."""

TRIED = 20_000
CENTRAL = 0.1
"""Quantile levels nearer to 0 or 1 than this are tails, in which no inference was found to cover."""


LONG = 25_000
"""Averaged rows from which random scaling was found to cover for independent transitions; along a trajectory, at none tried."""


def note(inference: str, temporal: bool = False, along: bool = False) -> str:
    """From which n an inference covers, for labels."""
    if temporal and inference == "random-scaling":
        return "covers too little up to n = 30,000 at least" if along else "covers from n = 30,000"
    rows = {
        "multiplier": "1,000",
        "plugin": "1,000",
        "hac": "1,000",
        "random-scaling": "10,000, away from the centre of a quantile loss not at that",
    }.get(inference)
    return f"covers from n = {rows}" if rows else f"covers too little up to n = {TRIED:,} at least"


def too_short(inference: str, averaged: float, relaxations: float, along: bool = False) -> str:
    """What to say where an inference covers too little for temporal differences; empty where it does not."""
    if inference not in COVERS:
        return (
            f"inference={inference!r} holds the truth in 20 to 75 % of samples, where its intervals say 95 %, at up to "
            "30,000 transitions: use 'plugin' or 'hac'."
        )
    if inference == "multiplier" and relaxations < 1.0:
        return (
            f"inference={inference!r} needs an average over more than one relaxation time of the slowest direction, it spans "
            f"{relaxations:.2g}: its intervals are too short. Leave step= out, use 'plugin' or 'hac', or give more rows."
        )
    if inference == "random-scaling" and along:
        return (
            "inference='random-scaling' along a trajectory holds the truth in 50 to 82 % of samples, where its intervals say "
            "95 %, at up to 30,000 transitions: use 'hac' or 'plugin', or method='lstd'."
        )
    if inference == "random-scaling" and averaged < LONG:
        return (
            f"inference={inference!r} {note(inference, True)}; {averaged:g} rows are averaged here, so that its intervals may "
            "be too short: use 'plugin' or 'hac'."
        )
    if averaged < COVERS["plugin"] / 2:
        return f"inference={inference!r} covers from n = 1,000; {averaged:g} rows are averaged here. Use more rows."
    return ""


def too_few(inference: str, loss: str, tau: float, averaged: int) -> str:
    """What to say where an inference covers too little; empty where it does not."""
    if loss == "quantile" and not CENTRAL <= tau <= 1.0 - CENTRAL and averaged < 5 * TRIED:
        return (
            f"tau={tau:g} is a tail: with {averaged} averaged rows the intervals of one pass were found to hold the truth in "
            "about 85 % of samples where they say 95 % (inference='multiplier': in more than 95 %). Use si.rq."
        )
    if inference not in COVERS:
        return (
            f"inference={inference!r} holds the truth in 50 to 80 % of samples, where its intervals say 95 %, at up to "
            f"{TRIED:,} rows: use 'multiplier' or 'plugin'."
        )
    if inference == "random-scaling" and loss == "quantile" and abs(tau - 0.5) > 0.25 and averaged < TRIED:
        return (
            f"inference='random-scaling' at tau={tau:g} was found to hold the truth in about 89 % of samples of 10,000 rows, "
            "where its intervals say 95 %: use 'multiplier'."
        )
    if averaged < COVERS[inference]:
        return (
            f"inference={inference!r} {note(inference)}; {averaged} rows are averaged here, so that its intervals may be too "
            "short. Use more rows, or a batch fit."
        )
    return ""
