"""What an attacker sends to the page: files, calls and events. Each function yields attacks of one kind or a few.

What goes below the level of requests is in `raw_attacks.py`.
"""
from __future__ import annotations

import json
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from page.album import MOST_PHOTOS

from .running_page import JSON, ROOT, Visitor

sys.path.insert(0, str(ROOT / "tests"))
from odd_clips import COSTLY_CLIPS, odd_clips, sound_clips  # noqa: E402
from odd_uploads import COSTLY, CROWDED, ODD_NAMES, odd_uploads, scans  # noqa: E402

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
META = {"meta": {"_type": "gradio.FileData"}}
OPTIONS = None, None, 10, .5, False, None, None  # of the endpoints
PHOTO_OPTIONS = False, "Automatic", None, .3, 10, True  # of the page's own events; what they ask for comes after
NUMBERS = ("focal_px", "fov_deg", "most_hands", "min_score", "mirrored", "camera", "boxes")

# What is sent in the place of numbers and switches.
WRONG_VALUES = (None, "", "wide", "1e999", -1, 0, 1e-300, 1e300, 10**400, -10**18, 2**63, float("nan"), float("inf"),
                [], [1, 2], {}, {"path": "/etc/passwd"}, True, "\0", "x" * 100_000, "<script>alert(1)</script>")
# What is sent in the place of an uploaded photo.
WRONG_PHOTOS = (None, 1, "", "photo.jpg", "/etc/passwd", [], {}, {"path": None}, {"path": ""}, {"path": 5},
                *({"path": path, **META} for path in (
                    "/etc/passwd", "../../etc/passwd", "/dev/zero", "/proc/self/environ", "x" * 10_000, "a\0b",
                    "http://127.0.0.1:1/photo.jpg", "file:///etc/passwd", str(PHOTO))),
                {"path": str(PHOTO)}, {"url": "http://169.254.169.254/latest/meta-data/", **META})
FRAME = "data:image/jpeg;base64,"
LISTENS_S = 5.0
UNFETCHED = 100
Answer = tuple[str, Any]


@dataclass(frozen=True)
class Attack:
    kind: str
    what: str
    ask: Callable[[], Answer]  # as `Visitor.call`, and may raise what httpx does
    forged: bool = True  # what no visitor can do with the page alone; Gradio refuses much of that without a reason


def warm_up(visitor: Visitor, config: dict) -> None:
    """Asks for everything, so that what is loaded once is loaded and all photos are kept that ever will be."""
    data = PHOTO.read_bytes()
    visitor.call("video", visitor.upload("warm_up.mp4", sound_clips()["mp4"]), "Mesh")
    visitor.call("files", visitor.upload("hand.jpg", data), "zip", *OPTIONS)
    visitor.follow(live_view(config), {"visitor": "warm up", "frame": FRAME + b64encode(data).decode()})
    event = next(one["id"] for one in config["dependencies"] if one["api_name"] == "photo")
    for number in range(MOST_PHOTOS):
        visitor.event(event, [*PHOTO_OPTIONS, {"file": visitor.upload("hand.jpg", data)}], f"warm up {number}")


def live_view(config: dict) -> int:
    """The number of the live view's component."""
    return next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "live")


def shapes(path: str) -> list[Any]:
    """Shapes in which a request may name a file."""
    return [path, [path], {"path": path}, {"path": path, **META}, [{"path": path, **META}], {"path": {"path": path}},
            {"video": path}, {"video": {"path": path, **META}}, {"path": f"file://{path}"}, {"path": f"{path}\0.jpg"},
            {"path": "", "url": path, **META}, {"url": f"file://{path}", **META}]


def photos(visitor: Visitor) -> Iterator[Attack]:
    for name, data in odd_uploads():
        yield Attack("odd photo", name, lambda name=name, data=data: visitor.estimate(name, data),
                     forged=name.startswith("."))  # which Gradio takes for a hidden file


