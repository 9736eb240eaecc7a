"""Hands as a figure that can be turned."""
from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from scipy.spatial.transform import Rotation

from ..hand import Hand, Result
from ..hand_model.skeleton import FINGER_OF_JOINT, FINGERS
from .palette import FINGER_COLORS, css, hand_color
from .shading import light_on, tone, vertex_normals
from .smooth import smooth

MARGIN = 1.04  # the figure's cube is this much larger than the hands' bounding sphere
GLASSY = 0.5  # opacity of a mesh whose skeleton shall be seen inside it
DISTANCE = 1.4  # of the eye from the figure's middle, in units of its cube
BEHIND = 0.5  # of the hands' reach: so far behind the farthest point of the hands stands the photo
GREY = "rgb(138, 143, 156)"  # readable on white and on black
BRIGHTEST, TONES = 1.5, 16  # of the light on a mesh; steps of a colour from dark to light


def hand_figure(result: Result | None, mesh: bool = True, skeleton: bool = False, height: int | None = 480,
                message: str = "No hand to show") -> go.Figure:
    """All hands in their true relative place, smoothed for display, at first seen from where the photo's camera stood.

    One `Mesh3d` trace a hand, then one `Scatter3d` trace a hand with its skeleton. Traces that are switched off are
    there but hidden, so that a page can switch them on without a new figure. Plotly's z points up: its axes are the
    camera frame's x, z and -y, in metres. `height` in pixels; None leaves it to the page. Without hands the figure says
    `message`. `layout.meta` is what a page needs to do more than Plotly does: see `scene_of`.
    """
    layout = dict(height=height, margin=dict(l=0, r=0, t=0, b=0), paper_bgcolor="rgba(0, 0, 0, 0)", showlegend=False,
                  modebar=dict(remove=["toImage", "zoom3d", "pan3d", "orbitRotation", "tableRotation",
                                       "resetCameraDefault3d", "hoverClosest3d"],
                               bgcolor="rgba(0, 0, 0, 0)", color=GREY, activecolor=GREY))
    if result is None or not result.hands:
        words = dict(text=message, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False,
                     font=dict(size=15, color=GREY))
        return go.Figure(layout=dict(layout, annotations=[words], plot_bgcolor="rgba(0, 0, 0, 0)", dragmode=False,
                                     xaxis=dict(visible=False), yaxis=dict(visible=False)))
    traces = [_mesh(hand, mesh, GLASSY if skeleton else 1.0) for hand in result.hands]
    traces += [_skeleton(hand, skeleton) for hand in result.hands]
    scene = scene_of(result)
    return go.Figure(traces, dict(layout, scene=_cube(scene), meta=scene))


def scene_of(result: Result) -> dict:
    """Where things are around the hands of a result, in its camera's frame, metres, ready for JSON.

    `middle` and `reach` of the ball that holds all hands; `views`, rotations (quaternions x, y, z, w) from the frame of
    an eye that looks along z, y down, to the camera's; `photo`, its size and intrinsics in pixels and the depth at
    which it stands behind the hands.
    """
    points = np.concatenate([hand.vertices for hand in result.hands])
    middle = (points.min(0) + points.max(0)) / 2
    reach = float(np.linalg.norm(points - middle, axis=1).max()) * MARGIN
    camera = result.camera
    return {"middle": middle.tolist(), "reach": reach, "views": views(result.hands[0]),
            "photo": {"width": result.width, "height": result.height, "fx": camera.fx, "fy": camera.fy,
                      "cx": camera.cx, "cy": camera.cy, "depth": float(points[:, 2].max()) + BEHIND * reach}}


def views(hand: Hand) -> dict[str, list[float]]:
    """Rotations by name: the photo's camera, and three that go by a hand's own axes.

    "front" looks into its palm, "side" comes from its thumb's side, "top" looks down on its fingertips.
    """
    joints = hand.joints_3d
    up, across = joints[9] - joints[0], joints[5] - joints[17]
    palm = np.cross(across, up) * (1 if hand.side == "right" else -1)
    return {"camera": [0.0, 0.0, 0.0, 1.0], "front": _looking(-palm, up), "side": _looking(-across, up),
            "top": _looking(-up, -palm)}


