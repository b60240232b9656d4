"""False alarms of `si.monitor` on streams without a change, and how late alarms are after one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from statinf.formula.in_time import OnlineRows
from statinf.stochastic.monitoring import adwin, cusum, martingale
from statinf.stochastic.monitoring.detector import MonitorProblem

Noise = Callable[[np.random.Generator, int], np.ndarray]
LEVEL = 0.95
NOISES: dict[str, Noise] = {
    "normal": lambda random, n: random.standard_normal(n),
    "t(5)": lambda random, n: random.standard_t(5, n),
    "exponential": lambda random, n: random.exponential(size=n) - 1.0,
}
CUSUMS = [
    (m, p, watch, boundary)
    for m in (50, 100, 200, 500)
    for p, watch in ((0, "residuals"), (2, "residuals"), (2, "scores"))
    for boundary in ("linear", "csw")
]


def stream(random: np.random.Generator, n: int, p: int, noise: Noise, change: int | None, shift: float) -> OnlineRows:
    """A regression on p normal covariates, whose constant moves at row `change`."""
    X = random.standard_normal((n, p))
    y = 1.0 + X.sum(axis=1) + noise(random, n)
    if change is not None:
        y = y + shift * (np.arange(n) >= change)
    return OnlineRows(X, y, np.arange(n))


def first_alarms(
    method: Any,
    options: Any,
    m: int,
    n: int,
    p: int,
    noise: Noise,
    samples: int,
    *,
    change: int | None = None,
    shift: float = 0.0,
) -> np.ndarray:
    """The row after the first m of the first alarm in each sample, shape (samples,); -1 where there is none."""
    out = np.full(samples, -1)
    names = tuple(f"x{j}" for j in range(p))
    for seed in range(samples):
        random = np.random.default_rng([m, n, p, seed])
        rows = stream(random, m + n, p, noise, None if change is None else m + change, shift)
        state = method.estimate(MonitorProblem(rows[:m], names, "y", True, seed), options)
        found = state.advance(rows[m:])[1]
        if found.alarm.any():
            out[seed] = found.at[np.argmax(found.alarm)]
    return out


def cell(share: float, bound: float) -> str:
    return f"**{share:.3f}**" if share > bound else f"{share:.3f}"


def cusum_lines(samples: int) -> list[str]:
    bound = 0.05 + 3.29 * np.sqrt(0.05 * 0.95 / samples)
    lines = [
        "## CUSUM",
        "",
        f"m first rows, then 10 m rows without a change, `horizon` 10 m, level 0.95; {samples} streams per cell. Shares above "
        f"{bound:.3f}, the binomial band at 99.9%, are bold.",
        "",
        "| m | covariates | watch | boundary | " + " | ".join(NOISES) + " |",
        "|---:|---:|---|---|" + "---:|" * len(NOISES),
    ]
    for m, p, watch, boundary in CUSUMS:
        options = cusum.CusumOptions(watch=watch, boundary=boundary, horizon=10 * m, level=LEVEL)
        shares = [(first_alarms(cusum, options, m, 10 * m, p, noise, samples) >= 0).mean() for noise in NOISES.values()]
        lines.append(f"| {m} | {p} | {watch} | {boundary} | " + " | ".join(cell(s, bound) for s in shares) + " |")
        print(lines[-1], flush=True)
    return lines


def martingale_lines(samples: int) -> list[str]:
    bound = 0.05 + 3.29 * np.sqrt(0.05 * 0.95 / samples)
    lines = [
        "",
        "## Martingales",
        "",
        f"100 first rows, one covariate, 1000 rows without a change, level 0.95 (Ville: at most 0.05); {samples} streams per cell. "
        "Beside them the median delay, in rows, of the alarm after the constant moves by one standard deviation at row 300 "
        "(normal noise; a false alarm before counts as none), and the share of streams with one by row 1000.",
        "",
        "| bet | statistic | " + " | ".join(NOISES) + " | found | delay |",
        "|---|---|" + "---:|" * (len(NOISES) + 2),
    ]
    for betting in martingale.BETS:
        for statistic in martingale.STATISTICS:
            options = martingale.MartingaleOptions(
                betting=betting, statistic=statistic, level=LEVEL, run_length=2000.0, score="signed"
            )
            shares = [""] * len(NOISES)
            if statistic == "martingale":
                shares = [
                    cell((first_alarms(martingale, options, 100, 1000, 1, noise, samples) >= 0).mean(), bound)
                    for noise in NOISES.values()
                ]
            at = first_alarms(
                martingale, options, 100, 1000, 1, NOISES["normal"], max(samples // 4, 20), change=300, shift=1.0
            )
            delay = f"{np.median(at[at >= 300] - 299):.0f}" if (at >= 300).any() else ""
            lines.append(
                f"| {betting} | {statistic} | " + " | ".join(shares) + f" | {(at >= 300).mean():.2f} | {delay} |"
            )
            print(lines[-1], flush=True)
    return lines


def adwin_lines(samples: int) -> list[str]:
    lines = [
        "",
        "## ADWIN",
        "",
        f"10 000 values in [0, 1] without a change: share of streams with a cut, and cuts per 1000 rows; {samples // 4} streams "
        "per cell. `delta` is no rate of false alarms over a whole stream.",
        "",
        "| values | delta | streams with a cut | cuts per 1000 rows |",
        "|---|---:|---:|---:|",
    ]
    laws = {
        "binary, share 0.3": lambda random, n: (random.uniform(size=n) < 0.3).astype(float),
        "uniform": lambda random, n: random.uniform(size=n),
    }
    for name, draw in laws.items():
        for delta in (0.002, 0.05, 0.3):
            cuts = []
            for seed in range(max(samples // 4, 20)):
                y = draw(np.random.default_rng(seed), 10_000)
                rows = OnlineRows(np.zeros((len(y), 0)), y, np.arange(len(y)))
                state = adwin.estimate(MonitorProblem(rows[:0], (), "y", True), adwin.AdwinOptions(delta=delta))
                cuts.append(int(state.advance(rows)[1].alarm.sum()))
            lines.append(f"| {name} | {delta} | {np.mean(np.array(cuts) > 0):.3f} | {np.mean(cuts) / 10:.4f} |")
            print(lines[-1], flush=True)
    return lines


def delay_lines(samples: int) -> list[str]:
    lines = [
        "",
        "## Delay of the CUSUM",
        "",
        "200 first rows, normal noise, the constant moves by `shift` standard deviations at a row after them; median rows from "
        f"the change to the alarm within 2000 rows ({samples // 4} streams; share found in brackets).",
        "",
        "| change at | shift | linear | csw |",
        "|---:|---:|---:|---:|",
    ]
    for change in (0, 400):
        for shift in (0.5, 1.0):
            cells = []
            for boundary in ("linear", "csw"):
                options = cusum.CusumOptions(boundary=boundary, level=LEVEL)
                at = first_alarms(
                    cusum, options, 200, 2000, 1, NOISES["normal"], max(samples // 4, 20), change=change, shift=shift
                )
                right = at[at >= change]
                cells.append(f"{np.median(right - change + 1):.0f} ({len(right) / len(at):.2f})")
            lines.append(f"| {change} | {shift} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    warnings.simplefilter("ignore")
    lines = [
        "# False alarms of `si.monitor`",
        "",
        *cusum_lines(samples),
        *delay_lines(samples),
        *martingale_lines(samples),
        *adwin_lines(samples),
    ]
    target = Path(__file__).resolve().parent / "results" / "monitoring_alarms.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
