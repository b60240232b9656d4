"""The demonstration: tables in the terminal, figures as files, one page that needs no other file."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from statinf.cli import main
from statinf.cli.report import prose
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
FAKE = SimpleNamespace(section=lambda: SECTION)


@pytest.fixture
def sections(monkeypatch):
    def use(**modules):
        def found(name, families):
            return ((family, modules[family]) for family in families if family in modules)

        monkeypatch.setattr("statinf.cli.demo.modules", found)

    return use


def test_report_holds_everything(sections, tmp_path, capsys):
    sections(balance=FAKE, models=FAKE)
    assert main(["demo", "--out", str(tmp_path / "new" / "folder")]) == 0
    out = capsys.readouterr().out
    assert "2 sections, 4 figures" in out
    assert "size       2.5" in out
    folder = tmp_path / "new" / "folder"
    names = {file.name for file in folder.iterdir()}
    assert names == {"report.html", "models-1.png", "models-2.png", "balance-1.png", "balance-2.png"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.index('id="models"') < page.index('id="balance"')
    assert "Prices &amp; sizes &lt;small&gt;" in page
    assert page.count('<img src="data:image/png;base64,') == 4
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "the page must need no other file"


def test_only_one_family(sections, tmp_path, capsys):
    sections(balance=FAKE, models=FAKE)
    assert main(["demo", "--only", "balance", "--out", str(tmp_path)]) == 0
    assert "1 section, 2 figures" in capsys.readouterr().out
    assert not (tmp_path / "models-1.png").exists()


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
