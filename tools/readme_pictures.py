"""Draw the README's pictures into a folder: the same bytes on every run with the same packages."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import statinf as si
from statinf.optional import need

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
LARGEST = 60_000
"""Bytes that a picture may have: the page shows four at once."""

_PAGE = """#set page(width: auto, height: auto, margin: 10pt, fill: white)
#set text(font: "Libertinus Serif", size: 10pt, fill: rgb("#1b2a41"))
{table}
"""


def summary(file: Path) -> None:
    """A weighted regression's summary, set by Typst, which brings its own fonts."""
    data = si.datasets.load("lalonde")
    covariates = "age + educ + C(race) + married + re74"
    weights = si.balance(f"treat ~ {covariates}", data, method="entropy", estimand="ATT")
    fit = si.lm(f"re78 ~ treat + {covariates}", data, weights=weights)
    source = _PAGE.format(table=fit.summary().to_typst())
    _keep(need("typst", "the README's pictures").compile(source.encode(), format="png", ppi=150), file)


def love(file: Path) -> None:
    """Standardised differences before and after entropy balancing."""
    data = si.datasets.load("lalonde")
    formula = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
    _save(si.balance(formula, data, method="entropy", estimand="ATT").plot(), file)


def process(file: Path) -> None:
    """Coefficients of a quantile regression along its levels."""
    fit = si.rq("foodexp ~ income", si.datasets.load("engel"), tau=np.arange(2, 39) / 40)
    _save(fit.plot().flat[0], file)


def band(file: Path) -> None:
    """Prediction intervals for the hours of working days, with the rentals that came."""
    bike = si.datasets.load("bikeshare").query("weathersit != 'heavy rain/snow'").sample(frac=1, random_state=0)
    train, test = bike.iloc[:6000], bike.iloc[6000:]
    fit = si.conformal("bikers ~ bs(hr, df=8) * workingday + temp + hum", train, method="cqr", level=0.9)
    ax = fit.plot("band", newdata=test.query("workingday == 1").head(400), x="hr")
    ax.set(xlabel="hour of a working day", ylabel="bikes rented")
    _save(ax, file)


PICTURES: dict[str, Callable[[Path], None]] = {
    "summary.png": summary,
    "love-plot.png": love,
    "quantile-process.png": process,
    "prediction-band.png": band,
}


def _save(ax: Any, file: Path) -> None:
    import matplotlib.pyplot as plt

    held = io.BytesIO()
    ax.figure.savefig(held, dpi=130, metadata={"Software": None})
    plt.close(ax.figure)
    _keep(held.getvalue(), file)


def _keep(png: bytes, file: Path) -> None:
    """Write a PNG with few colours, which lines and letters do not miss."""
    image = need("PIL.Image", "the README's pictures").open(io.BytesIO(png)).convert("RGB")
    image.quantize(64, dither=0).save(file, optimize=True)


def main(folder: Path) -> list[Path]:
    """Draw every picture; returns the files."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.use("agg")
        for name, draw in PICTURES.items():
            draw(folder / name)
    return [folder / name for name in PICTURES]


if __name__ == "__main__":
    for picture in main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(f"{picture} ({picture.stat().st_size} bytes)")
