"""The covariances of a run by name, labelled as tables show them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference import Covariance
from statinf.stochastic.cautions import warn_reach
from statinf.stochastic.covariance import INFERENCE
from statinf.stochastic.reach import note
from statinf.stochastic.settings import Settings

_SIGNS = {
    "plugin": "plug-in sandwich, one pass",
    "hac": "HAC plug-in, one pass",
    "batch-means": "overlapping batch means",
    "random-scaling": "random scaling (studentising matrix, not a variance)",
}


def named_covariance(
    held: Mapping[str, Covariance], settings: Settings, diagnosed: Mapping[str, float], inference: str
) -> Covariance:
    """One of the covariances that a run accumulated, with a warning where it covers too little.

    Parameters
    ----------
    held : mapping of str to Covariance
        Covariances by the name of their inference.
    settings : Settings
    diagnosed : mapping of str to float
        Diagnostics of the run.
    inference : str

    Raises
    ------
    OptionError
        If the run did not accumulate it.
    NotIdentifiedError
        If its replicas overflowed.
    """
    if inference not in held:
        _refuse(held, inference, settings)
    warn_reach(inference, settings, diagnosed)
    return held[inference]


def labelled(
    matrices: Mapping[str, np.ndarray], roots: Mapping[str, np.ndarray], settings: Settings
) -> dict[str, Covariance]:
    """Covariances with their labels, from matrices and their roots by the name of their inference."""
    return {
        name: Covariance(found, name, label(name, settings), np.inf, roots[name]) for name, found in matrices.items()
    }


def label(inference: str, settings: Settings) -> str:
    """How tables name an inference, and from which n it covers."""
    return f"{_named(inference, settings)}; {note(inference, settings.temporal, settings.along)}"


def _named(inference: str, s: Settings) -> str:
    if inference == "multiplier":
        start = "" if s.replica_start == "origin" else ", from the burn-in point"
        return f"multiplier bootstrap (B = {s.replicas}, {s.law}, seed {s.seed}{start})"
    if inference == "hac":
        return f"{_SIGNS[inference]}, {s.lags} lags"
    return _SIGNS[inference]


def _refuse(held: Mapping[str, Covariance], inference: str, settings: Settings) -> None:
    """Say how to get a covariance that a run did not accumulate."""
    if inference not in INFERENCE:
        raise OptionError(f"inference={inference!r} is not known; choose one of {', '.join(map(repr, INFERENCE))}.")
    if inference == "multiplier" and settings.replicas > 1:
        raise NotIdentifiedError(
            "replicas overflowed: their first steps are too large. Divide step c0 by 10 or raise k0."
        )
    if inference == "multiplier":
        raise OptionError(
            f"inference='multiplier' needs replicas; the fit has replicas={settings.replicas}. One replica gives no interval."
        )
    raise OptionError(
        f"inference={inference!r} was not accumulated; ask for it at the fit: "
        f"inference=({', '.join(map(repr, held))}, {inference!r})."
    )
