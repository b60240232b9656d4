"""All records of `benchmarks/results` on one page: `python -m benchmarks.scoreboard`.

Writes `benchmarks/RESULTS.md`, a table for each family; `benchmarks/results/plots/FAMILY.png`, time against rows; and the table of
whole verbs in the README. It measures nothing: `python -m benchmarks.races` and `python -m benchmarks` do.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import RESULTS, describe, seconds

ROOT = Path(__file__).resolve().parents[1]
PAGE, README, PLOTS = ROOT / "benchmarks" / "RESULTS.md", ROOT / "README.md", RESULTS / "plots"
FAMILIES = {
    "models": "absorb counts foundation formula hypotheses limited marginal_effects robust_errors",
    "quantile": "censored cvar penalised presto quantile quantile_effects quantile_process",
    "conformal": "conditional conformal multicalibrate multioutput online selection veracity",
    "balance": "balance matching missing_mean training",
    "effects": "did discontinuity distributional effects invalid proximal visits",
    "stochastic": "continuous monitoring stochastic streams",
    "shift": "conditional_shift double heterogeneous label_shift margins shift",
}
TITLES = {"models": "Regressions, formulas, tests", "other": "Others"}
BUSY = 1.5
"""Load per core at the start of a race above which its times are those of a machine in use."""
_ROWS = re.compile(
    r"\b(?:n|n = m|n = t) = (\d[\d,]*(?:e\+?\d+)?)|(\d[\d,]*(?:e\d+)?) (?:rows|units|transitions|people)"
)
_BLOCK = re.compile(r"(<!-- races: begin.*? -->\n).*?(<!-- races: end -->)", re.DOTALL)

Record = dict[str, Any]


def records(folder: Path = RESULTS) -> dict[str, list[Record]]:
    """Records by family, whole verbs first."""
    of = {stem: family for family, stems in FAMILIES.items() for stem in stems.split()}
    found: dict[str, list[Record]] = {family: [] for family in (*FAMILIES, "other")}
    files = sorted(folder.glob("*.json"), key=lambda file: (file.stem != "races", file.stem))
    for file in files:
        held = json.loads(file.read_text())
        if not isinstance(held, list):
            continue  # not a file of races
        for record in held:
            found[record.get("family") or of.get(file.stem, "other")].append({**record, "file": file.stem})
    return {family: held for family, held in found.items() if held}


def rows_of(record: Record) -> int | None:
    """The number of rows, said or read from the name."""
    if record.get("n"):
        return int(record["n"])
    found = _ROWS.search(record["name"])
    return None if found is None else int(float((found[1] or found[2]).replace(",", "")))


def is_busy(record: Record) -> bool:
    machine = record["machine"]
    return machine.get("load", 0.0) > BUSY * (machine.get("cores") or 1)


def page(found: dict[str, list[Record]], drawn: Iterable[str] = ()) -> str:
    """The page with all tables."""
    machines: list[str] = []
    lines = [
        "# Beside other packages: every race",
        "",
        "Made by `python -m benchmarks.scoreboard` from the records in `benchmarks/results/`, where the notes of each race are:",
        "what the peer was set to and what the errors are of. Times are medians of runs in turn; a ratio above 1 says that statinf",
        "is faster. *Whole verb* races go from a data frame and a formula to the table with default standard errors, both sides",
        "likewise, each in a process of its own; cold is the first call there, imports included. Other races time the part that",
        "they name. Errors are those of both sides against a reference, or in one column the distance between the two. † marks",
        "times taken on a machine in use.",
        "",
    ]
    for family, held in found.items():
        lines += [f"## {TITLES.get(family, family.capitalize())}", ""]
        if family in drawn:
            lines += [f"![Time against rows, {family}](results/plots/{family}.png)", ""]
        lines += _table(held, machines)
    lines += ["## Machines", ""]
    lines += [f"{i}. {text.strip()}" for i, text in enumerate(machines, start=1)]
    return "\n".join(lines) + "\n"


def _table(held: Sequence[Record], machines: list[str]) -> list[str]:
    head = (
        "What",
        "n",
        "statinf",
        "Cold",
        "Peer",
        "Peer's time",
        "Its cold",
        "Ratio",
        "Error",
        "Peer's error",
        "Machine",
    )
    lines = [
        "| " + " | ".join(head) + " |",
        "|" + "|".join("---" if h in ("What", "Peer") else "---:" for h in head) + "|",
    ]
    for r in held:
        text = re.sub(r"^Median of \d+\. ", "", describe(r["machine"], r["repeat"]))
        if text not in machines:
            machines.append(text)
        n = rows_of(r)
        cells = [
            ("**whole verb** " if r["file"] == "races" else "") + re.sub(r", n = [\d,]+$", "", r["name"]),
            f"{n:,}" if n else "",
            seconds(r["ours"]),
            seconds(r.get("cold")),
            r["peer_name"],
            seconds(r["peer"]),
            seconds(r.get("peer_cold")),
            _ratio(r["ratio"]),
            _error(r["ours_error"]),
            _error(r["peer_error"]),
            f"{machines.index(text) + 1}{'†' if is_busy(r) else ''}",
        ]
        lines.append("| " + " | ".join((c or "").replace("|", r"\|") for c in cells) + " |")
    return [*lines, ""]


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _error(value: float | None) -> str | None:
    return None if value is None else f"{value:.0e}"


def series(held: Sequence[Record]) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Rows and seconds by (work, software), of work that was done at two sizes or more; whole verbs where there are any."""
    whole = [r for r in held if r["file"] == "races"]
    points: dict[tuple[str, str], dict[int, float]] = {}
    for r in whole or held:
        n = rows_of(r)
        if n is None:
            continue
        work = re.sub(r"\s+", " ", _ROWS.sub("", r["name"])).strip(" ,(")
        points.setdefault((work, "statinf"), {})[n] = r["ours"]
        if r["peer"] is not None:
            points.setdefault((work, r["peer_name"]), {})[n] = r["peer"]
    return {
        key: (np.array(sorted(at)), np.array([at[n] for n in sorted(at)])) for key, at in points.items() if len(at) > 1
    }


