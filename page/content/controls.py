"""The photo tab's own controls: what stands around the result and does not change with it."""
from __future__ import annotations

from .files import KINDS

GROUPS = {"3D model": ("glb", "obj", "ply", "rig"), "Data": ("json", "npz", "depth"), "Picture": ("png",),
          "Film": ("mp4", "gif")}  # all KINDS of files

INTAKE = """<label class="field"><input type="file" accept="image/*,.heic,.heif,.hif,.avif,.tif,.tiff,video/*" multiple
aria-label="Choose photos"><b>Drop photos of hands here</b><span>or choose, or paste them</span></label>
<button type="button" class="quiet" data-do="camera">Take a photo</button>
<div class="camera" hidden><video muted playsinline></video><div class="bar">
<button type="button" class="primary" data-do="take">Take it</button>
<button type="button" class="quiet" data-do="close">Close</button></div></div>
<p class="said" role="status"></p>"""
STRIP = """<div class="bar"><b>Your photos</b>
<button type="button" class="quiet" data-do="all" hidden>All as one ZIP</button></div><ul></ul>"""
OVERLAY_BAR = """<div class="bar" role="group" aria-label="What is drawn over the photo">
<div class="choice">
<label><input type="radio" name="show" value="mesh" checked><span>Mesh</span></label>
<label><input type="radio" name="show" value="skeleton"><span>Skeleton</span></label>
<label><input type="radio" name="show" value="both"><span>Both</span></label></div>
<label class="opacity"><span>Opacity</span> <input type="range" name="opacity" min="0" max="100" value="85"
aria-label="Opacity"></label>
<label class="toggle"><input type="checkbox" name="compare"><span>Compare</span></label></div>"""
TOOLS = """<button type="button" class="quiet" data-do="undo" hidden>Undo</button>
<button type="button" class="quiet" data-do="box" title="Draw a box around a hand that was missed, or tap on it">Add a
hand</button>"""
VIEW_BAR = """<div class="bar" role="group" aria-label="The 3D view"><div class="choice">
<button type="button" data-view="camera" title="From where the photo was taken">Camera</button>
<button type="button" data-view="front" title="Into the palm">Front</button>
<button type="button" data-view="side" title="From the thumb's side">Side</button>
<button type="button" data-view="top" title="Down on the fingertips">Top</button></div>
<div class="choice" data-hands role="group" aria-label="Hands in the 3D view" hidden></div>
<span class="hint">drag to turn, scroll to zoom</span></div>"""


def downloads() -> str:
    """A button for each kind of file, and what the browser does with the picture alone."""
    groups = {name: "".join(f'<button type="button" data-kind="{kind}" title="{KINDS[kind]}">{kind.upper()}</button>'
                            for kind in kinds) for name, kinds in GROUPS.items()}
    groups["Picture"] += ('<button type="button" data-do="copy">Copy picture</button>'
                          '<button type="button" data-do="share" hidden>Share</button>')
    shown = "".join(f'<span class="choice" role="group" aria-label="{name}"><small>{name}</small>{buttons}</span>'
                    for name, buttons in groups.items())
    return f"""<div class="bar"><b>Download</b>
<button type="button" class="primary" data-kind="zip">Everything (ZIP)</button>{shown}</div>"""
