"""Formulas: text and a data frame become a `Design`, and the same columns again for new rows."""

from statinf.formula.design import Design, design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import NewRows, Recipe

__all__ = ["Design", "Frame", "Matrix", "NewRows", "Recipe", "as_frame", "design"]