def slope(n: np.ndarray, t: np.ndarray) -> float:
    """The exponent of the growth of time with the number of rows, by least squares of logarithms."""
    return float(np.polyfit(np.log(n), np.log(t), 1)[0])


def draw(family: str, held: Sequence[Record], folder: Path = PLOTS) -> bool:
    """Time against rows, log-log, ours drawn through and peers broken; False where nothing was done at two sizes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = series(held)
    if not lines:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    works = list(dict.fromkeys(work for work, _ in lines))
    colours = plt.get_cmap("tab10")
    figure, axes = plt.subplots(figsize=(8.0, 0.6 + max(3.0, 0.19 * len(lines))), layout="constrained")
    styles = ("--", ":", "-.")
    for work in works:
        others = 0
        for (mine, software), (n, t) in lines.items():
            if mine != work:
                continue
            ours = software == "statinf"
            style = "-" if ours else styles[others % len(styles)]
            others += not ours
            label = f"{work.split(', p =')[0]}: {software}, slope {slope(n, t):.2f}"
            marker = "o" if ours else "x"
            axes.plot(
                n, t, style, color=colours(works.index(work) % 10), marker=marker, markersize=4, lw=1.4, label=label
            )
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds, warm", title=f"{family}: time against rows")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False)
    figure.savefig(folder / f"{family}.png", dpi=100)
    plt.close(figure)
    return True


def readme_table(found: dict[str, list[Record]]) -> str:
    """The whole verbs at the largest number of rows, for the README; times of a machine in use are left out."""
    held = [r for records_ in found.values() for r in records_ if r["file"] == "races" and not is_busy(r)]
    if not held:
        return "(No race has been run on a quiet machine yet.)"
    largest = max((rows_of(r) or 0 for r in held), default=0)
    lines = ["| Whole verb, n = 1e6 | statinf (cold) | Peer | Peer's time over ours |", "|---|---:|---|---:|"]
    lines[0] = lines[0].replace("1e6", f"{largest:,}")
    for r in held:
        if rows_of(r) != largest:
            continue
        name = re.sub(r", n = [\d,]+$", "", r["name"])
        took = f"{seconds(r['ours'])} ({seconds(r['cold'])})"
        lines.append(f"| {name} | {took} | {r['peer_name']} | {_ratio(r['ratio'])} |")
    return "\n".join(lines)


def main() -> int:
    found = records()
    drawn = [family for family, held in found.items() if draw(family, held)]
    PAGE.write_text(page(found, drawn), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(_BLOCK.sub(lambda m: f"{m[1]}{readme_table(found)}\n{m[2]}", text), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {sum(map(len, found.values()))} races, {len(drawn)} plots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
