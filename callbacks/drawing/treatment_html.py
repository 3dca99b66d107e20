"""What a notebook shows of the doctor's answer, as HTML."""

import html
from collections.abc import Sequence

from matplotlib.figure import Figure

from ...layers.analysis.pictures import png_tag
from ..treatment.table import Line

_CELL = "text-align:left;vertical-align:top;padding:.15em .7em .15em 0"
_CURE = "color:#2e9e6b;font-weight:bold"


def treatment_html(
    sentence: str, titles: Line, lines: Sequence[Line], figure: Figure | None
) -> str:
    """Return the sentence of an answer, its table and its figure below one another.

    Args:
        sentence: of the answer.
        titles: of the columns.
        lines: the untreated trainings and the remedies.
        figure: of the trainings; None: there is none.
    """
    picture = "" if figure is None else png_tag(figure._repr_png_(), "Answer.plot()")
    head = "".join(f'<th style="{_CELL}">{html.escape(title)}</th>' for title in titles)
    rows = "".join(f"<tr>{_cells(line)}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    text = f"<div><b>{html.escape(sentence)}</b></div>"
    return f'<div style="max-width:70em">{text}{table}{picture}</div>'


def _cells(line):
    styles = {"result": f"{_CELL};{_CURE}"} if line.result == "cure" else {}
    return "".join(
        f'<td style="{styles.get(name, _CELL)}">{html.escape(text)}</td>'
        for name, text in line._asdict().items()
    )
