"""Which form of an output a format takes, and how text is cleaned."""

from __future__ import annotations

import base64

import pandas as pd
import pytest

from statinf.vignette.outputs import Image, choose, convert, terminal
from statinf.vignette.pandoc import table_to_markdown

SHOWN = {"output": True, "warning": True, "message": True}
BOTH = {"text/html": "<table></table>", "text/markdown": "|a|", "text/plain": "a"}


@pytest.mark.parametrize(
    ("data", "to", "form"),
    [
        (BOTH, "html", "text/html"),
        (BOTH, "docx", "text/markdown"),
        (BOTH, "latex", "text/markdown"),
        ({**BOTH, "text/latex": "x"}, "latex", "text/latex"),
        ({"text/html": "<table></table>", "text/plain": "a"}, "typst", "text/html"),
        ({"text/html": "<div></div>", "text/plain": "a"}, "typst", "text/plain"),
        ({"image/png": "", "image/svg+xml": "", "text/plain": ""}, "html", "image/svg+xml"),
        ({"image/png": "", "image/svg+xml": "", "text/plain": ""}, "docx", "image/png"),
        ({"application/x": ""}, "html", ""),
    ],
)
def test_choice_of_form(data, to, form):
    assert choose(data, to) == form


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def plain(text: str) -> dict:
    return {"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}}


def test_terminal_text():
    assert terminal("\x1b[31mred\x1b[0m\n10%\r50%\r100%\n") == "red\n100%"


def test_streams_are_joined_and_cannot_close_the_block():
    (text,) = convert((stream("a\n"), stream("```\n")), SHOWN, "html", str)
    assert text == "```` {.output .stdout}\na\n```\n````"


def test_warnings_are_hidden_on_demand_and_lose_their_temporary_path():
    warning = stream("/tmp/ipykernel_12/345.py:3: UserWarning: careful\n", "stderr")
    assert convert((warning,), {**SHOWN, "warning": False}, "html", str) == []
    (text,) = convert((warning,), SHOWN, "html", str)
    assert text == "``` {.output .stderr}\nUserWarning: careful\n```"


def test_output_asis_is_markdown():
    assert convert((stream("**x**\n"),), {**SHOWN, "output": "asis"}, "html", str) == ["**x**\n"]


@pytest.mark.parametrize("echoed", ["<Axes: xlabel='x'>", "[<matplotlib.lines.Line2D at 0x7f>]", "Text(0, 0, 'x')"])
def test_value_of_a_plotting_call_is_left_out_beside_its_figure(echoed):
    figure = {
        "output_type": "display_data",
        "data": {"image/png": base64.b64encode(b"png").decode(), "text/plain": "<Figure>"},
        "metadata": {"image/png": {"width": 600}},
    }
    assert convert((plain(echoed), figure), SHOWN, "html", str) == [Image(b"png", "png", 600)]
    assert len(convert((plain("3.5"), figure), SHOWN, "html", str)) == 2
    assert len(convert((plain(echoed),), SHOWN, "html", str)) == 1


def test_columns_of_a_data_frame_are_aligned():
    frame = pd.DataFrame({"a": [1.5], "b": ["x"]}, index=["row"])
    lines = table_to_markdown(frame.to_html()).splitlines()
    assert [set(cell) for cell in lines[1].strip("|").split("|")] == [{":", "-"}] * 3
    assert [cell.endswith(":") for cell in lines[1].strip("|").split("|")] == [False, True, True]


def test_html_table_is_converted_for_other_formats():
    table = {"output_type": "execute_result", "data": {"text/html": "<table>x</table>"}, "metadata": {}}
    assert convert((table,), SHOWN, "docx", lambda text: f"MD {len(text)}") == ["MD 16"]
