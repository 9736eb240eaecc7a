"""A photo's hands in 3D, as the page shows them."""
from __future__ import annotations

import plotly.graph_objects as go

from handpose.drawing.figure import hand_figure, to_plotly
from handpose.drawing.palette import css, hand_color

from ..analysis import ShownResult
from .play import playthings


def figure(result: ShownResult, show: str) -> go.Figure:
    """`show`: "mesh", "skeleton" or "both". Several hands have their numbers on them.

    `layout.meta["key"]` tells the browser which photo they are of.
    """
    shown = hand_figure(result, mesh=show != "skeleton", skeleton=show != "mesh", height=None, message="No hand found")
    if len(result.hands) > 1:
        shown.update_layout(scene_annotations=[_tag(number, hand) for number, hand in enumerate(result.hands, 1)])
    return shown.update_layout(meta={**(shown.layout.meta or {}), "key": result.analysis.key,
                                     "play": playthings(result)})


def _tag(number: int, hand) -> dict:
    x, y, z = to_plotly(hand.joints_3d[0]).tolist()
    return dict(x=x, y=y, z=z, text=f"<b>{number}</b>", showarrow=False, font=dict(size=13, color="#1c1917"),
                bgcolor=css(hand_color(hand.side, hand.certainty)), bordercolor="white", borderwidth=1, borderpad=3)
