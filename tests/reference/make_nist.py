"""Recompute the NIST StRD linear regression sets in exact arithmetic and check the certified digits.

Each ``nist/*.json`` holds the data and the values NIST certifies, both typed in as decimal literals. This
script solves the normal equations over the rationals (so the answer has no rounding at all), takes the square
roots with 60 digits, and refuses to write unless every certified value equals the exact one rounded to 15
significant digits. A digit lost in the data would break that, so it checks the transcription of both.

It then adds to each file:

* ``exact``: the solution to 30 digits;
* ``representable_digits``: the digits (-log10 relative error, at most 15) that survive when the design and the
  response are rounded to float64 and everything after that is exact. No float64 solver that is handed the
  columns can be expected to beat it;
* ``qr_digits``: what LAPACK's pivoted Householder QR reaches here;
* ``refined_digits``: the same after two steps of iterative refinement.

Run: ``python tests/reference/make_nist.py`` (NumPy and SciPy only; a second or two).
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

FOLDER = Path(__file__).parent / "nist"
DIGITS = 15


def columns(formula: str, data: dict[str, list[Fraction]]) -> list[list[Fraction]]:
    """Columns of the design, exact; understands ``x``, ``I(x**k)`` and ``- 1``."""
    right = formula.split("~")[1]
    intercept = "- 1" not in right
    out = [[Fraction(1)] * len(data["y"])] if intercept else []
    for raw in right.replace("- 1", "").split("+"):
        power = re.fullmatch(r"I\((\w+)\*\*(\d+)\)", raw.strip())
        name, exponent = (power[1], int(power[2])) if power else (raw.strip(), 1)
        out.append([value**exponent for value in data[name]])
    return out


def invert(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """Gauss-Jordan inverse over the rationals."""
    size = len(matrix)
    work = [row[:] + [Fraction(int(i == j)) for j in range(size)] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = next(r for r in range(i, size) if work[r][i] != 0)
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [v / work[i][i] for v in work[i]]
        for r in range(size):
            if r != i and work[r][i] != 0:
                factor = work[r][i]
                work[r] = [a - factor * b for a, b in zip(work[r], work[i], strict=True)]
    return [row[size:] for row in work]


def dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((u * v for u, v in zip(a, b, strict=True)), Fraction(0))


def root(value: Fraction) -> Decimal:
    return decimal(value).sqrt()


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def solve(x: list[list[Fraction]], y: list[Fraction], intercept: bool) -> dict[str, Any]:
    """Least squares of ``y`` on the columns ``x``, exact up to the square roots."""
    inverse = invert([[dot(a, b) for b in x] for a in x])
    cross = [dot(a, y) for a in x]
    beta = [dot(row, cross) for row in inverse]
    residual = [v - sum(b * c[i] for b, c in zip(beta, x, strict=True)) for i, v in enumerate(y)]
    rss = dot(residual, residual)
    mean = sum(y, Fraction(0)) / len(y) if intercept else Fraction(0)
    tss = sum(((v - mean) ** 2 for v in y), Fraction(0))
    variance = rss / (len(y) - len(x))
    return {
        "params": [decimal(b) for b in beta],
        "std_errors": [root(variance * inverse[i][i]) for i in range(len(x))],
        "residual_sd": root(variance),
        "r_squared": decimal(1 - rss / tss),
    }


def same_digits(certified: str, exact: Decimal) -> bool:
    """Is ``certified`` the exact value rounded to 15 significant digits?"""
    if exact == 0 or Decimal(certified) == 0:
        return exact == Decimal(certified)
    unit = Decimal(1).scaleb(exact.adjusted() - DIGITS + 1)
    return exact.quantize(unit) == Decimal(certified)


def agreement(value: Decimal, exact: Decimal) -> float:
    error = abs(value - exact) if exact == 0 else abs(value / exact - 1)
    return float(DIGITS) if error == 0 else round(float(min(DIGITS, max(0.0, -float(error.log10())))), 1)


def compare(got: dict[str, Any], exact: dict[str, Any]) -> dict[str, float]:
    """Worst agreement over the parameters and over the standard errors."""
    return {
        key: min(agreement(Decimal(g), e) for g, e in zip(got[key], exact[key], strict=True))
        for key in ("params", "std_errors")
    }


def lapack(x: np.ndarray, y: np.ndarray, steps: int) -> dict[str, Any]:
    """Pivoted QR on columns scaled by powers of two (exact), then ``steps`` of Björck's (1967) refinement.

    The refinement solves the augmented system for residual and coefficients together, its right-hand side formed
    in long double (80 bits on x86; elsewhere it may be no wider than float64).
    """
    scale = 2.0 ** np.round(np.log2(np.sqrt((x**2).sum(axis=0))))
    factors: Any = scipy.linalg.qr(x / scale, mode="economic", pivoting=True)
    q, r, order = factors
    wide, wide_y = (x / scale)[:, order].astype(np.longdouble), y.astype(np.longdouble)
    beta = scipy.linalg.solve_triangular(r, q.T @ y).astype(np.longdouble)
    residual = (y - q @ (q.T @ y)).astype(np.longdouble)
    for _ in range(steps):
        top = (wide_y - residual - wide @ beta).astype(float)
        bottom = (-(wide.T @ residual)).astype(float)
        along, across = scipy.linalg.solve_triangular(r, bottom, trans=1), q.T @ top
        beta += scipy.linalg.solve_triangular(r, across - along)
        residual += top - q @ across + q @ along
    sd = np.sqrt(float(residual @ residual) / (x.shape[0] - x.shape[1]))
    inverse = scipy.linalg.solve_triangular(r, np.eye(len(r)))
    params, errors = np.empty(x.shape[1]), np.empty(x.shape[1])
    params[order] = beta.astype(float)
    errors[order] = sd * np.sqrt((inverse**2).sum(axis=1))
    return {"params": (params / scale).tolist(), "std_errors": (errors / scale).tolist()}


def as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return f"{value:.29e}"


def read_exact(name: str) -> dict[str, Any]:
    """A record with its numbers as fractions, so that decimal literals mean what they say."""
    return json.loads((FOLDER / f"{name}.json").read_text(), parse_float=Fraction, parse_int=Fraction)


def exact_solution(record: dict[str, Any]) -> dict[str, Any]:
    intercept = "- 1" not in record["formula"]
    return solve(columns(record["formula"], record["data"]), record["data"]["y"], intercept)


def certified_mismatches(record: dict[str, Any]) -> list[tuple[str, str, Decimal]]:
    """Certified values that are not the exact ones rounded to 15 significant digits."""
    wrong = []
    for key, exact in exact_solution(record).items():
        pairs = zip(record["certified"][key], exact, strict=True) if isinstance(exact, list) else []
        pairs = list(pairs) or [(record["certified"][key], exact)]
        wrong += [(key, c, e) for c, e in pairs if not same_digits(c, e)]
    return wrong


def refresh(name: str) -> None:
    record = read_exact(name)
    if wrong := certified_mismatches(record):
        raise SystemExit(f"{name}: certified values differ from the exact solution: {wrong}")
    exact, intercept = exact_solution(record), "- 1" not in record["formula"]

    rounded = {k: [Fraction(float(v)) for v in column] for k, column in record["data"].items()}
    design = [[Fraction(float(v)) for v in column] for column in columns(record["formula"], rounded)]
    matrix = np.array([[float(v) for v in column] for column in design]).T
    path = FOLDER / f"{name}.json"
    out = json.loads(path.read_text())
    out["exact"] = {key: as_text(value) for key, value in exact.items()}
    out["representable_digits"] = compare(solve(design, rounded["y"], intercept), exact)
    response = np.array([float(v) for v in rounded["y"]])
    out.pop("lapack_digits", None)
    out["qr_digits"] = compare(lapack(matrix, response, 0), exact)
    out["refined_digits"] = compare(lapack(matrix, response, 2), exact)
    out["verified_how"] = (
        "data and certified values read from public copies of the NIST file and checked against "
        "the exact rational least squares solution: equal when rounded to 15 significant digits (make_nist.py)"
    )
    text = json.dumps(out, indent=1)
    # One line a list: the files are read by people too.
    path.write_text(re.sub(r"\[\s+([^\[\]]+?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n")
    digits = [out[f"{kind}_digits"] for kind in ("representable", "qr", "refined")]
    print(f"{name:9}", *(f"{d['params']:5.1f} /{d['std_errors']:5.1f}  " for d in digits))


if __name__ == "__main__":
    with localcontext() as context:
        context.prec = 60
        for file in sorted(FOLDER.glob("*.json")):
            refresh(file.stem)
