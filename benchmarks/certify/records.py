"""What the records of other scripts of coverage hold already, read from their tables and not drawn again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from statinf.results.certified import CertifiedLine

FOLDER = Path(__file__).resolve().parents[1] / "results"
Row = Mapping[str, str]
Identity = tuple[str, str, str]
"""Class of the result, its method, its kind of interval."""


@dataclass(frozen=True)
class Record:
    """A table of shares in a record.

    Attributes
    ----------
    file : str
        Its name without ending, under `benchmarks/results`.
    verb, design : str
        As a study has them.
    columns : mapping of str to str
        From columns of shares to what their intervals are for; "{}" takes the row's label.
    whose : callable
        From a row and one of the columns to class, method and kind of interval; None leaves the cell out.
    heading : str
        Of the section that has the table; the first table of the file by default.
    size : str
        Column of the rows.
    level : float
    rejections : bool
        Whether shares are of rejected true hypotheses at one less the level.
    share : callable
        From a row to the effective share of its rows.
    """

    file: str
    verb: str
    design: str
    columns: Mapping[str, str]
    whose: Callable[[Row, str], Identity | None]
    heading: str = ""
    size: str = "n"
    level: float = 0.95
    rejections: bool = False
    share: Callable[[Row], float] = field(default=lambda row: 0.0)

    def lines(self) -> list[CertifiedLine]:
        """One line per cell that is not empty; several of one interval and size count as one with all their samples."""
        cells: dict[tuple[str, ...], list[tuple[int, float, float, float]]] = {}
        for row in tables(self.file, self.heading):
            for column, said in self.columns.items():
                share, whose = number(row[column]), self.whose(row, column)
                if np.isnan(share) or whose is None:
                    continue
                found = 1.0 - share if self.rejections else share
                count = int(row["samples"]) if "samples" in row else samples_of(self.file)
                design = self.design.format(**{re.sub(r"\W", "_", k): v for k, v in row.items()})
                key = (*whose, said, design, str(int(number(row[self.size]))))
                cells.setdefault(key, []).append((count, found, self.share(row), 0.0))
        return [self._line(key, np.array(found)) for key, found in cells.items()]

    def _line(self, key: tuple[str, ...], found: np.ndarray) -> CertifiedLine:
        result, method, kind, quantity, design, n = key
        samples = int(found[:, 0].sum())
        mean, share = (float(np.average(found[:, k], weights=found[:, 0])) for k in (1, 2))
        error = float(np.sqrt(mean * (1.0 - mean) / samples))
        return CertifiedLine(
            self.verb, result, method, kind, quantity, design, int(n), samples, self.level, round(mean, 4), round(error, 4),
            share=round(share, 2),
        )  # fmt: skip


def samples_of(file: str) -> int:
    """Data sets behind each share of a record, as its opening words have them."""
    opening = (FOLDER / f"{file}.md").read_text(encoding="utf-8").split("\n|", 1)[0]
    said = re.search(r"(\d[\d,]*) (?:pairs of )?samples", opening)
    if said is None:
        raise ValueError(f"{file}.md does not say of how many samples its shares are.")
    return int(said[1].replace(",", ""))


def number(cell: str) -> float:
    """A share as a record has it: bold, with a length in brackets, with commas; NaN if empty."""
    text = re.sub(r"\(.*\)|\*|,|±.*", "", cell).strip()
    return float(text) if text else float("nan")


def tables(file: str, heading: str) -> Iterator[Row]:
    """Rows of the first table below a heading."""
    text = (FOLDER / f"{file}.md").read_text(encoding="utf-8")
    part = text.split(f"## {heading}\n", 1)[1] if heading else text
    names: list[str] = []
    for line in part.splitlines():
        if not line.startswith("|"):
            if names:
                return
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not names:
            names = cells
        elif not set(line) <= set("|-: "):
            yield dict(zip(names, cells, strict=True))


def always(*identity: str) -> Callable[[Row, str], Identity]:
    result, method, kind = identity
    return lambda row, column: (result, method, kind)


LEARNERS = {"dr": ("CATEFit", "HC1"), "r": ("CATEFit", "HC1"), "ivw": ("CATEFit", "HC1")}


def learner(row: Row, column: str) -> Identity | None:
    result, kind = LEARNERS.get(row["learner"], ("CATECurve", "its own"))
    return None if row["effect"] != "none" else (result, row["learner"], kind)


def margin(row: Row, column: str) -> Identity | None:
    verb = "comparisons" if "ratio" in row["estimand"] or "treated" in row["estimand"] else "slopes"
    weighted = "weights" in row["estimand"]
    model = row["estimand"].split(",")[0].replace("logit", "glm")
    kind = (
        "HC0, weights estimated: entropy" if weighted else "HC1" if model == "lm" or column == "population" else "iid"
    )
    return ("MarginalEffects", f"{model}, {verb}", "simulation bootstrap" if column == "simulation" else kind)


def labels(row: Row, column: str) -> Identity | None:
    if "," in row["method"]:
        return None
    mean = column == "mean"
    return (
        ("LinearFit", "lm", f"HC0, weights estimated: {row['method']}")
        if mean
        else ("LabelShift", row["method"], "its own")
    )


def gap_share(row: Row) -> float:
    """Of lognormal weights: the columns are apart by a gap and half of it."""
    return float(np.exp(-1.25 * float(row["gap"]) ** 2))


BALLS = {"chi2, radius 0.1", "kl, radius 0.1", "cvar, level 0.5", "wasserstein, radius 0.1"}
TESTS = {
    "calibration": "test of heterogeneity, calibration()",
    "autoc": "test of ranks, rate()",
    "qini": "test of ranks, rate(target='qini')",
    "gates": "test of equal groups, gates()",
    "clan": "test of a covariate of no part, clan()",
    "blp": "test of both slopes, blp()",
}
MARGINS = {
    "delta": "average over the rows, delta",
    "simulation": "average over the rows, simulation",
    "population": "average in the population",
}

RECORDS = (
    Record(
        "heterogeneity_size", "cate", "no effect of a treatment that goes with a; tests of heterogeneity at 5%", TESTS,
        learner, rejections=True,
    ),
    *(
        Record(
            "transport_coverage", "transport", "outcome: {outcome}; a population {gap} standard deviations from the trial",
            {method: "effect in the population"}, always("TransportFit", method, "HC0"),
            share=(lambda row: 0.0) if method == "gformula" else gap_share,
        )
        for method in ("ipw", "gformula", "aipw")
    ),
    Record(
        "label_shift_coverage", "target_shift", "three normal classes of other shares in the target",
        {"shares": "shares of the classes", "weights": "weights of the classes"}, labels,
    ),
    Record(
        "label_shift_coverage", "target_shift", "three normal classes of other shares in the target; test at 5%",
        {"test rejects": "test of label shift"}, labels, rejections=True,
    ),
    *(
        Record(
            "label_shift_coverage", "lm", "three normal classes of other shares in the target; weights estimated first",
            {"mean": f"mean after {method}"},
            lambda row, column, method=method: labels(row, column) if row["method"] == method else None,
        )
        for method in ("bbse", "bbse-soft", "rlls", "mlls")
    ),
    Record(
        "shift_test_size", "shift_test", "{law}, two samples of one law; tests at 5%",
        {name: f"test of covariate shift, {name}" for name in ("mmd", "energy", "classifier", "columns")},
        always("ShiftTest", "shift_test", "its own"), rejections=True,
    ),
    Record("marginal_effects_coverage", "slopes", "{estimand}", MARGINS, margin, size="rows"),
    *(
        Record(
            "dro_coverage", "shift", "a quadratic outcome with uneven noise, fitted by a line; robust",
            {"slope": f"slope, {ball}", "worst-case loss": f"worst-case loss, {ball}"},
            lambda row, column, ball=ball: ("RobustFit", "dro", "HC0") if row["ball"] == ball else None,
        )
        for ball in sorted(BALLS)
    ),
)  # fmt: skip
