"""What results of `si.conformal` share, whatever their sets hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from statinf.conformity import mondrian
from statinf.conformity.exchangeability import Exchangeability, required
from statinf.conformity.new_rows import Ready, ready_rows
from statinf.conformity.shift import Ratio
from statinf.errors import DataError, OptionError
from statinf.results import Predictive


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConformalSets(Predictive):
    """Prediction sets with finite-sample coverage.

    Attributes
    ----------
    level : float
        Coverage asked for.
    procedure : object
        What sets are made from.
    groups : Groups or None
    ratio : Ratio or None
        The density ratio of covariate shift.
    seed : int
    data : object
        The caller's frame as it was at the fit; not saved.
    """

    level: float
    procedure: Any
    groups: mondrian.Groups | None
    ratio: Ratio | None
    seed: int
    data: Any = field(default=None, metadata={"saved": False})

    calibrated: ClassVar[tuple[type, ...]]
    """The kinds of procedure that have scores of held-out calibration rows."""
    endless: ClassVar[str]
    """What a set is that holds everything, for messages."""
    with_p_values: ClassVar[str]
    """Methods of that kind, for messages."""

    def lean(self) -> Self:
        """The same result without the caller's frame."""
        return replace(self, data=None)

    def _data(self, newdata: Any) -> Any:
        if newdata is None and self.data is None:
            raise DataError("A saved fit holds no data; give newdata.")
        return self.data if newdata is None else newdata

    def _held_out(self) -> Any:
        """The procedure, if it has scores of held-out rows."""
        if not isinstance(self.procedure, self.calibrated):
            raise OptionError(
                f"method={self.method!r} has no held-out rows to compare new ones with; use a method that calibrates on such "
                f"rows, as {self.with_p_values} do."
            )
        return self.procedure

    def _with_p_values(self) -> Any:
        """The procedure, if it has p-values."""
        if not hasattr(self.procedure, "p_values"):
            raise OptionError(
                f"method={self.method!r} makes sets without p-values; use a method that compares scores with those of held-out "
                f"rows, such as {self.with_p_values}."
            )
        return self.procedure

    def exchangeability(self, newdata: Any, *, seed: int = 0) -> Exchangeability:
        """Test whether new rows are exchangeable with the calibration rows, one after the other in their order.

        A martingale bets against conformal p-values of the rows being uniform; each p-value compares a row with the
        calibration rows and the new rows before it (of its group or class, where these have thresholds of their own). The
        order of the rows is part of the test: rows sorted by the outcome or a covariate are not exchangeable. `coverage`
        warns where the martingale passes 100.

        Parameters
        ----------
        newdata : data frame
            Holds the outcome, in the order in which rows came; rows where it is missing are left out.
        seed : int
            Of the draws that break ties.

        Returns
        -------
        Exchangeability
            `path`, `largest`, `p_value`, `summary()` and `plot()`.

        Raises
        ------
        OptionError
            If the method calibrates on no held-out rows, or the fit has weights.
        DataError
            If no row can be tested.

        Examples
        --------
        >>> import statinf as si
        >>> hours = si.datasets.load("bikeshare")
        >>> winter, later = hours[:1500].sample(frac=1, random_state=0), hours[1500:]
        >>> fit = si.conformal("bikers ~ temp + hum", winter[:1000])
        >>> fit.exchangeability(winter[1000:]).largest < 100, fit.exchangeability(later).largest > 100
        (True, True)
        """
        self._held_out()
        ready = ready_rows(self, newdata, response=True)
        return replace(required(self._martingale(ready, seed)), kind=ready.new.kind)

    def _martingale(self, ready: Ready, seed: int) -> Exchangeability | None:
        """The martingale over new rows; None if none can be scored."""
        raise NotImplementedError