def costly_photos(visitor: Visitor) -> Iterator[Attack]:
    for name, make in (COSTLY | CROWDED).items():
        data = make()
        yield Attack("costly photo", name, lambda name=name, data=data: visitor.estimate(name, data), forged=False)


def clips(visitor: Visitor, private: Path) -> Iterator[Attack]:
    def follow(name: str, data: bytes) -> Answer:
        return visitor.call("video", visitor.upload(name, data), "Mesh")

    for name, data in odd_clips(private=str(private)):
        yield Attack("odd clip", name, lambda name=name, data=data: follow(name, data), forged=False)
    for name, make in COSTLY_CLIPS.items():
        data = make()
        yield Attack("costly clip", name, lambda name=name, data=data: follow(name, data), forged=False)


def names(visitor: Visitor) -> Iterator[Attack]:
    """Of files, as the upload and as a later request tells them."""
    data = PHOTO.read_bytes()
    for name in (*ODD_NAMES, "", ".", "..", "a" * 5000, "手" * 85 + ".jpg", "\u2028.jpg", "\x85.jpg", "nul\0.jpg", " ",
                 "x/../../y.jpg", "~root", "photo.jpg ", "photo.jpg::$DATA", "Traceback (most recent call last)"):
        yield Attack("name", name, lambda name=name: visitor.estimate(name, data))

        def renamed(endpoint: str, name: str = name) -> Answer:
            return visitor.call(endpoint, {**visitor.upload("hand.jpg", data), "orig_name": name}, "Mesh")
        yield Attack("name", name, lambda renamed=renamed: renamed("files"))
        yield Attack("name", name, lambda renamed=renamed: renamed("video"))


def calls(visitor: Visitor) -> Iterator[Attack]:
    """With inputs of wrong types, sizes and numbers."""
    photo = PHOTO.read_bytes()
    wrong_calls: list[tuple[str, tuple[Any, ...]]] = []
    for wrong in WRONG_PHOTOS:
        wrong_calls += [("estimate", (wrong, *OPTIONS)), ("video", (wrong, "Mesh")),
                        ("files", (wrong, "zip", *OPTIONS))]
    wrong_calls += [("estimate", ()), ("estimate", (None,) * 50), ("files", ({},)), ("nowhere", ()), ("photo", ()),
                    ("../files", ()), ("v2/estimate", ()), ("v2/nowhere", ()), ("x" * 5000, ()), ("%00", ())]
    uploaded = visitor.upload("hand.jpg", photo)
    wrong_calls += [("files", (uploaded, wrong, *OPTIONS)) for wrong in WRONG_VALUES]
    wrong_calls += [("video", (uploaded, wrong)) for wrong in WRONG_VALUES]
    for endpoint, inputs in wrong_calls:
        yield Attack("call", f"{endpoint}{inputs}", lambda one=endpoint, inputs=inputs: visitor.call(one, *inputs))
    for name in NUMBERS:
        for wrong in WRONG_VALUES:
            yield Attack("call", f"{name}={wrong!r}", lambda given={name: wrong}: visitor.estimate(
                "hand.jpg", photo, **given))


def files(visitor: Visitor, private: Path, upload_folder: Path) -> Iterator[Attack]:
    """Names of files that are none of the visitor's, wherever a request may name one."""
    paths = [str(private), f"{private.parent}", f"{upload_folder}/../{private.name}", str(upload_folder),
             f"{upload_folder}/in-use.lock", f"{upload_folder}/{'0' * 64}/../../{private.name}", "/etc/passwd",
             "/proc/self/environ", "/proc/self/root" + str(private), "/dev/stdin", str(ROOT / "app.py")]
    for path in paths:
        for shape in shapes(path):
            for endpoint, rest in (("estimate", OPTIONS), ("files", ("png", *OPTIONS)), ("video", ("Mesh",))):
                yield Attack("file", f"{endpoint} {shape}", lambda one=endpoint, given=(shape, *rest): visitor.call(
                    one, *given))
        quoted = path.replace("/", "%2f")
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/file%3d", "/assets/",
                      "/static/", "/svelte/", "/gradio_api/file=..", "/assets/../../../../../../../..", "/gradio_api/proxy=file://",
                      "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e",
                      "/gradio_api/custom_component/Image/client/x/", "/custom_component/Image/client/x/",
                      "/gradio_api/custom_component/HTML/client/../", "/gradio_api/stream/"):
            for one in (path, quoted, f"{path}%00.png", f"//{path}"):
                yield _get(visitor, "file", route + one)


