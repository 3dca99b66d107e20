"""The matplotlib figure of how open gates are."""

from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..recording.printable import in_figure
from .figures import COLUMNS, QUIET
from .gate_maps import OPENNESS, Panel
from .heat_maps import NO_VALUE
from .notebook_figure import NotebookFigure, NothingRecorded


def gate_figure(layers: Mapping[str, tuple[Sequence[Panel], str]]) -> Figure:
    """Return maps unit × time step of how open gates are: one column for each layer.

    Args:
        layers: by title; each the panels of its gates, and the title of the time axis.
    """
    if not layers:
        raise NothingRecorded
    columns, most = min(len(layers), COLUMNS), max(len(panels) for panels, _ in layers.values())
    lines = -(-len(layers) // columns)
    size = 1.4 + 4.2 * columns, 0.6 + 1.9 * most * lines
    figure = NotebookFigure(figsize=size, layout="constrained", dpi=120)
    grid = figure.add_gridspec(most * lines, columns)
    for index, (title, (panels, axis)) in enumerate(layers.items()):
        line, column = divmod(index, columns)
        last = [
            _gate(figure.add_subplot(grid[most * line + row, column]), panel, title, row == 0)
            for row, panel in enumerate(panels)
        ][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(axis)
    colours = ScalarMappable(Normalize(0, 1), colormaps[OPENNESS])
    bar = figure.colorbar(colours, ax=figure.axes, aspect=40, pad=0.01)
    bar.set_label("mean over the examples: 0 closed, 1 open")
    return figure


def _gate(axes: Axes, panel: Panel, layer: str, is_first: bool) -> Axes:
    rows, steps = panel.table.shape
    axes.imshow(
        panel.table,
        norm=Normalize(0, 1),
        cmap=colormaps[OPENNESS].with_extremes(bad=NO_VALUE),
        extent=(0.5, steps + 0.5, rows + 0.5, 0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.tick_params(axis="x", labelbottom=False)
    axes.set_yticks([])
    axes.set_ylabel(panel.rows.replace("\n", " "))
    title = f"{in_figure(layer)}\n{panel.title}" if is_first else panel.title
    axes.set_title(title, loc="left", size="medium")
    axes.set_title(panel.note, loc="right", size="small", c=QUIET)
    return axes
