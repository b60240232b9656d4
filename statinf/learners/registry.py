"""One name per learner, the same in every verb: `learner=`, `model=`, `models=`, `outcome_model=`, `treatment_model=`.

What a caller of a learner needs is a task: a conditional mean, a probability, those of several classes, a scale,
quantiles, or a density. A name stands for one way of learning, whatever the task; where it cannot serve a task, it is
refused with the names that can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from statinf.errors import OptionError, nearest

TASKS = ("mean", "probability", "classes", "scale", "quantile", "density")


@dataclass(frozen=True)
class Entry:
    """Where a learner is, and which tasks it serves.

    Attributes
    ----------
    module, name : str
        A frozen dataclass of hyperparameters.
    tasks : tuple of str
    options : mapping of str to mapping
        Arguments of the class by task, where they differ from its defaults.
    meaning : str
        One line for documentation.
    """

    module: str
    name: str
    tasks: tuple[str, ...]
    meaning: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def make(self, task: str) -> Any:
        """The learner, with its defaults for the task."""
        return getattr(import_module(f"statinf.learners.{self.module}"), self.name)(**self.options.get(task, {}))


_MEANS = ("mean", "probability", "scale")
_DENSITIES = ("mean", "density", "quantile")

# A mean learner serves for a probability too, as a linear probability model: whoever divides by it clips it.
LEARNERS: Mapping[str, Entry] = {
    "lm": Entry("linear", "LeastSquares", _MEANS, "least squares"),
    "logit": Entry("logit", "Logit", ("probability", "mean"), "logistic regression of a 0/1 outcome"),
    "ridge": Entry("linear", "Ridge", _MEANS, "ridge regression"),
    "ridge_path": Entry(
        "ridge_path", "RidgePath", ("mean", "probability"), "ridge regression, penalty by leave-one-out"
    ),
    "lasso": Entry("lasso", "LassoPath", ("mean", "probability"), "lasso, penalty by cross-validation"),
    "spline": Entry("spline", "SplineRidge", ("mean", "probability"), "additive splines with a ridge penalty"),
    "kernel_ridge": Entry("kernel_ridge", "KernelRidge", _MEANS, "ridge regression in a Gaussian kernel's space"),
    "random_features": Entry(
        "random_features", "RandomFeatureRidge", ("mean", "probability"), "ridge on random features"
    ),
    "network": Entry("network", "Network", _MEANS, "a small neural network", {"probability": {"task": "probability"}}),
    "forest": Entry("forest", "QuantileForest", ("mean", "probability", "quantile"), "random forest"),
    "gbm": Entry("boosting", "Boosting", ("mean", "probability", "quantile"), "gradient boosting of trees"),
    "binned_trees": Entry(
        "binned_trees",
        "BinnedTrees",
        _MEANS,
        "gradient boosting of symmetric trees on binned columns; also of data in blocks",
        {"probability": {"loss": "logistic"}},
    ),
    "rq": Entry("linear_quantile", "LinearQuantile", ("quantile",), "linear quantile regression"),
    "gaussian": Entry("gaussian", "GaussianLocationScale", _DENSITIES, "normal law, mean and log spread linear"),
    "location_scale": Entry("location_scale", "LocationScale", _DENSITIES, "a mean and a scale, residuals' own law"),
    "gaussian_network": Entry(
        "quantile_network", "GaussianNetwork", ("quantile",), "network, mean and spread of a normal law"
    ),
    "mqn": Entry("quantile_network", "QuantileNetwork", ("quantile",), "network, one output per level"),
    "requ": Entry(
        "process_network", "ProcessNetwork", ("quantile",), "network over features and level, all levels at once"
    ),
    "gaps": Entry(
        "process_network",
        "ProcessNetwork",
        ("quantile",),
        "network with positive increments between levels",
        {"quantile": {"network": "gaps"}},
    ),
    "mdn": Entry("mdn", "MixtureDensityNetwork", _DENSITIES, "mixture density network"),
    "ngboost": Entry("natural_boosting", "NaturalBoosting", _DENSITIES, "boosting of a normal law, natural gradients"),
}

ALIASES: Mapping[str, str] = {
    "ols": "lm",
    "linear": "lm",
    "logistic": "logit",
    "random_forest": "forest",
    "rf": "forest",
    "boosting": "gbm",
}
"""Names of other packages whose meaning is plain."""


def names(task: str) -> tuple[str, ...]:
    """The names of the learners that serve a task; what learns a probability learns those of several classes too."""
    task = "probability" if task == "classes" else task
    return tuple(name for name, entry in LEARNERS.items() if task in entry.tasks)


def canonical(spec: str) -> str:
    """The one name of a learner."""
    return ALIASES.get(spec, spec)


def resolve(spec: Any, task: str = "mean", option: str = "learner") -> Any:
    """Turn a name, a number or an object into a learner.

    Parameters
    ----------
    spec : str, float or object
        The name of a learner; a known mean or probability, the same for all rows; a learner of statinf; or any object
        with `fit(X, y)` and `predict(X)`, such as those of scikit-learn: copied at each fit, never changed.
    task : {"mean", "probability", "classes", "scale", "quantile", "density"}
        What the caller will ask of it. For "classes" a `ClassLearner` comes back.
    option : str
        What the caller's option is called; for messages.

    Returns
    -------
    Learner

    Raises
    ------
    OptionError
        If the name is unknown or cannot serve the task, the number is no probability, or the object has no `fit`.

    Examples
    --------
    >>> from statinf.learners import resolve
    >>> resolve("ridge")
    Ridge(penalty=1.0)
    """
    if isinstance(spec, str):
        return _named(spec, task, option)
    if task == "classes" and isinstance(spec, int | float):
        raise OptionError(f"{option}={spec!r} is no model of classes; give a name or an object with predict_proba.")
    if isinstance(spec, bool):
        raise OptionError(f"{option}={spec!r} is no learner; give a name, a number or an object with fit and predict.")
    if isinstance(spec, int | float) and task in ("mean", "probability"):
        return _constant(float(spec), task, option)
    if isinstance(spec, type):
        raise OptionError(f"{option}={spec.__name__} is a class; hand over an instance, {spec.__name__}(...).")
    if not hasattr(spec, "fit"):
        raise OptionError(f"{option}: a learner needs a method `fit`; {type(spec).__name__} has none.")
    if task == "classes":
        from statinf.learners.classes import class_learner

        return class_learner(spec, option)
    laws = task in ("density", "quantile") and not hasattr(spec, "get_params")
    if laws or type(spec).__module__.startswith("statinf."):
        return spec
    from statinf.learners.sklearn import SklearnLearner

    return SklearnLearner(spec, task)


def _named(spec: str, task: str, option: str) -> Any:
    name = canonical(spec)
    entry = LEARNERS.get(name)
    if entry is not None and task == "classes" and "probability" in entry.tasks:
        return resolve(entry.make("probability"), task, option)
    if entry is not None and task in entry.tasks:
        return entry.make(task)
    choices = ", ".join(map(repr, names(task)))
    what = "class probabilities" if task == "classes" else f"a {task}"
    why = "is not a learner's name" if entry is None else f"cannot serve for {what}"
    near = nearest(name, names(task)) if entry is None else ""
    raise OptionError(
        f"{option}={spec!r} {why}; choose one of {choices}, or hand over an object with fit and predict.{near}"
    )


def _constant(given: float, task: str, option: str) -> Any:
    from statinf.learners.constant import Constant

    if task == "probability" and not 0.0 < given < 1.0:
        raise OptionError(f"{option}={given!r}: a known probability lies strictly between 0 and 1.")
    if given != given or given in (float("inf"), -float("inf")):
        raise OptionError(f"{option}={given!r}: a known mean is a finite number.")
    return Constant(given)