def _get(visitor: Visitor, kind: str, path: str) -> Attack:
    def ask() -> Answer:
        with visitor.http.stream("GET", visitor.address + path, timeout=LISTENS_S) as answer:
            try:
                answer.read()
            except httpx.ReadTimeout:
                if answer.headers["Content-Type"].startswith("text/event-stream"):
                    return "complete", "events may come"
                raise
            except httpx.RemoteProtocolError:  # so does Gradio refuse a listener whose session it does not know
                return "http", f"404 after {answer.status_code}"
        return _said(answer)

    return Attack(kind, path, ask)


def _said(answer) -> Answer:
    """What `Visitor.call` would return of a plain answer."""
    return ("http", f"{answer.status_code} {answer.text}") if answer.is_error else ("complete", answer.text)


def live_frames(visitor: Visitor, config: dict) -> Iterator[Attack]:
    live, good = live_view(config), FRAME + b64encode(PHOTO.read_bytes()).decode()
    jpegs = [data for name, data in odd_uploads() if name.endswith((".jpg", ".jpeg"))] + [scans(300, 960)]
    frames = [good, good[:100], good + "=", "", None, 7, "data:image/png;base64,AAAA", FRAME + "手",
              FRAME + "A" * 2_000_000, {"path": str(PHOTO), **META},
              *(FRAME + b64encode(data).decode() for data in jpegs if len(data) < 1_400_000)]
    messages = [{"visitor": "attacker-1", "frame": frame} for frame in frames]
    messages += [{"visitor": who, "frame": good}
                 for who in (None, 5, "", "x" * 7, "x" * 65, [], {}, "\0" * 8, "手" * 8)]
    messages += [None, 1, "x", [], {}, {"path": "/etc/passwd", **META}, [[[]]], {"visitor": {"visitor": {}}}]
    for message in messages:
        yield Attack("live picture", str(message), lambda message=message: visitor.follow(live, message))
    for number in range(60):  # many names at one address
        yield Attack("live picture", f"name {number}", lambda number=number: visitor.follow(
            live, {"visitor": f"attacker-{number}", "frame": good}))


def server_functions(visitor: Visitor, config: dict) -> Iterator[Attack]:
    """Functions of components, by names that a browser would not ask for."""
    numbers = [*(one["id"] for one in config["components"]), -1, 10**9, None, "1", [], 2.5, float("nan")]
    for number in numbers[::3] + numbers[-7:]:
        for name in ("follow", "preprocess", "__init__", "GRADIO_CACHE", ""):
            body = {"component_id": number, "fn_name": name, "data": {"path": "/etc/passwd", **META},
                    "session_hash": "x"}
            yield _post(visitor, "component server", "/component_server", json.dumps(body))


def _post(visitor: Visitor, kind: str, path: str, content: bytes | str, headers: dict | None = None) -> Attack:
    return Attack(kind, f"{path} {content[:200]!r}", lambda: _said(visitor.http.post(
        path, content=content, headers=headers or JSON)))


def events(visitor: Visitor, config: dict, private: Path) -> Iterator[Attack]:
    """The page's own events with other inputs than its own."""
    wrong = [None, "", -1, 10**400, float("nan"), [], {}, "x" * 100_000, {"path": str(private), **META}, "</script>",
             {"photo": "example", "look": {"eye": {"x": 1e308}}}, {"__type__": "update", "value": 1, "visible": "x"}]
    for event in config["dependencies"]:
        number, inputs = event["id"], len(event["inputs"])
        for value in wrong:
            for data in ([value] * inputs, [value] * (inputs + 3)):
                yield Attack("private event", f"{event['api_name']} {data}"[:300], lambda number=number, data=data:
                             visitor.event(number, data, secrets.token_hex(6)))


