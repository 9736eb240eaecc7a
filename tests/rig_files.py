"""Naive readers of rigged hands: what glTF's and BVH's specifications say that a program shows."""
import numpy as np
from scipy.spatial.transform import Rotation
from test_export import read_glb

from handpose.hand_model.model import HandModel
from handpose.rig.skinned_mesh import SkinnedMesh


def rotation_matrix(quaternion) -> np.ndarray:
    """By the textbook, of x, y, z, w."""
    x, y, z, w = quaternion
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


class Played:
    """A GLB as glTF's specification says that it is to be shown (3.7.3.3 skins, 3.11 animations), node by node."""

    def __init__(self, data: bytes):
        self.tree, self.arrays = read_glb(data)
        self.nodes = [dict(node) for node in self.tree["nodes"]]
        self.parent = {child: number for number, node in enumerate(self.nodes) for child in node.get("children", [])}

    def node(self, name: str) -> dict:
        return next(node for node in self.nodes if node["name"] == name)

    def at(self, time_s: float, animation: int = 0):
        """Sets the nodes to where an animation has them."""
        animation = self.tree["animations"][animation]
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            times, values = self.arrays[sampler["input"]][:, 0], self.arrays[sampler["output"]]
            last = int(np.clip(np.searchsorted(times, time_s + 1e-6) - 1, 0, len(times) - 1))
            after = min(last + 1, len(times) - 1)
            share = 0 if after == last else np.clip((time_s - times[last]) / (times[after] - times[last]), 0, 1)
            if sampler["interpolation"] == "STEP":
                share = 0
            value = values[last] * (1 - share) + values[after] * share
            path = channel["target"]["path"]
            self.nodes[channel["target"]["node"]][path] = value / np.linalg.norm(value) if path == "rotation" else value
        return self

    def matrix(self, number: int) -> np.ndarray:
        node, own = self.nodes[number], np.eye(4)
        own[:3, :3] = rotation_matrix(node.get("rotation", [0, 0, 0, 1])) * node.get("scale", [1, 1, 1])
        own[:3, 3] = node.get("translation", [0, 0, 0])
        return self.matrix(self.parent[number]) @ own if number in self.parent else own

    def skinned(self, name: str) -> np.ndarray:
        """The points of a mesh node of that name, in the scene."""
        node = self.node(name)
        mesh, skin = self.tree["meshes"][node["mesh"]], self.tree["skins"][node["skin"]]
        part, = mesh["primitives"]
        attributes = {key: self.arrays[index] for key, index in part["attributes"].items()}
        points = attributes["POSITION"].astype(float)
        for weight, target in zip(mesh.get("weights", []), part.get("targets", []), strict=True):
            points = points + weight * self.arrays[target["POSITION"]]
        unbind = self.arrays[skin["inverseBindMatrices"]].reshape(-1, 4, 4).swapaxes(1, 2)  # columns come first
        moves = np.stack([self.matrix(joint) for joint in skin["joints"]]) @ unbind
        result = np.zeros_like(points)
        for number in range(sum(key.startswith("JOINTS") for key in attributes)):
            for joint, weight in zip(attributes[f"JOINTS_{number}"].T, attributes[f"WEIGHTS_{number}"].T, strict=True):
                there = np.einsum("pij,pj->pi", moves[joint, :3, :3], points) + moves[joint, :3, 3]
                result += weight[:, None] * there
        return result


def of_vertices(points: np.ndarray, model: HandModel) -> np.ndarray:
    """The points that are the model's vertices, in their order, for those that the file has twice the first."""
    _, first = np.unique(SkinnedMesh(model).vertex, return_index=True)
    return points[first[:len(model.v_template)]]


class Bvh:
    """A BVH, read by Meredith and Maddock's description ("Motion Capture File Formats Explained", 2001)."""

    def __init__(self, text: str):
        words = iter(text[:text.index("MOTION")].split())
        assert next(words) == "HIERARCHY"
        self.names, self.parents, self.offsets, self.channels = [], [], [], []
        stack = []
        for word in words:
            if word in ("ROOT", "JOINT", "End"):
                self.names.append(next(words))
                self.parents.append(stack[-1] if stack else -1)
                self.channels.append([])
            elif word == "OFFSET":
                self.offsets.append([float(next(words)) for _ in range(3)])
            elif word == "CHANNELS":
                self.channels[-1] = [next(words) for _ in range(int(next(words)))]
            elif word == "{":
                stack.append(len(self.names) - 1)
            else:
                assert word == "}"
                stack.pop()
        head, step, *rows = text[text.index("MOTION"):].splitlines()[1:]
        self.step = float(step.removeprefix("Frame Time: "))
        self.rows = np.array([row.split() for row in rows], float)
        assert self.rows.shape == (int(head.removeprefix("Frames: ")), sum(map(len, self.channels)))

    def places(self, frame: int) -> dict[str, np.ndarray]:
        """Where the joints are, by name; the end of "right_index3" is "right_index3 end"."""
        numbers, frames, places = iter(self.rows[frame]), [], {}
        for name, parent, offset, channels in zip(self.names, self.parents, self.offsets, self.channels, strict=True):
            own = np.eye(4)
            own[:3, 3] = offset
            for channel in channels:
                step, value, axis = np.eye(4), next(numbers), "XYZ".index(channel[0])
                if channel.endswith("position"):
                    step[axis, 3] = value
                else:
                    step[:3, :3] = Rotation.from_euler("xyz"[axis], value, degrees=True).as_matrix()
                own = own @ step
            frames.append(frames[parent] @ own if parent >= 0 else own)
            places[f"{self.names[parent]} end" if name == "Site" else name] = frames[-1][:3, 3]
        return places
