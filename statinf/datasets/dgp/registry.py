"""The registry behind `simulate`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.datasets.record import unknown
from statinf.errors import DataError, OptionError

if TYPE_CHECKING:
    import pandas as pd

Draw = tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Process:
    """A registered data-generating process.

    Attributes
    ----------
    name : str
    reference : str
        The paper that the process is from.
    draw : callable
        ``draw(n, rng, **constants)`` returns the columns and the truth.
    constants : mapping of str to object
        The constants it takes, with their defaults.
    """

    name: str
    reference: str
    draw: Callable[..., Draw]
    constants: Mapping[str, Any]

    @property
    def title(self) -> str:
        """First line of the documentation."""
        return (inspect.getdoc(self.draw) or "").partition("\n")[0]


_REGISTRY: dict[str, Process] = {}


def dgp(name: str, *, reference: str) -> Callable[[Callable[..., Draw]], Callable[..., Draw]]:
    """Register a data-generating process under a name.

    Parameters
    ----------
    name : str
        The name for `simulate`.
    reference : str
        Authors, year and arXiv id or journal.

    Returns
    -------
    callable
        The decorator; it returns the function unchanged.
    """

    def register(draw: Callable[..., Draw]) -> Callable[..., Draw]:
        taken = _REGISTRY.get(name)
        if taken is not None and taken.draw.__module__ != draw.__module__:
            raise ValueError(f"The process {name!r} is already defined in {taken.draw.__module__}.")
        keyword = [p for p in inspect.signature(draw).parameters.values() if p.kind is p.KEYWORD_ONLY]
        _REGISTRY[name] = Process(name, reference, draw, {p.name: p.default for p in keyword})
        return draw

    return register


@cache
def _registry() -> dict[str, Process]:
    package = importlib.import_module("statinf.datasets.dgp")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _REGISTRY


def simulate(name: str, n: int, seed: int = 0, **constants: Any) -> pd.DataFrame:
    """Draw a sample from a data-generating process whose truth is known.

    Parameters
    ----------
    name : str
        A process of `list_simulations`.
    n : int
        Number of rows (of source rows for the processes with a source and a target sample).
    seed : int, default 0
        The same name, n, seed and constants give the same numbers.
    **constants
        Constants of the process; `list_simulations` shows each with its default.

    Returns
    -------
    pandas.DataFrame
        The sample. ``frame.attrs["truth"]`` holds the true parameters, and under ``row_truths`` the names of the
        columns that are true but would not be observed; ``frame.attrs["simulation"]`` holds the call.

    Raises
    ------
    DataError
        If the process does not exist or does not take one of the constants; both messages list what does.
    OptionError
        If n, the seed or a constant is outside its domain.

    Examples
    --------
    >>> from statinf import datasets
    >>> sample = datasets.simulate("kang_schafer", 200, seed=1)
    >>> sample.columns.tolist()
    ['z1', 'z2', 'z3', 'z4', 'x1', 'x2', 'x3', 'x4', 'treat', 'y']
    >>> sample.attrs["truth"]["ate"]
    0.0
    """
    import pandas as pd

    registry = _registry()
    if name not in registry:
        advice = "datasets.list_simulations() lists them."
        raise DataError(unknown("data-generating process", name, tuple(registry), advice))
    process = registry[name]
    _check_constants(process, constants)
    n, seed = _count("n", n, 1), _count("seed", seed, 0)
    columns, truth = process.draw(n, np.random.default_rng(seed), **constants)
    frame = pd.DataFrame(columns)
    frame.attrs["truth"] = truth
    frame.attrs["simulation"] = {"name": name, "n": n, "seed": seed, "constants": {**process.constants, **constants}}
    return frame


def list_simulations() -> pd.DataFrame:
    """One row for each data-generating process.

    Returns
    -------
    pandas.DataFrame
        Columns name, title, constants (with their defaults), reference.

    Examples
    --------
    >>> from statinf import datasets
    >>> "nie_wager" in datasets.list_simulations()["name"].tolist()
    True
    """
    import pandas as pd

    processes = [p for _, p in sorted(_registry().items())]
    return pd.DataFrame(
        {
            "name": [p.name for p in processes],
            "title": [p.title for p in processes],
            "constants": [", ".join(f"{k}={v!r}" for k, v in p.constants.items()) for p in processes],
            "reference": [p.reference for p in processes],
        }
    )


def _check_constants(process: Process, constants: Mapping[str, Any]) -> None:
    for name in constants:
        if name not in process.constants:
            allowed = ", ".join(f"{k}={v!r}" for k, v in process.constants.items())
            advice = f"The process {process.name!r} takes {allowed}."
            raise DataError(unknown(f"constant of {process.name!r}", name, tuple(process.constants), advice))


def _count(option: str, value: object, least: int) -> int:
    try:
        count = index(value)  # type: ignore[arg-type]
    except TypeError:
        count = least - 1
    if isinstance(value, bool) or count < least:
        raise OptionError(f"{option}={value!r} must be a whole number of at least {least}.")
    return count


def positive(option: str, value: float, *, zero: bool = False) -> float:
    """Return a finite number above zero (or zero if allowed), else raise an `OptionError`."""
    number = real(option, value)
    if number < 0.0 or (number == 0.0 and not zero):
        raise OptionError(f"{option}={value!r} must be {'at least' if zero else 'above'} 0.")
    return number


def share(option: str, value: float) -> float:
    """Return a number in [0, 1), else raise an `OptionError`."""
    number = real(option, value)
    if not 0.0 <= number < 1.0:
        raise OptionError(f"{option}={value!r} must be at least 0 and below 1.")
    return number


def real(option: str, value: float) -> float:
    """Return a finite float, else raise an `OptionError`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise OptionError(f"{option}={value!r} must be a finite number.")
    return number


def vector(option: str, value: Any) -> np.ndarray:
    """Return a non-empty one-dimensional float array, else raise an `OptionError`."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise OptionError(f"{option}={value!r} must be a list of finite numbers, such as (1.0, -0.5).")
    return array


def count(option: str, value: int, least: int = 1) -> int:
    """Return a whole number of at least `least`, else raise an `OptionError`."""
    return _count(option, value, least)


def covariates(x: np.ndarray, prefix: str = "x") -> dict[str, np.ndarray]:
    """Name the columns of an array of shape (n, p) ``x1`` ... ``xp``."""
    return {f"{prefix}{j + 1}": x[:, j] for j in range(x.shape[1])}
