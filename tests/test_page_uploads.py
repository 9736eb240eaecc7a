"""Whatever a request calls a file: an upload is opened, nothing else is, and no answer tells what else there is."""
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.running_page import ROOT, RunningPage, Visitor
from page.server import uploads
from page.server.uploads import NOT_UPLOADED, UploadError, one_line, open_upload, read_upload, served_path

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
META = {"meta": {"_type": "gradio.FileData"}}
HASH = "0123456789abcdef" * 4
# Writes down what a Python process opens and whom it asks for, from its very start.
WATCH = """
import os, sys
log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        os.write(log, f"open {os.path.abspath(os.fsdecode(args[0]))!r}\\n".encode())
    elif event in ("socket.connect", "socket.getaddrinfo"):
        os.write(log, f"{event} {args[1 if event == 'socket.connect' else 0]!r}\\n".encode())
sys.addaudithook(hook)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An upload folder with one upload in it."""
    folder = tmp_path.resolve() / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    (folder / HASH).mkdir(parents=True)
    (folder / HASH / "photo.jpg").write_bytes(b"photo")
    return folder


# ---- the function

def test_an_upload_is_opened_in_each_of_its_shapes(folder):
    path = str(folder / HASH / "photo.jpg")
    for value in (path, {"path": path}, {"path": path, **META}, {"video": {"path": path, **META}, "subtitles": None}):
        assert read_upload(value) == (b"photo", "photo.jpg")
    assert read_upload({"path": path, "orig_name": "my photo.jpg"})[1] == "my photo.jpg"
    assert read_upload({"path": path, "orig_name": {"path": "/etc/passwd", **META}})[1] == "photo.jpg"


def hostile_values(path: str) -> list:
    """Every shape in which a request may name a file that is none of its uploads."""
    return [path, [path], {"path": path}, {"path": path, **META}, [{"path": path}], {"path": {"path": path}},
            {"path": [path]}, {"video": path}, {"video": {"path": path}}, {"video": {"video": {"path": path}}},
            {"path": f"file://{path}"}, {"path": f"{path}\0.jpg"}, {"path": f"C:{path}"}, {"path": f"\\\\?\\{path}"},
            {"path": "", "url": path}, {"url": f"file://{path}", **META}]


def test_nothing_else_is_opened_and_what_is_said_is_the_same(folder, tmp_path):
    outside = tmp_path / "private.png"
    outside.write_bytes(b"private")
    at = folder / HASH
    (at / "link.jpg").symlink_to(outside)
    (at / "folder.jpg").mkdir()
    os.mkfifo(at / "pipe.jpg")
    (folder / HASH[::-1]).symlink_to(tmp_path)
    (folder / "in-use.lock").touch()
    (folder / f"clip-{HASH[:32]}").mkdir()
    (folder / f"clip-{HASH[:32]}" / "result.npz").touch()
    (folder / "0123" / HASH).mkdir(parents=True)
    (folder / "0123" / HASH / "deep.jpg").touch()
    paths = [outside, tmp_path / "missing.png", at / "link.jpg", at / "folder.jpg", at / "pipe.jpg", at / "missing.jpg",
             at, folder, folder / "in-use.lock", folder / f"clip-{HASH[:32]}" / "result.npz",
             folder / "0123" / HASH / "deep.jpg", folder / HASH[::-1] / "private.png", at / ".." / HASH / "photo.jpg",
             at / ".." / ".." / "private.png", at / "..", "/dev/zero", "/dev/stdin", "/proc/kmsg", "/proc/self/environ",
             f"{at}/x/../photo.jpg", "~/photo.jpg", "photo.jpg", "http://127.0.0.1/photo.jpg", "x" * 100_000,
             f"{at}/{'x' * 300}.jpg", f"{at}/\udc80.jpg"]
    values = [value for path in paths for value in hostile_values(str(path))]
    for value in [*values, None, 1, True, b"", {}, [], {"path": 7}]:
        with pytest.raises(UploadError) as refusal:
            read_upload(value)
        assert str(refusal.value) == NOT_UPLOADED, value


def test_a_file_is_closed_kept_meanwhile_and_not_too_large(folder):
    path = folder / HASH / "photo.jpg"
    with open_upload(str(path), 5) as upload:
        assert uploads.is_in_use(path) and upload.file.read() == b"photo"
    assert upload.file.closed and not uploads.is_in_use(path)
    with pytest.raises(UploadError, match="photo.jpg is larger than 0 MB"):
        read_upload(str(path), 4)
    assert not uploads.is_in_use(path)


def test_results_may_be_fetched_but_not_sent(folder):
    result = folder / f"clip-{HASH[:32]}" / "clip.npz"
    assert served_path(str(result)) == result and served_path(str(folder / "in-use.lock")) is None


def test_names_are_on_one_line():
    assert one_line("a/b\\two\nlines\x1b[31m.jpg") == "two?lines?[31m.jpg" and one_line(["x"]) == ""


# ---- the running page