def asked(visitor: Visitor, config: dict) -> Iterator[Attack]:
    """What the photo tab's events are asked for, of a photo that is there: boxes, hands, keys, kinds, many of them."""
    numbers = {one["api_name"]: one for one in config["dependencies"]}
    file = visitor.upload("hand.jpg", PHOTO.read_bytes())
    _, shown = visitor.event(numbers["photo"]["id"], [*PHOTO_OPTIONS, {"file": file}], "asks")
    key = str(shown).partition('data-photo="')[2].partition('"')[0]
    boxes = ([0, 0, 1, 1], [.5, .5], [0, 0, 1e-9, 1e-9], [1, 1, 0, 0], [0, 0, 2, 2], [-1, 0, 1, 1], [], [0] * 10_000,
             [[0, 0], [1, 1]], *([value] * 4 for value in WRONG_VALUES))
    given = [("correct", {"box": box}) for box in boxes]
    given += [("correct", {name: value}) for name in ("swap", "remove") for value in (1, 2, .5, *WRONG_VALUES)]
    given += [(event, {name: value}) for event in ("photo", "show", "download")
              for name in ("photo", "example", "kind", "show", "opacity", "focal", "file", "photos")
              for value in ("../" * 10 + "etc/passwd", ["example-open_palm"] * 5000, [key] * 12, *WRONG_VALUES)]
    for name, one in given:
        options = PHOTO_OPTIONS if len(numbers[name]["inputs"]) > len(PHOTO_OPTIONS) else PHOTO_OPTIONS[1:]
        yield Attack("asked", f"{name} {one}"[:300], lambda name=name, options=options, one=one: visitor.event(
            numbers[name]["id"], [*options, {"photo": key, **one}], secrets.token_hex(6)))
    for number in range(100):  # one visitor who gives ever more
        yield Attack("asked", f"photo {number}", lambda: visitor.event(
            numbers["glance"]["id"], [*PHOTO_OPTIONS, {"file": file}], secrets.token_hex(6)))


def bodies(visitor: Visitor, config: dict) -> Iterator[Attack]:
    """What is no JSON, no message, or much of it."""
    digits, deep = b"1" * 3_900_000, b"[" * 1_900_000
    number = config["dependencies"][-1]["id"]
    base = {"data": [], "fn_index": number, "session_hash": "x"}
    contents = [
        b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"\0", digits, b'{"data": [' + digits + b"]}", deep,
        deep + b"]" * 1_900_000, b'{"data":' + deep, b'{"a":' * 500_000, b'{"data": [NaN, Infinity, -Infinity]}',
        b'{"data": ["\\ud800"], "session_hash": "\\udfff", "fn_index": 1}', b'{"data": [1e999999]}',
        b'{"data": [], "data": [1], "data": {}}', b'{"data": {}, "fn_index": "x"}', b'{"data": [' + b"[]," * 1_000_000,
        b'{"data": [' + b"{}," * 900_000 + b"{}]}", b'{"' + b"x" * 3_900_000 + b'": 1}']
    contents += [json.dumps({**base, key: value}) for key, values in {
        "fn_index": (-1, 10**9, None, "1", 2.5, [], True),
        "session_hash": ("", None, 5, [], "x" * 100_000, "\0", "a\nb"),
        "event_id": ("x", 5, [], "../x"), "trigger_id": (-1, 10**9, "x"), "batched": (True, "x"),
        "event_data": ({"target": {}}, [], "x", {"path": "/etc/passwd", **META}), "simple_format": (True, "x"),
        "oauth_token": ("x", 5), "data": (None, {}, "x", [[]], [{"path": "/etc/passwd", **META}])}.items()
        for value in values]
    for path in ("/queue/join", "/call/estimate", "/call/v2/estimate", "/component_server", "/cancel", "/reset",
                 "/run/predict"):
        for content in contents:
            yield _post(visitor, "body", path, content)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="'
    form = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    uploads = [b"", b"--x", b"--x--\r\n", form % (b"files", b"no file") + b"--x--\r\n", form % (b"x" * 100_000, b""),
               b"--x\r\n" + b"A: b\r\n" * 100_000 + b"\r\n", form % (b"files", b"x") * 3000 + b"--x--\r\n",
               head + b"a" * 500_000 + b'"\r\n\r\nx\r\n--x--',
               (head + b'a.jpg"\r\n\r\nx\r\n') * 2000 + b"--x--\r\n",
               b"\r\n" * 1_000_000, b"--" * 1_000_000]
    for path in ("/upload", "/component_server", "/upload?upload_id=x", "/upload?upload_id="):
        for content in uploads:
            for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain",
                         "multipart/form-data; boundary=" + "x" * 5000):
                yield _post(visitor, "form", path, content, {"Content-Type": kind})


