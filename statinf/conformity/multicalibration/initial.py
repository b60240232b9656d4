"""Where boosting starts: the learner itself, a number, a column, a fitted model, or a model to be fitted first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError, nearest, silent_warnings
from statinf.formula.frame import Frame
from statinf.formula.given import aligned
from statinf.learners import canonical, names, resolve
from statinf.learners.sklearn import FittedSklearn, FittedSklearnClassifier
from statinf.results import Result

ROLE = "initial"


@dataclass(frozen=True, repr=False)
class FittedResult:
    """A result of statinf that predicts."""

    result: Any

    foreign = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it reads."""
        recipe = getattr(self.result, "recipe", None)
        return () if recipe is None else tuple(recipe.columns)

    def predict(self, frame: Frame, X: np.ndarray) -> np.ndarray:
        """Means (rows of the frame,); NaN where there are none."""
        with silent_warnings():
            table = self.result.predict(frame.native)
        # A pyarrow table's `columns` are its arrays.
        names = [str(c) for c in getattr(table, "column_names", None) or table.columns]
        if "estimate" not in names:
            raise OptionError(
                f"init: '{self.result.method}' predicts {', '.join(names) or 'nothing'}; a fit that predicts `estimate`, "
                "one number per row, is needed."
            )
        return np.asarray(table["estimate"], np.float64)


@dataclass(frozen=True, repr=False)
class FittedForeign:
    """A fitted model of another library, asked by its columns' names where it knows them, else by the formula's columns."""

    model: Any

    @property
    def foreign(self) -> str:
        """The class of another library that this holds."""
        return type(self.model).__name__

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it reads by name."""
        return tuple(str(c) for c in getattr(self.model, "feature_names_in_", ()))

    def predict(self, frame: Frame, X: np.ndarray) -> np.ndarray:
        """Means, or probabilities of the outcome 1, (rows of the frame,); NaN where there are none.

        Parameters
        ----------
        frame : Frame
        X : ndarray, shape (n, p)
            The covariates of the formula, without constant; NaN in rows that cannot be made.
        """
        wrapped = FittedSklearnClassifier if hasattr(self.model, "predict_proba") else FittedSklearn
        out = np.full(frame.n, np.nan)
        if self.columns:
            given, known = self._named(frame)
        else:
            expected = getattr(self.model, "n_features_in_", X.shape[1])
            if expected != X.shape[1]:
                raise OptionError(
                    f"init: {self.foreign} was fitted to {expected} columns without names, and the formula's covariates have "
                    f"{X.shape[1]}; fit it to a data frame, so that it knows its columns."
                )
            known = np.isfinite(X).all(axis=1)
            given = X[known]
        if known.any():
            out[known] = wrapped(self.model).predict(given)
        return out

    def _named(self, frame: Frame) -> tuple[Any, np.ndarray]:
        """The model's columns of rows where none is missing, and which these are (n,) bool."""
        import pandas as pd

        for name in self.columns:
            frame.require(name)
        table = pd.DataFrame({name: frame.raw(name).to_pandas().reset_index(drop=True) for name in self.columns})
        known = ~table.isna().any(axis=1).to_numpy()
        return table[known], known


@dataclass(frozen=True, repr=False)
class CalledFunction:
    """A function of a data frame, one number per row."""

    function: Any

    columns = ()

    @property
    def foreign(self) -> str:
        """What files leave out."""
        return getattr(self.function, "__name__", "function")

    def predict(self, frame: Frame, X: np.ndarray) -> np.ndarray:
        """Its values (rows of the frame,)."""
        found = np.asarray(aligned(self.function(frame.native), frame, "init"), np.float64)
        if found.shape != (frame.n,):
            raise DataError(
                f"init: the function gave shape {found.shape} for {frame.n} rows; one number per row is needed."
            )
        return found


@dataclass(frozen=True)
class Initial:
    """What the caller gave as `init=`, read.

    Attributes
    ----------
    column : str or None
        Predictions are a column of the data.
    model : FittedResult, FittedForeign, CalledFunction or None
        Predictions come from a fitted model.
    learner : object or None
        A learner that is fitted first.
    name : str
        For tables.
    lost : bool
        Whether a model was left out of a file.
    """

    column: str | None = None
    model: Any = None
    learner: Any = None
    name: str = ""
    lost: bool = False

    def stored(self) -> Initial:
        """What files hold: a model of another library is left out, and `lost`."""
        foreign = getattr(self.model, "foreign", None) is not None
        return Initial(self.column, None, None, self.name, True) if foreign else self


def read_initial(init: Any, frame_names: Any, learner: str) -> Initial:
    """What `init=` stands for.

    Raises
    ------
    OptionError
        If it is none of what starts boosting.
    """
    if init is None:
        return Initial(name=learner)
    if isinstance(init, str):
        if init in frame_names:
            return Initial(column=init, name=init)
        if canonical(init) in names("mean"):
            return Initial(learner=resolve(init, "mean", "init"), name=canonical(init))
        near = nearest(init, [*map(str, frame_names), *names("mean")])
        raise OptionError(f"init={init!r} is neither a column of the data nor a learner's name.{near}")
    if isinstance(init, Result):
        return Initial(model=FittedResult(init.lean()), name=init.model_name)
    if isinstance(init, bool) or hasattr(init, "__array__") or isinstance(init, list | tuple):
        raise OptionError(
            "init: an array has no values for new rows; put it into the data and name the column, init='column'."
        )
    if isinstance(init, int | float):
        return Initial(learner=resolve(init, "mean", "init"), name=f"{init:g}")
    if hasattr(init, "predict") and (not hasattr(init, "fit") or _is_fitted(init)):
        return Initial(model=FittedForeign(init), name=type(init).__name__)
    if hasattr(init, "fit"):
        return Initial(learner=resolve(init, "mean", "init"), name=type(init).__name__)
    if callable(init):
        return Initial(model=CalledFunction(init), name=getattr(init, "__name__", "function"))
    raise OptionError(
        f"init={init!r}: give a column's name, a learner's name, a fitted model, a number, or a function of a data frame."
    )


def _is_fitted(model: Any) -> bool:
    """scikit-learn's rule: a fitted estimator has attributes that end in an underscore; a pipeline's last step counts."""
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if steps else model
    return any(name.endswith("_") and not name.startswith("_") for name in vars(last))
