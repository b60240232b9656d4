"""Spellings of covariances under dependence in time, across units, and in space.

`{"hac": lags, "time": "t"}`, `{"driscoll-kraay": lags, "time": "t"}` and `{"conley": kilometres, "latitude": "lat", "longitude":
"lon"}`, read once into a normal form that holds what was given and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import OptionError

DEPENDENT = ("hac", "driscoll-kraay", "conley")
"""Covariances of every estimator whose scores are those of the rows of the data."""
BANDWIDTHS = ("auto", "newey-west", "andrews")
LAG_KERNELS = ("bartlett", "parzen", "quadratic-spectral")
SPACE_KERNELS = ("uniform", "bartlett")
_ALIASES = {
    "qs": "quadratic-spectral",
    "quadratic_spectral": "quadratic-spectral",
    "newey-west": "bartlett",
    "triangular": "bartlett",
}
_BESIDE = {
    "hac": ("time", "unit", "kernel", "prewhite", "adjust"),
    "driscoll-kraay": ("time", "kernel", "prewhite", "adjust"),
    "conley": ("latitude", "longitude", "kernel", "time", "unit", "lags", "adjust"),
}
_COLUMNS = ("time", "unit", "latitude", "longitude")
_SHOWN = {
    "hac": "{'hac': lags, 'time': 'column'}",
    "driscoll-kraay": "{'driscoll-kraay': lags, 'time': 'column'}",
    "conley": "{'conley': kilometres, 'latitude': 'column', 'longitude': 'column'}",
}


def shown(key: str) -> str:
    """How a covariance is spelled, for messages."""
    return _SHOWN[key]


def is_dependent(kind: Any) -> bool:
    """Whether a covariance in normal form is one under dependence."""
    return isinstance(kind, Mapping) and any(key in kind for key in DEPENDENT)


def columns_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of the data, beside clusters, that a covariance in normal form reads."""
    if not is_dependent(settings):
        return ()
    return tuple(dict.fromkeys(settings[key] for key in _COLUMNS if key in settings))


def settings_of(key: str, vcov: Mapping[str, Any]) -> dict[str, Any]:
    """A covariance under dependence in normal form.

    Parameters
    ----------
    key : {"hac", "driscoll-kraay", "conley"}
    vcov : mapping
        As the caller gave it.

    Raises
    ------
    OptionError
        If a setting is not known, is missing or has a value that it cannot have.
    """
    unknown = [k for k in vcov if k != key and k not in _BESIDE[key]]
    if unknown:
        raise OptionError(
            f"vcov={dict(vcov)!r}: {str(unknown[0])!r} does not go with {key!r}; it takes "
            f"{', '.join(map(repr, (key, *_BESIDE[key])))}."
        )
    out: dict[str, Any] = {key: _distance(vcov) if key == "conley" else _lags(key, vcov)}
    for name in _COLUMNS:
        if vcov.get(name) is not None:
            if not isinstance(vcov[name], str):
                raise OptionError(f"vcov={dict(vcov)!r}: {name!r} is the name of a column, not {vcov[name]!r}.")
            out[name] = vcov[name]
    needed = ("latitude", "longitude") if key == "conley" else ("time",)
    for name in needed:
        if name not in out:
            raise OptionError(f"vcov={dict(vcov)!r} needs {name!r}: write vcov={shown(key)}.")
    kernels = SPACE_KERNELS if key == "conley" else LAG_KERNELS
    if vcov.get("kernel") is not None:
        given = str(vcov["kernel"]).lower()
        given = _ALIASES.get(given, given)
        if given not in kernels:
            raise OptionError(
                f"kernel={vcov['kernel']!r} of {key!r} is not known; choose {', '.join(map(repr, kernels))}."
            )
        out["kernel"] = given
    if vcov.get("adjust") is not None:
        if not isinstance(vcov["adjust"], bool | np.bool_):
            raise OptionError(f"adjust={vcov['adjust']!r} of {key!r} is not known; choose True or False.")
        out["adjust"] = bool(vcov["adjust"])
    if key == "conley":
        _in_time(vcov, out)
    else:
        _in_series(key, vcov, out)
    return out


def _in_series(key: str, vcov: Mapping[str, Any], out: dict[str, Any]) -> None:
    order = vcov.get("prewhite")
    if order is not None and order is not False:
        if not (order is True or _whole(order, low=0)):
            raise OptionError(
                f"prewhite={order!r} of {key!r} is not known; give the order of the autoregression, such as 1."
            )
        if int(order):
            out["prewhite"] = int(order)
    if "unit" in out and ("prewhite" in out or out[key] in ("newey-west", "andrews")):
        raise OptionError(
            f"vcov={dict(vcov)!r}: prewhitening and the automatic bandwidths are for one series; with 'unit' give a number of "
            "lags, or 'auto' for the fourth root of the number of times."
        )


def _in_time(vcov: Mapping[str, Any], out: dict[str, Any]) -> None:
    """Serial correlation within units, beside correlation in space within each time."""
    lags = vcov.get("lags")
    if lags is not None:
        if not _whole(lags, low=0):
            raise OptionError(f"lags={lags!r} of 'conley' is not known; give a whole number of times.")
        if int(lags):
            out["lags"] = int(lags)
    if ("unit" in out) != ("lags" in out) or ("lags" in out and "time" not in out):
        raise OptionError(
            f"vcov={dict(vcov)!r}: serial correlation within units takes all of 'time', 'unit' and 'lags'; 'time' alone keeps "
            "correlation in space to rows of the same time."
        )


def _lags(key: str, vcov: Mapping[str, Any]) -> int | str:
    given = vcov[key]
    if given is None:
        return "auto"
    if isinstance(given, str) and given.lower() in BANDWIDTHS:
        return given.lower()
    if _whole(given, low=0):
        return int(given)
    raise OptionError(
        f"vcov={dict(vcov)!r}: give a whole number of lags, or one of {', '.join(map(repr, BANDWIDTHS))} for a bandwidth from the "
        "data."
    )


def _distance(vcov: Mapping[str, Any]) -> float:
    given = vcov["conley"]
    if isinstance(given, int | float | np.number) and not isinstance(given, bool) and 0 < float(given) < np.inf:
        return float(given)
    raise OptionError(f"vcov={dict(vcov)!r}: 'conley' is the distance in kilometres beyond which rows are independent.")


def _whole(value: Any, low: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= low
