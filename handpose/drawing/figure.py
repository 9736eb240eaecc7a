"""Hands as a figure that can be turned."""
from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ..hand import Hand
from ..hand_model.skeleton import FINGER_OF_JOINT, FINGERS
from .palette import FINGER_COLORS, css, hand_color
from .shading import shade

MARGIN = 1.04  # the figure's cube is this much larger than the hands' bounding sphere
GLASSY = 0.5  # opacity of a mesh whose skeleton shall be seen inside it
DISTANCE = 1.4  # of the eye from the figure's middle, in units of its cube
GREY = "rgb(138, 143, 156)"  # readable on white and on black


def hand_figure(hands: list[Hand], mesh: bool = True, skeleton: bool = False, height: int | None = 480,
                message: str = "No hand to show", camera: dict | None = None) -> go.Figure:
    """All hands in their true relative place, at first seen from the photo's camera (or Plotly's `camera`).

    One `Mesh3d` trace a hand, then one `Scatter3d` trace a hand with its skeleton. Traces that are switched off are
    there but hidden, so that a page can switch them on without a new figure. Plotly's z points up: its axes are the
    camera frame's x, z and -y, in metres. `height` in pixels; None leaves it to the page. Without hands the figure says
    `message`. `layout.meta["views"]` names other `views` for a page to turn to.
    """
    layout = dict(height=height, margin=dict(l=0, r=0, t=0, b=0), paper_bgcolor="rgba(0, 0, 0, 0)", showlegend=False,
                  uirevision="hands",  # keeps the viewer's angle when the figure is redrawn
                  modebar=dict(remove=["toImage", "zoom3d", "pan3d", "orbitRotation", "tableRotation",
                                       "resetCameraDefault3d", "hoverClosest3d"],
                               bgcolor="rgba(0, 0, 0, 0)", color=GREY, activecolor=GREY))
    if not hands:
        words = dict(text=message, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False,
                     font=dict(size=15, color=GREY))
        return go.Figure(layout=dict(layout, annotations=[words], plot_bgcolor="rgba(0, 0, 0, 0)", dragmode=False,
                                     xaxis=dict(visible=False), yaxis=dict(visible=False)))
    traces = [_mesh(hand, mesh, GLASSY if skeleton else 1.0) for hand in hands]
    traces += [_skeleton(hand, skeleton) for hand in hands]
    named = views(hands)
    scene = _scene(np.concatenate([hand.vertices for hand in hands]), camera or named["camera"])
    return go.Figure(traces, dict(layout, scene=scene, meta={"views": named}))


def views(hands: list[Hand]) -> dict[str, dict]:
    """Plotly cameras by name: where the photo's camera stood, and three that go by the first hand's own axes.

    "front" looks into its palm, "side" comes from its thumb's side, "top" looks down on its fingertips.
    """
    points, joints = to_plotly(np.concatenate([hand.vertices for hand in hands])), to_plotly(hands[0].joints_3d)
    middle = (points.min(0) + points.max(0)) / 2
    up, across = joints[9] - joints[0], joints[5] - joints[17]
    palm = np.cross(across, up) * (1 if hands[0].side == "right" else -1)
    return {"camera": _view(-middle, np.array([0.0, 0, 1])), "front": _view(palm, up), "side": _view(across, up),
            "top": _view(up, -palm)}


def _view(eye: np.ndarray, up: np.ndarray) -> dict:
    """A Plotly camera that looks at the figure's middle from the direction `eye`, with `up` upwards."""
    eye, up = (vector / max(np.linalg.norm(vector), 1e-12) for vector in (eye, up))
    return dict(eye=dict(zip("xyz", (DISTANCE * eye).tolist(), strict=True)), center=dict(x=0, y=0, z=0),
                up=dict(zip("xyz", up.tolist(), strict=True)))


def to_plotly(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the camera frame (x right, y down, z away) with z up, as Plotly's scenes have it."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _mesh(hand: Hand, visible: bool, opacity: float) -> go.Mesh3d:
    x, y, z = to_plotly(hand.vertices).astype(np.float32).T
    i, j, k = hand.faces.T
    lit = shade(hand.vertices, hand.faces, hand_color(hand.side, hand.certainty), seen_from_camera=False)
    colors = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(lit * 255).astype(int).tolist()]
    # Plotly's own lights go wrong with positions in metres; the colours are lit already and only shown.
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, name=f"{hand.side} hand", visible=visible, opacity=opacity,
                     hoverinfo="skip", vertexcolor=colors, lighting=dict(ambient=1, diffuse=0, specular=0, fresnel=0))


def _skeleton(hand: Hand, visible: bool) -> go.Scatter3d:
    """A line from the wrist through each finger, in the finger's colour."""
    points, colors = [], []
    for finger in FINGERS:
        joints = [0] + [joint for joint, name in enumerate(FINGER_OF_JOINT) if name == finger]
        points += [hand.joints_3d[joints], np.full((1, 3), np.nan)]  # the gap keeps fingers apart
        colors += [css(FINGER_COLORS[finger])] * (len(joints) + 1)
    x, y, z = to_plotly(np.concatenate(points)).astype(np.float32).T
    return go.Scatter3d(x=x, y=y, z=z, mode="lines+markers", name=f"{hand.side} skeleton", visible=visible,
                        hoverinfo="skip", line=dict(color=colors, width=7), marker=dict(color=colors, size=4))


def _scene(vertices: np.ndarray, camera: dict) -> dict:
    """A cube round all the hands, without axes."""
    points = to_plotly(vertices)
    middle = (points.min(0) + points.max(0)) / 2
    reach = np.linalg.norm(points - middle, axis=1).max() * MARGIN
    ranges = [[float(m - reach), float(m + reach)] for m in middle]
    hidden = dict(visible=False, showspikes=False)
    return dict(xaxis=dict(range=ranges[0], **hidden), yaxis=dict(range=ranges[1], **hidden),
                zaxis=dict(range=ranges[2], **hidden), aspectmode="cube", dragmode="orbit", camera=camera)
