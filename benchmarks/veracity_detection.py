"""Detection of wrong outcomes by `si.veracity` in the simulations of its paper, beside cleanlab where that can be run.

"5D": heteroscedastic and bimodal, forests; "5DLM": linear with equal errors, least squares. Training and calibration rows
are clean, a tenth of the new rows has `signal` added. Then errors among the training rows themselves, where cleanlab, run by
an interpreter that has it, ranks and flags the same rows:

    python -m benchmarks.veracity_detection [REPLICATIONS] [PYTHON_WITH_CLEANLAB]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import average_precision_score, roc_auc_score

import statinf as si

FORMULA = "y ~ x1 + x2 + x3 + x4 + x5"
SCORES = ("residual", "arithmetic", "geometric")
PEER = """
import json, sys
import numpy as np
from cleanlab.regression.learn import CleanLearning
from sklearn.linear_model import LinearRegression
out = []
for X, y in json.load(open(sys.argv[1])):
    found = CleanLearning(LinearRegression(), seed=0).find_label_issues(np.array(X), np.array(y))
    out.append([found["label_quality"].tolist(), found["is_label_issue"].tolist()])
json.dump(out, open(sys.argv[2], "w"))
"""


def draw(kind: str, n: int, rng: np.random.Generator, signs: np.ndarray) -> pd.DataFrame:
    """A clean sample of one process, in random order."""
    X = rng.uniform(-1.5, 1.5, (n, 5))
    if kind == "5D":
        few = n // 10
        X[:, 0] = np.append(rng.uniform(-1.5, -0.5, few), rng.uniform(-0.5, 1.5, n - few))
        x = X[:, 0]
        half = 2.0 * np.sqrt(np.maximum(x - 0.5, 0.0))
        y = (x - 1.0) ** 2 * (x + 1.0) + np.where(rng.random(n) < 0.5, -half, half)
    else:
        y = X @ signs
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(1, 6)]).assign(y=y + 0.5 * rng.standard_normal(n))
    return frame.iloc[rng.permutation(n)].reset_index(drop=True)


def corrupt(frame: pd.DataFrame, signal: float, rng: np.random.Generator) -> np.ndarray:
    """Add the signal to a tenth of the rows; which rows (n,) bool."""
    wrong = np.zeros(len(frame), bool)
    wrong[rng.permutation(len(frame))[: len(frame) // 10]] = True
    frame.loc[wrong, "y"] += signal
    return wrong


def models(kind: str, seed: int) -> dict:
    """Model and model of the spread."""
    forest = RandomForestRegressor(60, min_samples_leaf=3, random_state=seed)
    return {"model": forest, "replicas": 10, "folds": 5} if kind == "5D" else {"scale": forest, "replicas": 10}


def new_rows(kind: str, signal: float, seed: int, n: int = 200) -> dict[str, list[float]]:
    """FDR and power at 0.1, AUPRC and AUROC of each score on new rows."""
    rng = np.random.default_rng([int(10 * signal), seed, len(kind)])
    signs = rng.choice([-1.0, 1.0], 5)
    train, calibration, new = (draw(kind, n, rng, signs) for _ in range(3))
    wrong = corrupt(new, signal, rng)
    out = {}
    for score in SCORES:
        found = si.veracity(FORMULA, train, score=score, filter=False, seed=seed, **models(kind, seed))
        table = found.test(new, 0.1, calibration=calibration)
        flagged = table["flagged"].to_numpy()
        out[score] = [
            (flagged & ~wrong).sum() / max(1, flagged.sum()),
            flagged[wrong].mean(),
            average_precision_score(wrong, table["score"]),
            roc_auc_score(wrong, table["score"]),
        ]
    return out


def own_rows(
    replications: int, signal: float, kind: str = "5DLM", n: int = 200
) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Samples a tenth of whose outcomes is wrong."""
    found = []
    for seed in range(replications):
        rng = np.random.default_rng([7, seed])
        frame = draw(kind, n, rng, rng.choice([-1.0, 1.0], 5))
        found.append((frame, corrupt(frame, signal, rng)))
    return found


def detection(quality: np.ndarray, flagged: np.ndarray, wrong: np.ndarray) -> list[float]:
    """AUROC, AUPRC, share flagged, flagged, and right among these."""
    score = -np.asarray(quality, float)
    return [roc_auc_score(wrong, score), average_precision_score(wrong, score), flagged.sum(), (flagged & wrong).sum()]


def cleanlab(samples: list[tuple[pd.DataFrame, np.ndarray]], python: str) -> list[list[float]]:
    """What cleanlab says of the samples."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "in.json", Path(folder) / "out.json"
        rows = [(f.drop(columns="y").to_numpy().tolist(), f["y"].tolist()) for f, _ in samples]
        given.write_text(json.dumps(rows))
        subprocess.run([python, "-c", PEER, str(given), str(answer)], check=True)
        found = json.loads(answer.read_text())
    return [detection(np.array(q), np.array(f, bool), wrong) for (q, f), (_, wrong) in zip(found, samples, strict=True)]


def main(replications: int = 20, python: str | None = None) -> None:
    """Run every part and write the tables."""
    lines = [
        "# Detection of wrong outcomes",
        "",
        f"Means over {replications} replications, n = 200 for training, calibration and new rows; errors of mean FDR in "
        "parentheses.",
        "",
        "| data, signal | " + " | ".join(f"{s}: FDR | power | AUPRC | AUROC" for s in SCORES) + " |",
        "|:---|" + "---:|" * (4 * len(SCORES)),
    ]
    for kind in ("5D", "5DLM"):
        for signal in (2.0, 3.0):
            runs = [new_rows(kind, signal, seed) for seed in range(replications)]
            cells = []
            for score in SCORES:
                each = np.array([run[score] for run in runs])
                error = each[:, 0].std(ddof=1) / np.sqrt(replications)
                mean = each.mean(axis=0)
                cells += [f"{mean[0]:.3f} ({error:.3f})", *(f"{v:.3f}" for v in mean[1:])]
            lines.append(f"| {kind}, {signal:g} | " + " | ".join(cells) + " |")
    samples = own_rows(2 * replications, 3.0)
    lines += [
        "",
        f"Among the rows of the fit: 5DLM, 20 of 200 outcomes 3 too large, {2 * replications} samples, least squares.",
        "",
        "| | AUROC | AUPRC | flagged | of these wrong |",
        "|:---|---:|---:|---:|---:|",
    ]
    ours = []
    for frame, wrong in samples:
        found = si.veracity(FORMULA, frame)
        ours.append(detection(found.tidy()["veracity"].to_numpy(), found.flagged.to_numpy(), wrong))
    results = {"si.veracity": ours} | ({} if python is None else {"cleanlab": cleanlab(samples, python)})
    for name, found in results.items():
        mean = np.mean(found, axis=0)
        lines.append(f"| {name} | {mean[0]:.4f} | {mean[1]:.4f} | {mean[2]:.1f} | {mean[3]:.1f} |")
    (Path(__file__).resolve().parent / "results" / "veracity_detection.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
