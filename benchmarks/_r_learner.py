"""The numbers of Fisher's simulation (arXiv 2307.09700) at n = 1,000 with LightGBM, and ours beside them."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DESIGNS = "ABCDEF"
SAMPLES = 600
PAIRS: Mapping[str, dict[str, str]] = {
    "DR / 1": {"method": "s", "pseudo": "dr", "weighting": "none"},
    "DR / e(1-e)": {"method": "s", "pseudo": "dr", "weighting": "ivw"},
    "U / 1": {"method": "u"},
    "U / (A-e)^2 = R": {"method": "r"},
}
"""What the paper's main figure shows, as options of `si.cate`; its DR takes the outcome of both arms from one model."""

WEIGHTED = ("DR / e(1-e)", "U / (A-e)^2 = R")
PAPER = {
    "DR / 1": (
        (0.06951, 0.06272),
        (0.22204, 0.08187),
        (0.03757, 0.05032),
        (0.59044, 0.12357),
        (0.03441, 0.07794),
        (0.02216, 0.05477),
    ),
    "DR / e(1-e)": (
        (0.06375, 0.04105),
        (0.22217, 0.08336),
        (0.02837, 0.03585),
        (0.55386, 0.11808),
        (0.02234, 0.03268),
        (0.01311, 0.01740),
    ),
    "U / 1": (
        (0.51877, 3.90148),
        (0.22931, 0.08713),
        (4.15865, 11.91500),
        (0.97535, 0.46064),
        (0.34115, 1.85952),
        (0.33502, 2.73539),
    ),
    "U / (A-e)^2 = R": (
        (0.06036, 0.03312),
        (0.22816, 0.08523),
        (0.03259, 0.05145),
        (0.54802, 0.11360),
        (0.03637, 0.16130),
        (0.01458, 0.02043),
    ),
    "T": (
        (0.16043, 0.05265),
        (0.41490, 0.09009),
        (0.77039, 0.20095),
        (0.40742, 0.07456),
        (0.03096, 0.02332),
        (0.01016, 0.01283),
    ),
}
"""Mean squared error and its standard deviation over 600 samples by design, of the simulation results the author published."""


def write(held: Mapping[str, Any], folder: Path) -> None:
    """Write the page of the study, and its record for ``REPRODUCED.md``."""
    import lightgbm

    from statinf import __version__
    from statinf.vignette.reproduced import Record

    found = by_design(held["errors"])
    counts = {design: len(rows["T"]) for design, rows in found.items()}
    done = ", ".join(f"{n} of {design}" for design, n in counts.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        "# The R-learner as inverse-variance weighting, at its paper's size with its paper's learner",
        "",
        "Fisher (ICML 2024, arXiv 2307.09700): logarithm of the mean squared error of the effect on 10,000 new rows, n = 1,000,",
        f"LightGBM {lightgbm.__version__} for every nuisance and every second stage, the best of 25 random settings in",
        "ten folds: second stages in each sample as in the paper, nuisances once for a design. In brackets the Monte Carlo error",
        f"of the logarithm. The paper has 600 samples of each design; here are {done}, in {held['seconds'] / 60:.0f} minutes",
        f"of one core ({machine}). `python -m benchmarks.r_learner --minutes 60` goes on where this stopped.",
        "",
        "| pseudo-outcome / weight | " + " | ".join(DESIGNS) + " |",
        "|:---|" + "---:|" * len(DESIGNS),
    ]
    for pair in PAPER:
        lines.append(f"| {pair}, paper | " + " | ".join(_shown(*_paper(pair, d)) for d in DESIGNS) + " |")
        ours = [_shown(*_ours(found[d][pair])) if d in found else "" for d in DESIGNS]
        lines.append(f"| {pair}, here | " + " | ".join(ours) + " |")
    (folder / "r_learner.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    verdicts = (*_numbers(found), *_claims(found))
    Record(
        "r-learner-lightgbm",
        "R-learning as inverse-variance weighting, with LightGBM at n = 1,000",
        "Fisher (ICML 2024, arXiv 2307.09700) at the paper's own size with the paper's own learner, second stages tuned in "
        f"each sample, of 600 samples of a design {done} (`benchmarks/results/r_learner.md`).",
        "full",
        "",
        __version__,
        machine,
        held["seconds"],
        held["seconds"],
        verdicts,
    ).save(folder.parent)


def by_design(errors: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, np.ndarray]]:
    """Errors of the samples by design and pair."""
    out: dict[str, dict[str, np.ndarray]] = {}
    for design in DESIGNS:
        rows = [found for key, found in errors.items() if key.split()[0] == design]
        if rows:
            out[design] = {pair: np.array([row[pair] for row in rows]) for pair in PAPER}
    return out