def sessions(visitor: Visitor, config: dict) -> Iterator[Attack]:
    """Other visitors' sessions, events and states, guessed or made up."""
    made_up = ["x", "0" * 11, "", "\0", "../..", "x" * 5000, "%0aforged", "null", "None"]
    for one in made_up:
        yield Attack("session", f"cancel {one}", lambda one=one: _said(visitor.http.post(
            "/cancel", json={"session_hash": one, "fn_index": 0, "event_id": one})))
        for path in ("/gradio_api/call/estimate/", "/gradio_api/call/nowhere/", "/gradio_api/custom_component/x/client/"
                     "x/", "/gradio_api/upload_progress?upload_id=", "/gradio_api/deep_link?session_hash=",
                     "/monitoring/", "/gradio_api/profiling/traces?x=", "/pwa_icon/", "/?__theme=", "/config?x=",
                     "/gradio_api/info?all_endpoints=", "/gradio_api/openapi.json?", "/login_check?", "/?view=api&x="):
            yield _get(visitor, "session", path + one.replace("\0", "%00").replace("../", "%2e%2e/"))
    for event in config["dependencies"][::4]:  # a state that is not there, and one of another kind
        for session in ("stolen", "", "x" * 300):
            yield Attack("session", f"{event['api_name']} of {session[:20]!r}", lambda event=event, session=session:
                         visitor.event(event["id"], [{"__type__": "state"}] * len(event["inputs"]), session))


def crowds(visitor: Visitor, config: dict) -> Iterator[Attack]:
    """Much at once, and results that nobody fetches."""
    photo = PHOTO.read_bytes()

    def uploads() -> Answer:
        with ThreadPoolExecutor(16) as many:
            return "complete", list(many.map(lambda number: visitor.upload(f"{number}.jpg", b"%d" % number)["path"],
                                             range(1000)))

    def unfetched(named: Callable[[int], str]) -> Answer:
        event = next(one for one in config["dependencies"] if one["api_name"] == "photo")
        file, refused = visitor.upload("hand.jpg", photo), 0
        for number in range(UNFETCHED):
            body = {"data": [*PHOTO_OPTIONS, {"file": file}], "fn_index": event["id"], "session_hash": named(number)}
            while visitor.http.post("/queue/join", json=body).status_code == 429 and refused < UNFETCHED:
                refused += 1
                time.sleep(.1)
        return visitor.estimate("hand.jpg", photo)

    yield Attack("crowd", "1000 small uploads at once", uploads)
    yield Attack("crowd", f"{UNFETCHED} results that nobody fetches, by one", lambda: unfetched(lambda _: "nobody"))
    yield Attack("crowd", f"{UNFETCHED} results that nobody fetches, by many",
                 lambda: unfetched(lambda number: f"nobody {number}"))
