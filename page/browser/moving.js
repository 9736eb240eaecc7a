// Hands that move in a 3D view: surfaces and light on them, made anew for each moment (page/content/moving.py).
class MovingHands {
    static VIEWS = {camera: [0, 0, 0, 1], side: turns.about([0, 1, 0], Math.PI / 2), top: turns.about([1, 0, 0], -Math.PI / 2)};

    // `surface`: what all hands have in common; `most` hands at once. `cube` holds all that can be shown; `changed` as
    // HandView has it.
    constructor(place, surface, most, cube, changed) {
        this.view = place.view ??= new HandView(place, changed);
        this.surface = surface;
        this.faces = MovingHands.unpacked(surface.faces, Uint16Array);
        this.cube = cube;
        this.sides = Array(most).fill("right");
        this.plot = place.querySelector(".solid") ?? Object.assign(document.createElement("div"), {className: "solid"});
        place.append(this.plot);
        const corner = (first) => this.faces.filter((_, index) => index % 3 === first);
        const hidden = (axis) => ({range: [axis - cube.reach, axis + cube.reach], visible: false, showspikes: false});
        const [x, y, z] = cube.middle;
        this.ready = window.Plotly.react(this.plot, this.sides.map((side) => ({
            type: "mesh3d", x: [], y: [], z: [], i: corner(0), j: corner(1), k: corner(2), intensity: [], visible: false,
            cmin: 0, cmax: surface.brightest, showscale: false, colorscale: surface.tones[side], hoverinfo: "skip",
            lighting: {ambient: 1, diffuse: 0, specular: 0, fresnel: 0}})), {
            margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0, 0, 0, 0)", showlegend: false,
            scene: {xaxis: hidden(x), yaxis: hidden(z), zaxis: hidden(-y), aspectmode: "cube", dragmode: false}},
        // As many pixels as the screen has: Plotly's own two for one of each axis take four times as long to fill.
        {responsive: true, displayModeBar: false, plotGlPixelRatio: Math.min(Math.max(devicePixelRatio, 1), 2)});
    }

    // What marks the buttons inside an element by the view that is shown.
    static marks(element) {
        return (name) => element.querySelectorAll("[data-turn]").forEach((button) => {
            button.ariaPressed = String(button.dataset.turn === name);
        });
    }

    static unpacked(base64, Type) {
        return new Type(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
    }

    // Where the hands are seen from: `picture` has the size and intrinsics of what they were seen in.
    set(picture, middle, reach, keep) {
        const scene = {middle, reach, views: MovingHands.VIEWS, cube: this.cube, photo: {...picture, depth: middle[2] + reach}};
        this.view.show(scene, keep);
    }

    // `hands`: {side, vertices}, the latter x, y, z of one after the other, metres in the camera's frame.
    show(hands) {
        const looks = this.sides.map((_, slot) => hands[slot] && this.#look(hands[slot]));
        const all = (name, none) => looks.map((look) => look ? look[name] : none);
        const change = {visible: looks.map(Boolean), x: all("x", []), y: all("y", []), z: all("z", []),
                        intensity: all("intensity", [])};
        if (hands.some((hand, slot) => hand && hand.side !== this.sides[slot])) {
            this.sides = this.sides.map((side, slot) => hands[slot]?.side ?? side);
            change.colorscale = this.sides.map((side) => this.surface.tones[side]);
        }
        return window.Plotly.restyle(this.plot, change, looks.map((_, slot) => slot));
    }

    #look({side, vertices}) {
        const count = vertices.length / 3, [x, y, z] = [0, 1, 2].map(() => new Float32Array(count));
        for (let v = 0; v < count; v++) [x[v], y[v], z[v]] = [vertices[3 * v], vertices[3 * v + 2], -vertices[3 * v + 1]];
        return {x, y, z, intensity: this.#light(vertices, side === "right" ? 1 : -1)};
    }

    // As handpose/drawing/shading.py lights a surface, but for its creases. A left hand's triangles are wound as a right
    // one's are: `outwards` is -1 for it.
    #light(vertices, outwards) {
        const {faces} = this, normals = new Float32Array(vertices.length), {lights, ambient, wrap, softness} = this.surface;
        for (let f = 0; f < faces.length; f += 3) {
            const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
            const ux = vertices[b] - vertices[a], uy = vertices[b + 1] - vertices[a + 1], uz = vertices[b + 2] - vertices[a + 2];
            const vx = vertices[c] - vertices[a], vy = vertices[c + 1] - vertices[a + 1], vz = vertices[c + 2] - vertices[a + 2];
            const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
            for (const corner of [a, b, c]) {
                normals[corner] += x;
                normals[corner + 1] += y;
                normals[corner + 2] += z;
            }
        }
        const towards = lights.map(([x, y, z, strength]) => [...turns.scaled([x, y, z], outwards / Math.hypot(x, y, z)), strength]);
        const light = new Float32Array(vertices.length / 3);
        for (let v = 0; v < light.length; v++) {
            const x = normals[3 * v], y = normals[3 * v + 1], z = normals[3 * v + 2], length = Math.hypot(x, y, z) || 1;
            light[v] = ambient;
            for (const [lx, ly, lz, strength] of towards) {
                const facing = Math.max((x * lx + y * ly + z * lz) / length + wrap, 0) / (1 + wrap);
                light[v] += strength * facing ** softness;
            }
        }
        return light;
    }
}
handpose.MovingHands = MovingHands;
