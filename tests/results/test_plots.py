"""Figures of coefficients, and names that figures must show as they are."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fits():
    data = si.datasets.load("mtcars")
    return si.lm("mpg ~ wt + hp + C(cyl)", data), si.lm("mpg ~ wt + qsec", data), si.lm("mpg ~ wt", data, vcov="HC3")


def ticks(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_several_fits_share_a_figure(fits):
    ax = fits[0].plot(others=list(fits[1:]), names=["all", "some", "one"], level=0.9)
    assert ticks(ax) == ["wt", "hp", "C(cyl)[T.6]", "C(cyl)[T.8]", "qsec"] and legend(ax) == ["all", "some", "one"]
    assert ax.get_xlabel() == "estimate, 90% interval"
    points = {line.get_label(): line.get_xdata() for line in ax.lines if line.get_label() in ("all", "some", "one")}
    for fit, name in zip(fits, ("all", "some", "one"), strict=True):
        np.testing.assert_array_equal(points[name], fit.theta[1:])
    drawn = [segment[:, 0] for lines in ax.collections for segment in lines.get_segments()]
    limits = np.concatenate([fit.conf_int(0.9).to_numpy()[1:] for fit in fits])
    np.testing.assert_allclose(drawn, limits)
    markers = {line.get_marker() for line in ax.lines if line.get_label() in points}
    colours = {line.get_color() for line in ax.lines if line.get_label() in points}
    assert len(markers) == len(colours) == 3


def test_names_in_the_legend_by_default(fits):
    data = si.datasets.load("mtcars")
    assert legend(fits[0].plot(others=si.rq("mpg ~ wt", data.head(31)))) == ["lm", "rq"]
    assert legend(fits[2].plot(others=[si.lm("qsec ~ wt", data)])) == ["mpg", "qsec"]
    assert legend(fits[0].plot(others=fits[1:])) == ["(1)", "(2)", "(3)"]
    assert fits[0].plot().get_legend() is None
    assert ticks(fits[2].plot(others=fits[1], intercept=True)) == ["Intercept", "wt", "qsec"]


def test_what_cannot_be_drawn_is_refused_by_name(fits):
    with pytest.raises(si.OptionError, match="names="):
        fits[0].plot(others=fits[1:], names=["a", "b"])
    with pytest.raises(si.OptionError, match="names="):
        fits[0].plot(others=fits[1], names="ab")
    with pytest.raises(si.OptionError, match="others holds a str"):
        fits[0].plot(others=["x"])
    with pytest.raises(si.OptionError, match="level"):
        fits[0].plot(level=2)
    with pytest.raises(si.NotIdentifiedError, match="has no c"):
        fits[0].plot(others=si.balance("am ~ wt", si.datasets.load("mtcars")))


def test_names_are_shown_as_they_are():
    generator = np.random.default_rng(0)
    data = pd.DataFrame(generator.normal(size=(60, 3)), columns=["y", "$x_$", "_b"]).assign(t=[0, 1, 1] * 20)
    fit = si.lm("y ~ `$x_$` + _b", data)
    figures = [fit.plot(others=fit.with_vcov("HC3"), names=["$a_$", "_c"])]
    figures += [si.balance("t ~ `$x_$` + _b", data).plot(), si.rq("y ~ `$x_$`", data).plot("lines")]
    for ax in figures:
        ax.figure.draw_without_rendering()  # a formula that cannot be read fails here
    shown = [r"\$x_\$", " _b"]
    assert ticks(figures[0]) == shown and legend(figures[0]) == [r"\$a_\$", " _c"]
    assert sorted(ticks(figures[1])) == sorted(shown) and figures[2].get_xlabel() == shown[0]


def test_draws_print_in_one_line(fits):
    text = repr(fits[0].bootstrap(99, seed=3).draws)
    assert text == "Bootstrap: multiplier bootstrap (99 replicas, seed 3); draws has shape (99, 5)."
    pieces = (fits[0].moments(), fits[0].design, si.balance("am ~ wt", si.datasets.load("mtcars")).identity)
    for piece in pieces:
        assert "\n" not in repr(piece) and len(repr(piece)) < 1000 and type(piece).__name__ in repr(piece)


# --- choice, levels and panels ----------------------------------------------------------------------------------


def test_coefficients_are_chosen_and_renamed_as_in_tables(fits):
    names = {"wt": "Weight", "C(cyl)": "Cylinders"}
    fit = si.lm("mpg ~ wt + C(cyl) + hp", si.datasets.load("mtcars"))
    assert ticks(fit.plot(rename=names)) == ["Weight", "Cylinders [6]", "Cylinders [8]", "hp"]
    assert ticks(fit.plot(keep=["hp", "C(cyl)"])) == ["hp", "C(cyl)[T.6]", "C(cyl)[T.8]"]
    assert ticks(fit.plot(drop="C(cyl)", order="hp")) == ["hp", "wt"]
    assert ticks(fit.plot(keep=["Intercept", "wt"])) == ["Intercept", "wt"]
    with pytest.raises(si.OptionError, match="keep: 'zz'"):
        fit.plot(keep="zz")


def test_several_levels_are_drawn_over_each_other(fits):
    ax = fits[0].plot(level=[0.9, 0.95])
    assert ax.get_xlabel() == "estimate, 90% and 95% intervals"
    outer, inner = (c.get_segments()[0][:, 0] for c in ax.collections[:2])
    np.testing.assert_allclose(outer, fits[0].conf_int(0.95).loc["wt"])
    np.testing.assert_allclose(inner, fits[0].conf_int(0.9).loc["wt"])
    with pytest.raises(si.OptionError, match="level"):
        fits[0].plot(level=[0.9, 95])


def test_a_panel_for_each_coefficient_of_a_collection():
    several = si.lm("mpg ~ wt + csw0(hp, qsec)", si.datasets.load("mtcars"))
    axes = several.plot(panels=True)
    assert [ax.get_title(loc="left") for ax in axes.flat] == ["wt", "hp", "qsec"]
    assert ticks(axes.flat[0]) == ["none", "hp", "hp + qsec"]
    assert [len(ax.collections) for ax in axes.flat] == [3, 2, 1]
    assert legend(several.plot()) == ["none", "hp", "hp + qsec"]
    with pytest.raises(si.OptionError, match="leave ax= out"):
        several.plot(panels=True, ax=axes.flat[0])


def test_unlike_units_have_a_panel_each():
    data = si.datasets.load("lalonde")
    fit = si.lm("re78 ~ treat + age + re74", data)
    ax = fit.plot()
    assert [panel.get_title(loc="left") for panel in ax.figure.axes] == ["treat", "age", "re74"]
    # the shortest interval is as long beside its axis as the others are
    shares = [np.ptp(p.collections[0].get_segments()[0][:, 0]) / np.ptp(p.get_xlim()) for p in ax.figure.axes]
    assert min(shares) > 0.3
    assert ticks(fit.plot(panels=False)) == ticks(fit.plot(keep=["treat", "age", "re74"])) == ["treat", "age", "re74"]
    assert ticks(fit.plot(ax=fit.plot(panels=False))) == ["treat", "age", "re74"]


def test_like_units_share_an_axis():
    fit = si.lm("mpg ~ C(cyl) + am", si.datasets.load("mtcars"))
    assert ticks(fit.plot()) == ["C(cyl)[T.6]", "C(cyl)[T.8]", "am"]


@pytest.mark.parametrize("scale", [1.0, 1e-150, 0.0, -1e12])
def test_histograms_of_values_that_differ_by_rounding(scale):
    from statinf.plotting.conformal import plot_sizes
    from statinf.plotting.margins import plot_distributions
    from statinf.plotting.shift import plot_nulls, plot_weights

    alike = scale * (1.0 + np.finfo(float).eps * np.arange(5))
    axes = [plot_sizes(alike), plot_weights(alike, 5.0), plot_distributions({"x": alike})]
    axes += list(np.ravel(plot_nulls([("test", scale, alike, 0.5)])))
    for ax in axes:
        low, high = sorted(ax.get_xlim())
        assert low < scale < high and high - low > 0.5 * abs(scale)


def test_histograms_have_the_range_of_their_values():
    from statinf.plotting.style import edges_of

    values = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(edges_of(values, 4), [1.0, 1.5, 2.0, 2.5, 3.0])
    assert edges_of(values, "auto") == "auto" and edges_of(values[:0], 4) == 4


def test_residuals_are_drawn_of_rows_with_weight():
    data = si.datasets.load("mtcars").assign(w=lambda d: (d["cyl"] > 4) * 1.0)
    for fit in (si.lm("mpg ~ wt", data, weights="w"), si.glm("am ~ hp", data, family="binomial", weights="w")):
        drawn = [len(ax.collections[0].get_offsets()) for ax in fit.plot("residuals").flat]
        assert drawn == [int(data["w"].sum())] * 4


def test_figures_of_effects_are_named():
    fit = si.effect("re78 ~ treat | age", si.datasets.load("nsw"))
    with pytest.raises(si.OptionError, match="'coefficients', 'overlap', 'sensitivity'"):
        fit.plot("balance")
