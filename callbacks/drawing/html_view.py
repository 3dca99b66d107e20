"""What a notebook shows of a callback: its findings and its picture, as HTML."""

import html
from collections.abc import Sequence

from ..findings.finding import Finding

MAX_FINDINGS = 12
# Readable on white and on black; the text itself has the colour of the notebook.
_WITHOUT_JUDGEMENT = {"measured", "range"}  # kinds
_COLOURS = {"trouble": "#d1495b", "healthy": "#2e9e6b", "unclear": "#8a8a8a"}


def html_view(findings: Sequence[Finding], note: str, picture: str) -> str:
    """Return findings, a note and a picture below one another.

    Args:
        findings: the first 12 are shown, each with its severity, layer, headline and sentence.
        note: a sentence; "": none.
        picture: an HTML element; "": none.
    """
    parts = [*map(_finding, findings[:MAX_FINDINGS])]
    if (more := len(findings) - MAX_FINDINGS) > 0:
        parts.append(f"<div>{more:,} more: findings()</div>")
    if note:
        parts.append(f"<div>{html.escape(note)}</div>")
    return f'<div style="max-width:60em">{"".join(parts)}{picture}</div>'


def _finding(finding):
    colour = _COLOURS[finding.severity]
    severity = "" if finding.kind in _WITHOUT_JUDGEMENT else finding.severity
    badge = f'<span style="color:{colour};font-weight:bold">{severity}</span>'
    head = " · ".join(html.escape(text) for text in (finding.layer, finding.headline) if text)
    style = f"border-left:4px solid {colour};padding-left:.6em;margin:.5em 0"
    return f'<div style="{style}">{badge} <b>{head}</b><br>{html.escape(finding.text)}</div>'