def _paper(pair: str, design: str) -> tuple[float, float]:
    mean, sd = PAPER[pair][DESIGNS.index(design)]
    return float(np.log(mean)), sd / np.sqrt(SAMPLES) / mean


def _ours(errors: np.ndarray) -> tuple[float, float]:
    """Log mean and the error of the mean relative to it."""
    spread = errors.std(ddof=1) if len(errors) > 1 else np.nan
    return float(np.log(errors.mean())), float(spread / np.sqrt(len(errors)) / errors.mean())


def _shown(log: float, error: float) -> str:
    return f"{log:.2f} ({error:.2f})" if np.isfinite(error) else f"{log:.2f} (one sample)"


def _numbers(found: Mapping[str, Mapping[str, np.ndarray]]) -> list[Any]:
    """A verdict for each pair: whether the means agree within what simulation leaves open, over all designs at once."""
    from scipy.stats import norm

    from statinf.vignette import verdict

    # two-sided at .05 over all pairs and designs
    z = float(norm.ppf(1.0 - 0.025 / (len(PAPER) * len(DESIGNS))))
    out = []
    for pair in PAPER:
        shown, holds = [], True
        for design, rows in found.items():
            mean, sd = PAPER[pair][DESIGNS.index(design)]
            ours = rows[pair]
            # the paper's spread, of 600 samples, serves for both: few samples of a skewed error do not know their own
            error = sd * np.sqrt(1.0 / len(ours) + 1.0 / SAMPLES)
            inside = abs(ours.mean() - mean) <= z * error
            holds &= bool(inside)
            shown.append(f"{design} {_shown(*_ours(ours))}" + ("" if inside else " outside"))
        out.append(
            verdict(
                f"log mean squared error of {pair}, n = 1,000",
                ", ".join(shown),
                holds,
                paper=", ".join(f"{d} {_paper(pair, d)[0]:.2f}" for d in found),
                tolerance=f"{z:.1f} Monte Carlo errors of the difference of means in each design: .05 over all "
                f"{len(PAPER) * len(DESIGNS)} numbers",
                reason="the designs marked lie outside; here all samples of a design share the luck of one race of settings "
                "for their nuisances",
            )
        )
    return out


def _claims(found: Mapping[str, Mapping[str, np.ndarray]]) -> list[Any]:
    """What the paper concludes from its table."""
    from statinf.vignette import verdict

    log = {d: {pair: float(np.log(rows[pair].mean())) for pair in PAPER} for d, rows in found.items()}
    theirs = {d: {pair: _paper(pair, d)[0] for pair in PAPER} for d in found}
    varying, far = [d for d in found if d != "B"], [d for d in found if d in "ABC"]

    def gains(table: Mapping[str, Mapping[str, float]]) -> str:
        steps = (("DR", "DR / 1", WEIGHTED[0]), ("U", "U / 1", WEIGHTED[1]))
        return "; ".join(
            f"{name} " + ", ".join(f"{table[d][weighted] - table[d][plain]:+.2f}" for d in varying)
            for name, plain, weighted in steps
        )

    def last(table: Mapping[str, Mapping[str, float]]) -> str:
        return ", ".join(f"{d} {table[d]['T'] - max(table[d][p] for p in WEIGHTED):+.2f}" for d in far)

    helps = all(log[d][w] < log[d][p] for d in varying for p, w in zip(("DR / 1", "U / 1"), WEIGHTED, strict=True))
    few = "so few samples leave differences of this size open"
    out = []
    if varying:
        claim = f"weights help in {', '.join(varying)} (log error with them less without)"
        out.append(verdict(claim, gains(log), helps, paper=gains(theirs), reason=few))
    if far:
        behind = all(log[d]["T"] > max(log[d][p] for p in WEIGHTED) for d in far)
        claim = f"the T-learner is behind all weighted ones in {', '.join(far)}"
        out.append(verdict(claim, last(log), behind, paper=last(theirs), reason=few))
    return out
