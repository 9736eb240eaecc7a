"""The tabs "API" and "About". Numbers and licences are those of the files that ship, in one place each."""
from __future__ import annotations

import gradio as gr

from handpose.shipped import shipped

HOW = """### How it works
MediaPipe's palm detector and landmark model find the hands and 21 points in each. A small neural network looks at each
hand, upright and cut out, and answers with the bend of every joint and the shape of the hand. The hand model, posed
like that, is moved to where it covers the hand in the photo; how far away that is follows from the camera's lens.
"""
PRIVACY = """### Privacy
Your photos, clips and camera pictures go to the machine that runs this page and nowhere else. Photos, those you take
with the camera in the tab Photo included, clips and what was made of them are deleted from it after 30 minutes
and whenever the page is restarted. The live view's pictures are looked at and never stored. Nothing is counted
or reported to anyone, and the page loads nothing from other servers.
"""
OTHER_NETWORK = """### How good it is, and what it may be used for
This page runs another network than the one that comes with it, `NETWORK`: only who made that one can say.
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
`min_score`, `mirrored`. `/files` also takes `kind`: `zip`, `glb`, `obj`, `ply`, `json`, `npz`, `png` or `depth`.
`/video` takes a `clip` and `parts`, "Mesh", "Skeleton" or "Both", and gives the drawn-over clip and an `.npz` of its
frames.

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
    with gr.Column(elem_id="about", elem_classes="reading"):
        gr.Markdown(HOW)
        gr.Markdown(PRIVACY)
        if network:
            gr.Markdown(OTHER_NETWORK.replace("NETWORK", network))
            return
        card = (shipped("checkpoints") / "README.md").read_text()
        gr.Markdown("### How good it is\n" + section(card, "How good it is"))
        gr.Markdown("### Where it is weak\n" + section(card, "Limits"))
        gr.Markdown("### What it is made of\nAll of it may be used, changed and passed on: the code and the network's "
                    "weights are Apache-2.0.\n" + licences((shipped("assets") / "README.md").read_text()))


def section(markdown: str, title: str) -> str:
    """The text under a heading of second level, "" if there is none."""
    _, _, rest = markdown.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0].strip()


def licences(markdown: str) -> str:
    """The table of what ships, without links to files that the page does not serve."""
    return "\n".join(line.replace("see [mediapipe/README.md](mediapipe/README.md)", "by Google")
                     for line in markdown.splitlines() if line.startswith("|"))
