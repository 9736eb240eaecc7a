"""A photo's hands in 3D, as the page shows them."""
from __future__ import annotations

import plotly.graph_objects as go

from handpose.drawing.figure import hand_figure

from ..analysis import ShownResult


def figure(result: ShownResult, show: str) -> go.Figure:
    """`show`: "mesh", "skeleton" or "both"."""
    shown = hand_figure(result.hands, mesh=show != "skeleton", skeleton=show != "mesh", height=None,
                        message="No hand found")
    shown.layout.uirevision = result.analysis.key.partition(".")[0]  # options keep the angle, another photo does not
    return shown
