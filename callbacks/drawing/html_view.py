"""What a notebook shows of a callback: its findings and its picture, as HTML."""

import html
import io
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from ...layers.analysis.pictures import png_tag
from ..findings.finding import Finding

MAX_FINDINGS, MAX_IMAGES = 12, 6
# Readable on white and on black; the text itself has the colour of the notebook.
_WITHOUT_JUDGEMENT = {"measured", "range"}  # kinds
_COLOURS = {"trouble": "#d1495b", "healthy": "#2e9e6b", "unclear": "#8a8a8a"}


def html_view(findings: Sequence[Finding], note: str, picture: str) -> str:
    """Return findings, a note and a picture below one another.

    Args:
        findings: the first 12 are shown, each with severity, layer, headline and sentences.
        note: a sentence; "": none.
        picture: an HTML element; "": none.
    """
    parts = [*map(_finding, findings[:MAX_FINDINGS])]
    if (more := len(findings) - MAX_FINDINGS) > 0:
        parts.append(f"<div>{more:,} more: findings()</div>")
    if note:
        parts.append(f"<div>{html.escape(note)}</div>")
    return f'<div style="max-width:60em">{"".join(parts)}{picture}</div>'


def live_html(step: int, findings: Sequence[Finding], images: Mapping[str, np.ndarray]) -> str:
    """Return what is shown while a model trains.

    Args:
        step: the training step; 0: there was none yet.
        findings: those on the latest training steps; their headlines are shown.
        images: an image [height, width, 3] uint8 of each layer; the first 6 are shown.
    """
    head = f"training step {step:,}" if step else "the first training step has not ended yet"
    lines = [f"<div>{_headline(finding)}</div>" for finding in findings[:MAX_FINDINGS]]
    pictures = [_picture(name, image) for name, image in islice(images.items(), MAX_IMAGES)]
    return f"<div><b>{head}</b>{''.join(lines)}{' '.join(pictures)}</div>"


def _picture(name, image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    tag = png_tag(buffer.getvalue(), f"error over time in {name}")
    return f'<div style="display:inline-block">{html.escape(name)}<br>{tag}</div>'


def _headline(finding):
    severity = "" if finding.kind in _WITHOUT_JUDGEMENT else finding.severity
    colour = _COLOURS[finding.severity]
    badge = f'<span style="color:{colour};font-weight:bold">{severity}</span>'
    head = " · ".join(html.escape(text) for text in (finding.layer, finding.headline) if text)
    return f"{badge} <b>{head}</b>"


def _finding(finding):
    colour = _COLOURS[finding.severity]
    style = f"border-left:4px solid {colour};padding-left:.6em;margin:.5em 0"
    meaning = f"<br>{html.escape(finding.meaning)}." if finding.meaning else ""
    return (
        f'<div style="{style}">{_headline(finding)}<br>{html.escape(finding.text)}{meaning}</div>'
    )