class Watched:
    """A running page, and what it has opened and asked for."""

    def __init__(self, page: RunningPage, log: Path):
        self.page, self.log = page, log
        self.visitor = Visitor(page.address)
        self.folder = next(page.files.glob("handpose-page-*")).resolve()
        config = self.visitor.http.get(f"{page.address}/config").json()
        self.events = {one["api_name"]: one["id"] for one in config["dependencies"]}

    def seen(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def event(self, name: str, *inputs) -> dict | str:
        """What becomes of one of the page's own events, which are not in its list of endpoints."""
        http, session = self.visitor.http, os.urandom(8).hex()
        asked = http.post("/queue/join", json={"data": inputs, "fn_index": self.events[name], "session_hash": session})
        if asked.is_error:
            return f"{asked.status_code}"
        with http.stream("GET", "/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return {key: message["output"].get(key) for key in ("data", "error")}
        return "nothing"


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(WATCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
        patch.setenv("AUDIT_LOG", str(folder / "opened.txt"))
        with RunningPage(folder / "page") as page:
            watched = Watched(page, folder / "opened.txt")
            assert watched.visitor.estimate("hand.jpg", PHOTO.read_bytes())[0] == "complete"
            yield watched


def some_values(path: Path | str) -> list:
    """Those of `hostile_values` that Gradio lets through in one place or another."""
    values = [value for value in hostile_values(str(path)) if isinstance(value, dict)]
    return [values[number] for number in (0, 1, 4, 5, 7)] + [str(path)]


def answers(watched: Watched, value) -> list:
    """What the page says where a request names this as its file, in every place where it could."""
    visitor, options = watched.visitor, (None, None, 10, .3, False, None, None)
    clip = {"video": value, "subtitles": None}
    return [visitor.call("estimate", value, *options), visitor.call("files", value, "png", *options),
            visitor.call("video", value, "Mesh")[0], visitor.call("video", clip, "Mesh")[0],
            watched.event("photo", False, "Automatic", None, .3, 10, True, {"file": value, "look": value})]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and pipes")
def test_requests_open_nothing_outside_and_tell_nothing_of_it(watched, tmp_path):
    private, pipe = tmp_path / "private.png", tmp_path / "pipe.png"
    Image.open(PHOTO).save(private)
    os.mkfifo(pipe)
    (watched.folder / HASH).mkdir()
    (watched.folder / HASH / "link.png").symlink_to(private)
    os.mkfifo(watched.folder / HASH / "pipe.png")
    missing = tmp_path / "missing.png"
    expected = [json.dumps(answers(watched, value)).replace(str(missing), "") for value in some_values(missing)]
    before = len(watched.seen())
    planted = [watched.folder / HASH / "pipe.png", watched.folder / HASH / "link.png"]
    for path in (private, pipe, "/proc/kmsg", watched.folder / HASH / "../../../../private.png", *planted):
        for value, unseen in zip(some_values(path), expected, strict=True):
            said = json.dumps(answers(watched, value))
            assert "joints_3d" not in said and "data:image" not in said, value
            if path not in planted:
                assert said.replace(str(path), "") == unseen, value
        for route in ("file=", "file/", "proxy=", "stream/"):
            got, not_there = (watched.visitor.http.get(f"/{route}{one}") for one in (path, missing))
            assert got.status_code == not_there.status_code in (403, 404), (route, path)
            assert got.text == not_there.text
    for planted_path in planted:
        planted_path.unlink()
    assert watched.visitor.estimate("hand.jpg", PHOTO.read_bytes())[0] == "complete"
    opened = {line.removeprefix("open ").strip("'") for line in watched.seen()[before:] if line.startswith("open ")}
    allowed = [str(watched.folder), sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share"]
    code = [path for path in opened if path.startswith(str(ROOT)) and path.endswith((".py", ".pyc"))]
    outside = [path for path in opened if not path.startswith(tuple(allowed))]
    assert set(outside) <= {*code, "/dev/null"}
    assert any(path.endswith("/hand.jpg") for path in opened)  # the watch works


def test_addresses_are_not_fetched_and_their_names_not_asked_for(watched):
    before = len(watched.seen())
    said = []
    for address in ("http://127.0.0.1:1/a.png", "http://localhost:1/a.png", "https://example.com/a.png",
                    "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/a.png",
                    "https://huggingface.co/a.png"):
        for value in (address, {"path": address}, {"path": address, **META}, {"path": address, "url": address, **META},
                      {"url": address, **META}):
            answer = answers(watched, value)
            assert not any("joints_3d" in json.dumps(one) for one in answer)
            said.append(json.dumps(answer))
        # Anything that looks like a file is fetched by Gradio, wherever in a request it stands.
        watched.event("photo", False, "Automatic", None, .3, 10, True, {"file": {"path": address, **META}})
        assert watched.visitor.http.get(f"/file={address}").status_code == 403
    assert any(uploads.NO_ADDRESSES in one for one in said)
    assert [line for line in watched.seen()[before:] if line.startswith("socket")] == []


@pytest.mark.parametrize("name, content", [
    ("page.html", b"<script>document.title = 'run'</script>"), ("drawing.svg", b"<svg onload='alert(1)'/>"),
    ("page.xhtml", b"<html xmlns='http://www.w3.org/1999/xhtml'/>"), ("page", b"<html></html>"),
    ("script.js", b"alert(1)"), ("photo.jpg", b"<html></html>"), ("paper.pdf", b"%PDF-1.7")])
def test_what_visitors_send_runs_in_no_browser(watched, name, content):
    path = watched.visitor.upload(name, content)["path"]
    for extra in ({}, {"Range": "bytes=0-", "Content-Type": "text/html"}):
        answer = watched.visitor.http.get(f"/file={path}", headers=extra)
        assert answer.content == content
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        if name != "photo.jpg":
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert "text/html" not in answer.headers["Content-Type"] or extra


def test_every_answer_has_its_headers(watched):
    for path in ("/", "/config", "/theme.css", "/gradio_api/app_id", "/gradio_api/file=/etc/passwd", "/nowhere"):
        headers = watched.visitor.http.get(watched.page.address + path).headers
        assert headers.get_list("X-Content-Type-Options") == ["nosniff"], path
        assert headers["Referrer-Policy"] == "same-origin" and "frame-ancestors" in headers["Content-Security-Policy"]
