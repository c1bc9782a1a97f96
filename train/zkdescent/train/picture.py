"""A blank figure and its PNG: what all pictures of the project have in common."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from zkdescent.core.errors import ToolMissing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def blank_figure(width: float, height: float) -> Figure:
    """Return a white figure of so many inches.

    It is a Figure of its own and not pyplot's: no global state, no window, no user's style.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolMissing(
            "matplotlib is not installed", hint="pip install 'zkdescent[train]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, *, dpi: int) -> bytes:
    """Return the figure as PNG; equal figures give equal bytes with one version of matplotlib."""
    buffer = io.BytesIO()
    # Without the Software tag the bytes don't carry matplotlib's version.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
