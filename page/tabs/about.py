"""The tabs "API" and "About". Numbers and licences are those of the files that ship, in one place each."""
from __future__ import annotations

import os

import gradio as gr

from handpose.shipped import shipped

from ..server.gate import SPACES

ABOUT = """A small detector finds the hands in a photo, MediaPipe's landmark model 21 points in each. A neural network
looks at each hand, upright and cut out, and answers with the bend of every joint and the shape of the hand. The
hand model, posed like that, is moved to where it covers the hand in the photo; how far away that is follows from the
camera's lens.

Photos, clips and camera pictures go to the machine that runs this page and nowhere else. Photos and clips are deleted
from it after 30 minutes, and whenever the page is restarted; the live view's pictures are never stored. Nothing is
counted or reported to anyone, and the page loads nothing from other servers.
"""
GOOD = """On photos of one person with true 3D joints, on which nothing was trained, the network errs as the table says.
It is weak on fists from the front, on hands that hold things or touch each other, on gloves, and where a hand is cut
off by the border. Depth rests on an average hand and, where nobody tells the lens, on a guess. All of it may be used,
changed and passed on: code, weights and hand model are Apache-2.0.
"""
OTHER_NETWORK = """This page runs another network than the one that comes with it, `NETWORK`: only who made that one can
say how good it is, and what it may be used for.
"""
API = """### From Python
```python
from gradio_client import Client, handle_file

client = Client("ADDRESS")
result = client.predict(handle_file("photo.jpg"), most_hands=2, api_name="/estimate")
for hand in result["hands"]:
    print(hand["side"], hand["score"], hand["joints_3d"][0])
print(client.predict(handle_file("photo.jpg"), "glb", api_name="/files"))  # path of the file
```
Parameters besides `photo`: `focal_px`, `fov_deg` or the whole `camera`, `boxes` of hands that are there, `most_hands`,
`min_score`, `mirrored`. `/files` also takes `kind`: `zip`, `glb`, `obj`, `ply`, `rig`, `json`, `npz`, `png`, `depth`,
`mp4` or `gif`. `/video` takes a `clip` and `parts`, "Mesh", "Skeleton" or "Both", and gives the drawn-over clip, an
`.npz` of its frames, the moving hands as a GLB and their motion as BVH.

### Over HTTP
```sh
FILE=$(curl -s -F files=@photo.jpg ADDRESS/gradio_api/upload | cut -d '"' -f 2)
EVENT=$(curl -s ADDRESS/gradio_api/call/v2/estimate -H 'Content-Type: application/json' \\
    -d "{\\"photo\\": {\\"path\\": \\"$FILE\\", \\"meta\\": {\\"_type\\": \\"gradio.FileData\\"}}}" | cut -d '"' -f 4)
curl -sN ADDRESS/gradio_api/call/estimate/$EVENT
```
### For assistants (MCP)
Start the page with `pip install "gradio[mcp]"` and `GRADIO_MCP_SERVER=True python app.py`, and give the assistant this
server: `ADDRESS/gradio_api/mcp/`. Its tools are `estimate`, `files` and `video`; they take a photo as a
`data:` address; the page fetches nothing from other hosts.

### Without the page
`python -m handpose predict photos/ --out results/` does whole folders; `from handpose import HandEstimator` is the
library under all of this.
"""


def api_tab() -> None:
    with gr.Column(elem_id="api", elem_classes="reading"):
        gr.Markdown(API)


def about_tab(network: str | None = None) -> None:
    """`network`: as in `layout.build_page`."""
    links = [f"[Source]({source})"] if (source := source_address()) else []
    links += [f"[{name}](./site/{path}.txt)" for path, name in (("card", "Model card"), ("licences", "Licences"))]
    with gr.Column(elem_id="about", elem_classes="reading"):
        gr.Markdown(ABOUT)
        if network:
            gr.Markdown(OTHER_NETWORK.replace("NETWORK", network))
        else:
            gr.Markdown(GOOD + "\n" + accuracy((shipped("checkpoints") / "README.md").read_text()))
        gr.Markdown(" · ".join(links))


def source_address() -> str | None:
    """Where the page's source is, if whoever runs it tells, or it is a Space."""
    space = os.environ.get("SPACE_ID")
    return os.environ.get("HANDPOSE_SOURCE") or (f"{SPACES}/spaces/{space}/tree/main" if space else None)


def accuracy(card: str) -> str:
    """Of the model card's first table the rows of this network and of what it is compared with."""
    _, _, table = card.partition("<!-- numbers:begin Photos with true 3D joints -->")
    rows = [line for line in table.partition("<!-- numbers:end -->")[0].splitlines() if line.startswith("|")]
    return "\n".join(rows[:2] + [row for row in rows[2:] if row.startswith(("| **ours**", "| MediaPipe"))])
