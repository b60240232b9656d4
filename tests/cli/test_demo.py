"""The demonstration: tables in the terminal, figures as files, one page that needs no other file."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from statinf.cli import main
from statinf.cli.report import prose
from statinf.cli.tour import walk
from statinf.cli.tour_steps import TourStep
from statinf.errors import ConvergenceError
from statinf.results.demo import DemoSection
from statinf.results.table import Table


def figure():
    import matplotlib.pyplot as plt

    made, axes = plt.subplots()
    axes.plot([0, 1], [0, 1])
    return made


def axes_only():
    return figure().axes[0]


SECTION = DemoSection(
    title="Prices & sizes <small>",
    intro="A fit of `price ~ size`.\n\nIts line is 2 < 3.",
    code='fit = si.lm("price ~ size", data)',
    tables=(Table(("term", "estimate"), (("size", "2.5"),), title="A fit"),),
    figures=(("A line", figure), ("The same line from its axes", axes_only)),
)
STEPS = (
    TourStep(
        "first",
        "One & two",
        "two = 1 + 1",
        lambda names: f"It is `{names['two']}`, which is\n    < 3.",
        "A line",
        lambda _: figure(),
    ),
    TourStep(
        "second", "Four", "four = 2 * two", lambda names: f"It is {names['four']}.", "Its axes", lambda _: axes_only()
    ),
)
FAKE = SimpleNamespace(section=lambda: SECTION)


@pytest.fixture
def sections(monkeypatch):
    def use(**modules):
        def found(name, families):
            return ((family, modules[family]) for family in families if family in modules)

        monkeypatch.setattr("statinf.cli.demo.modules", found)
        monkeypatch.setattr("statinf.cli.demo.walk", lambda: walk(STEPS))

    return use


def test_report_holds_everything(sections, tmp_path, capsys):
    sections(balance=FAKE, models=FAKE)
    assert main(["demo", "--out", str(tmp_path / "new" / "folder")]) == 0
    out = capsys.readouterr().out
    assert "the tour and 2 sections, 6 figures" in out
    assert "size       2.5" in out
    assert "    four = 2 * two\n\nIt is 4.\n" in out
    folder = tmp_path / "new" / "folder"
    names = {file.name for file in folder.iterdir()}
    assert names == {"report.html"} | {f"{part}-{i}.png" for part in ("tour", "models", "balance") for i in (1, 2)}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.index('id="tour"') < page.index('id="models"')
    assert "<p>It is <code>2</code>, which is &lt; 3.</p>" in page
    assert "1. One &amp; two" in page
    assert page.index('id="models"') < page.index('id="balance"')
    assert "Prices &amp; sizes &lt;small&gt;" in page
    assert page.count('<img src="data:image/png;base64,') == 6
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "the page must need no other file"


def test_only_one_family(sections, tmp_path, capsys):
    sections(balance=FAKE, models=FAKE)
    assert main(["demo", "--only", "balance", "--out", str(tmp_path)]) == 0
    assert "1 section, 2 figures" in capsys.readouterr().out
    assert not (tmp_path / "models-1.png").exists()


def test_only_the_tour(sections, tmp_path, capsys):
    sections(balance=FAKE)
    assert main(["demo", "--only", "tour", "--out", str(tmp_path)]) == 0
    assert "the tour and 0 sections, 2 figures" in capsys.readouterr().out
    assert 'id="balance"' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_figures_are_closed_and_the_backend_is_put_back(sections, tmp_path):
    import matplotlib
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.use("svg")
    sections(models=FAKE)
    assert main(["demo", "--out", str(tmp_path)]) == 0
    assert plt.get_fignums() == []
    assert matplotlib.get_backend().lower() == "svg"


def test_unknown_family_is_refused(tmp_path, capsys):
    assert main(["demo", "--only", "modles", "--out", str(tmp_path)]) == 1
    assert "'models'" in capsys.readouterr().err


def test_family_without_a_demonstration(sections, tmp_path, capsys):
    sections()
    assert main(["demo", "--only", "shift", "--out", str(tmp_path)]) == 1
    assert "no demonstration of shift" in capsys.readouterr().err


def test_a_section_that_fails_is_an_error(sections, tmp_path, capsys):
    def fails():
        raise ConvergenceError("the solver stopped at 1e-3")

    sections(models=SimpleNamespace(section=fails))
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "statinf demo: the solver stopped at 1e-3" in capsys.readouterr().err


def test_folder_that_cannot_be_made(sections, tmp_path, capsys):
    sections(models=FAKE)
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file" / "below")]) == 1
    assert "cannot make this folder" in capsys.readouterr().err


def test_prose_is_escaped_except_code():
    assert prose("a `x<y` b & c\n\nd") == "<p>a <code>x&lt;y</code> b &amp; c</p>\n<p>d</p>"


def shown_lines():
    from statinf.cli.families import modules
    from statinf.cli.tour_steps import STEPS as TOUR

    yield from ((family, module.CODE) for family, module in modules("demo"))
    yield from ((step.name, step.code) for step in TOUR)


def test_the_lines_shown_are_python_and_fit_their_column():
    for name, code in shown_lines():
        compile(code, name, "exec")
        assert max(map(len, code.splitlines())) <= 88, name


def test_the_tour_says_what_it_found():
    """Its first two steps, which the others stand on, told from the numbers of the fits."""
    from statinf.cli.tour_steps import STEPS as TOUR

    balance, effect = walk(TOUR[:2])
    assert "the largest standardised difference falls from 0.52 to 0.0000" in balance.words
    assert "5,638 households now count as 3,799" in balance.words
    assert "18.9 [16.0, 21.7] more" in effect.words
    assert balance._repr_markdown_().startswith("```python\nimport numpy as np\n")


def test_the_page_of_the_tour_has_the_steps_and_captions_of_the_report():
    from pathlib import Path

    from statinf.cli.tour_steps import STEPS as TOUR

    page = (Path(__file__).resolve().parents[2] / "vignettes" / "tour.qmd").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [step.title for step in TOUR]
    assert re.findall(r'^#\| fig-cap: "(.+)"$', page, re.MULTILINE) == [step.caption for step in TOUR]
