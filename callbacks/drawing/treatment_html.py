"""What a notebook shows of the doctor's answer, as HTML."""

import html
from collections.abc import Sequence

from matplotlib.figure import Figure

from ...layers.analysis.pictures import png_tag
from ..treatment.table import Line

_CELL = "text-align:left;vertical-align:top;padding:.15em .7em .15em 0"
_CURE = "color:#2e9e6b;font-weight:bold"


def treatment_html(
    verdict: Sequence[str], titles: Line, lines: Sequence[Line], figure: Figure | None
) -> str:
    """Return the sentences of an answer, its table and its figure below one another.

    Args:
        verdict: the sentence of the answer, then one for each remedy.
        titles: of the columns.
        lines: the untreated trainings and the remedies.
        figure: of the trainings; None: there is none.
    """
    sentence, *others = map(html.escape, verdict)
    picture = "" if figure is None else png_tag(figure._repr_png_(), "Answer.plot()")
    head = "".join(f'<th style="{_CELL}">{html.escape(title)}</th>' for title in titles)
    rows = "".join(f"<tr>{_cells(line)}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    text = f"<div><b>{sentence}</b></div>"
    return f'<div style="max-width:75em">{text}{table}{_details(others)}{picture}</div>'


def _details(sentences):
    if not sentences:
        return ""
    items = "".join(f"<div>{sentence}</div>" for sentence in sentences)
    return f"<details><summary>each remedy in a sentence</summary>{items}</details>"


def _cells(line):
    cells = []
    for name, text in line._asdict().items():
        colour = f";{_CURE}" if text == "cure" and name == "result" else ""
        width = "" if name == "source" else ";white-space:nowrap"
        cells.append(f'<td style="{_CELL}{width}{colour}">{html.escape(text)}</td>')
    return "".join(cells)
