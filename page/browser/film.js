// Pictures and films of what the live view shows. They are made in the browser, and stay there.
class Film {
    static LONGEST_MS = 60_000;
    static KINDS = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"];

    // `ended` is told when a film is over, by whatever hand.
    constructor(ended) {
        this.canvas = document.createElement("canvas");
        this.ended = ended;
        this.recorder = null;
    }

    get isRunning() { return this.recorder?.state === "recording"; }

    // One moment: the camera's picture and the layers of HTML over it (page/content/overlay_layers.py).
    draw(picture, layers, show, mirrored) {
        const {canvas} = this, {width, height} = picture, brush = canvas.getContext("2d");
        if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
        brush.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? width : 0, 0);
        brush.drawImage(picture, 0, 0);
        const mesh = layers.querySelector(".mesh"), share = (name) => parseFloat(mesh.style[name]) / 100;
        if (mesh && show !== "skeleton") {
            brush.globalAlpha = 0.85;
            brush.drawImage(mesh, share("left") * width, share("top") * height, share("width") * width, share("height") * height);
            brush.globalAlpha = 1;
        }
        if (show !== "mesh") for (const part of layers.querySelectorAll(".skeleton > *")) Film.#trace(brush, part);
    }

    static #trace(brush, part) {
        const has = (name) => part.getAttribute(name), path = new Path2D(has("d") ?? undefined);
        if (has("r")) path.arc(has("cx"), has("cy"), has("r"), 0, 2 * Math.PI);
        brush.lineCap = "round";
        brush.lineWidth = has("stroke-width");
        brush.strokeStyle = has("stroke");
        brush.stroke(path);
        if (!has("fill")) return;
        brush.fillStyle = has("fill");
        brush.fill(path);
    }

    snapshot() {
        this.canvas.toBlob((file) => Film.#save(file, "png"), "image/png");
    }

    start() {
        const mimeType = Film.KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)), parts = [];
        this.recorder = new MediaRecorder(this.canvas.captureStream(), {mimeType, videoBitsPerSecond: 4_000_000});
        this.recorder.addEventListener("dataavailable", ({data}) => parts.push(data));
        this.recorder.addEventListener("stop", () => {
            clearTimeout(this.limit);
            Film.#save(new Blob(parts, {type: mimeType}), mimeType.startsWith("video/mp4") ? "mp4" : "webm");
            this.ended();
        });
        this.recorder.start(1000);
        this.limit = setTimeout(() => this.stop(), Film.LONGEST_MS);
    }

    stop() {
        if (this.isRunning) this.recorder.stop();
    }

    static #save(file, ending) {
        const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(file), download: `hands.${ending}`});
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }
}
handpose.Film = Film;