def _looking(forward: np.ndarray, up: np.ndarray) -> list[float]:
    """The rotation of an eye that looks along `forward`, `up` upwards; any two directions that are not parallel."""
    z = forward / max(np.linalg.norm(forward), 1e-12)
    x = np.cross(z, up)
    x /= max(np.linalg.norm(x), 1e-12)
    return Rotation.from_matrix(np.stack([x, np.cross(z, x), z], 1)).as_quat().tolist()


def to_plotly(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the camera frame (x right, y down, z away) with z up, as Plotly's scenes have it."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _mesh(hand: Hand, visible: bool, opacity: float) -> go.Mesh3d:
    vertices, faces = smooth(hand.vertices, hand.faces)
    x, y, z = to_plotly(vertices).astype(np.float32).T
    i, j, k = faces.astype(np.uint16).T
    # Plotly's own lights go wrong with positions in metres; the light is worked out here, and looked up in the tones.
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, name=f"{hand.side} hand", visible=visible, opacity=opacity,
                     hoverinfo="skip", intensity=light_on(vertices, faces, vertex_normals(vertices, faces)).astype(
                         np.float32), cmin=0, cmax=BRIGHTEST, showscale=False,
                     colorscale=tones(hand.side, hand.certainty),
                     lighting=dict(ambient=1, diffuse=0, specular=0, fresnel=0))


def tones(side: str, certainty: str) -> list[list]:
    """A hand's colour from dark to light, as Plotly takes it: [share of BRIGHTEST, CSS colour]."""
    steps = np.linspace(0, 1, TONES)
    colors = np.round(tone(hand_color(side, certainty), steps * BRIGHTEST) * 255).astype(int).tolist()
    return [[step, css(color)] for step, color in zip(steps.tolist(), colors, strict=True)]


def skeleton_line(hand: Hand) -> tuple[np.ndarray, list[str]]:
    """A line from the wrist through each finger: points (30, 3), metres, camera frame, with gaps (NaN) between fingers,
    and the colours of all of them."""
    points, colors = [], []
    for finger in FINGERS:
        joints = [0] + [joint for joint, name in enumerate(FINGER_OF_JOINT) if name == finger]
        points += [hand.joints_3d[joints], np.full((1, 3), np.nan)]
        colors += [css(FINGER_COLORS[finger])] * (len(joints) + 1)
    return np.concatenate(points), colors


def _skeleton(hand: Hand, visible: bool) -> go.Scatter3d:
    points, colors = skeleton_line(hand)
    x, y, z = to_plotly(points).astype(np.float32).T
    return go.Scatter3d(x=x, y=y, z=z, mode="lines+markers", name=f"{hand.side} skeleton", visible=visible,
                        hoverinfo="skip", line=dict(color=colors, width=7), marker=dict(color=colors, size=4))


def _cube(scene: dict) -> dict:
    """A cube round the hands of a `scene_of`, without axes, seen from the direction of the photo's camera."""
    middle, reach = to_plotly(np.array(scene["middle"])), scene["reach"]
    ranges = [[float(m - reach), float(m + reach)] for m in middle]
    hidden = dict(visible=False, showspikes=False)
    eye = -DISTANCE * middle / max(np.linalg.norm(middle), 1e-12)
    camera = dict(eye=dict(zip("xyz", eye.tolist(), strict=True)), center=dict(x=0, y=0, z=0), up=dict(x=0, y=0, z=1))
    return dict(xaxis=dict(range=ranges[0], **hidden), yaxis=dict(range=ranges[1], **hidden),
                zaxis=dict(range=ranges[2], **hidden), aspectmode="cube", dragmode="orbit", camera=camera)
