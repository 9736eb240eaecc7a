// The picture behind the hands of a 3D view, where it stands in space, and the lines from the camera to its corners. It
// lies beneath Plotly's transparent drawing and is moved by the very matrices that Plotly draws with.
class Backdrop {
    static LARGEST = 1280;  // pixels that it shows

    constructor(place) {
        this.element = document.createElement("div");
        this.element.className = "backdrop";
        this.element.ariaHidden = "true";
        this.element.innerHTML = "<canvas></canvas><svg><path></path></svg>";
        place.prepend(this.element);
        this.picture = this.element.querySelector("canvas");
        this.lines = this.element.querySelector("path");
    }

    // Where it stands: size, intrinsics and depth (handpose/drawing/figure.py).
    set(photo) {
        this.photo = photo;
        this.picture.style.width = `${photo.width}px`;
        this.picture.style.height = `${photo.height}px`;
    }

    // What it shows: an image that is loaded, a video, a canvas.
    paint(picture) {
        const width = picture.naturalWidth ?? picture.videoWidth ?? picture.width;
        const height = picture.naturalHeight ?? picture.videoHeight ?? picture.height;
        if (!width) return;
        const scale = Math.min(1, Backdrop.LARGEST / Math.max(width, height));
        this.picture.width = Math.round(width * scale);
        this.picture.height = Math.round(height * scale);
        this.picture.getContext("2d").drawImage(picture, 0, 0, this.picture.width, this.picture.height);
    }

    hide() {
        this.element.style.setProperty("--seen", 0);
        this.element.style.setProperty("--near", 0);
    }

    // A pixel of the photo as a point in space, at a depth in metres.
    point(u, v, depth = this.photo.depth) {
        return [(u - this.photo.cx) / this.photo.fx * depth, (v - this.photo.cy) / this.photo.fy * depth, depth];
    }

    // `toScreen` takes points (x, y, z, 1) and directions (x, y, z, 0) to homogeneous pixels (x, y, w) of the view;
    // `facing` is the cosine of how far the eye is turned from the photo's own, `seen` (0..1) how much is shown at all.
    draw(toScreen, facing, seen) {
        const {width, height} = this.photo, first = this.point(-0.5, -0.5);
        const across = turns.sum(this.point(0.5, -0.5), first, -1), down = turns.sum(this.point(-0.5, 0.5), first, -1);
        const columns = [toScreen([...across, 0]), toScreen([...down, 0]), [0, 0, 0], toScreen([...first, 1])];
        this.picture.style.transform = `matrix3d(${columns.map(([x, y, w], k) => [x, y, k === 2 ? 1 : 0, w]).join()})`;
        this.element.style.setProperty("--seen", (seen * Math.min(Math.max((facing - 0.1) / 0.5, 0), 1)).toFixed(3));
        this.element.style.setProperty("--near", seen.toFixed(3));
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(
            ([right, bottom]) => this.point(right * width - 0.5, bottom * height - 0.5));
        const segments = corners.flatMap((corner, k) => [[[0, 0, 0], corner], [corner, corners[(k + 1) % 4]]]);
        this.lines.setAttribute("d", segments.map(([from, to]) => Backdrop.#line(toScreen([...from, 1]),
                                                                                 toScreen([...to, 1]))).join(""));
    }

    // What of a line lies before the eye, as a path.
    static #line(from, to) {
        const NEAR = 1e-3, cut = (behind, before) => turns.sum(behind, turns.sum(before, behind, -1),
                                                               (NEAR - behind[2]) / (before[2] - behind[2]));
        if (from[2] < NEAR && to[2] < NEAR) return "";
        const ends = [from[2] < NEAR ? cut(from, to) : from, to[2] < NEAR ? cut(to, from) : to];
        const [[a, b], [c, d]] = ends.map(([x, y, w]) => [x / w, y / w].map((one) => one.toFixed(1)));
        return `M${a} ${b}L${c} ${d}`;
    }
}
