"""The base class of callbacks that show what they have recorded."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ...layers.analysis.pictures import png_tag
from ..drawing.html_view import html_view
from ..drawing.notebook_figure import NothingRecorded
from ..findings.finding import Finding
from .guard import GuardedCallback

if TYPE_CHECKING:
    import pandas as pd


class ResultsCallback(GuardedCallback):
    """A callback with findings, a figure and a table; a notebook shows the first two.

    Attributes:
        recorded: what there is one record of: "training step" or "epoch".
        without_findings: the sentence for records without a finding; "": none.
    """

    recorded = "epoch"
    without_findings = ""

    def findings(self) -> list[Finding]:
        """Return what the records show; empty if there is nothing to say."""
        return []

    def verdict(self) -> list[str]:
        """Return two sentences for each finding: what was measured, and what it means."""
        return [finding.sentence for finding in self.findings()]

    def plot(self) -> Figure:
        """Return a Matplotlib figure of the records, which shows itself in a notebook.

        Raises:
            ValueError: nothing was recorded.
        """
        raise NotImplementedError

    def to_frame(self) -> "pd.DataFrame":
        """Return the records as a tidy table; it is empty if nothing was recorded."""
        raise NotImplementedError

    def _picture(self) -> str:
        """Return what is shown below the findings, as HTML; "" if nothing was recorded."""
        try:
            figure = self.plot()
        except NothingRecorded:
            return ""
        return png_tag(figure._repr_png_(), f"{type(self).__name__}.plot()")

    def _repr_html_(self) -> str:
        findings, picture = self.findings(), self._picture()
        return html_view(findings, self._note(bool(findings), bool(picture)), picture)

    def _note(self, has_findings, has_picture):
        name = type(self).__name__
        if self.failure is not None:
            return f"{name} has stopped recording: {self.failure.strip().splitlines()[-1]}"
        if has_findings:
            return ""
        if has_picture:
            return f"{name}: {self.without_findings}" if self.without_findings else ""
        return f"{name}: no {self.recorded} has been recorded yet; pass it to fit(callbacks=[…])"
