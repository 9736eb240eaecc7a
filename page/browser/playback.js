// The hands of a clip in 3D (page/content/moving.py), in step with the clip that plays beside them, and how sure they are.
const {MovingHands} = handpose;
const place = () => element.querySelector(".plot");
const line = () => element.querySelector(".timeline");
const player = () => document.querySelector("#overlay-video video");
let data = null, hands = null, shown = -1;

function build() {
    shown = -1;
    hands = null;
    line().replaceChildren();
    if (!data || !window.Plotly) return place().view?.hide();
    place().querySelector("p")?.remove();
    const {unpacked} = MovingHands;
    data.bones = unpacked(data.surface.bones, Uint8Array);
    data.weights = unpacked(data.surface.weights, Uint8Array);
    for (const hand of data.hands) {
        hand.rest = unpacked(hand.rest, Float32Array);
        hand.moves = unpacked(hand.moves, Float32Array);
        hand.row = new Map(hand.frames.map((frame, row) => [frame, row]));
    }
    const cube = {middle: data.middle, reach: data.reach};
    hands = new MovingHands(place(), data.surface, data.hands.length, cube, MovingHands.marks(element));
    const made = hands;
    made.ready.then(() => made.set(data.picture, data.middle, data.reach, false));
    drawLine();
}

// The skin of a hand in a frame: each vertex goes where the bones that it hangs on carry it (linear blend skinning).
function posed({side, rest, moves, row}, frame) {
    const at = row.get(frame);
    if (at === undefined) return null;
    const vertices = new Float32Array(rest.length);
    for (let v = 0; v < rest.length / 3; v++) {
        const x = rest[3 * v], y = rest[3 * v + 1], z = rest[3 * v + 2];
        let total = 0;
        for (let k = 4 * v; k < 4 * v + 4; k++) {
            const weight = data.weights[k], m = 192 * at + 12 * data.bones[k];
            total += weight;
            for (let axis = 0; axis < 3; axis++) {
                const r = m + 4 * axis;
                vertices[3 * v + axis] += weight * (moves[r] * x + moves[r + 1] * y + moves[r + 2] * z + moves[r + 3]);
            }
        }
        for (let axis = 0; axis < 3; axis++) vertices[3 * v + axis] /= total;
    }
    return {side, vertices};
}

// A row for each hand: as high as its frames are sure. A click goes there in the clip.
function drawLine() {
    const HIGH = 26, WIDE = 1000, count = data.times.length, tag = (name, has) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", name);
        Object.entries(has).forEach(([key, value]) => made.setAttribute(key, value));
        return made;
    };
    const picture = tag("svg", {viewBox: `0 0 ${WIDE} ${HIGH * data.hands.length}`, preserveAspectRatio: "none", role: "img",
                                "aria-label": "How sure each hand is over the clip's time"});
    data.hands.forEach(({side, frames, scores}, number) => {
        const floor = HIGH * (number + 1) - 2, tones = data.surface.tones[side];
        const bars = frames.map((frame, row) =>
            `M${WIDE * frame / count} ${floor}v${-(HIGH - 4) * scores[row]}h${WIDE / count}V${floor}`).join("");
        picture.append(tag("path", {d: bars, fill: tones[Math.floor(tones.length * 0.6)][1]}));
    });
    picture.append(tag("path", {class: "now", d: `M0 0V${HIGH * data.hands.length}`}));
    line().style.setProperty("--rows", data.hands.length);
    line().append(picture);
}

function step() {
    if (!element.isConnected) return;
    requestAnimationFrame(step);
    if (!hands || !player() || document.hidden || !element.checkVisibility()) return;
    const time = player().currentTime, frame = Math.max(data.times.findLastIndex((at) => at <= time + 1e-3), 0);
    if (frame === shown) return;
    shown = frame;
    hands.show(data.hands.map((hand) => posed(hand, frame)));
    hands.view.backdrop.paint(player());
    line().querySelector(".now")?.setAttribute("transform", `translate(${1000 * frame / data.times.length} 0)`);
}

element.addEventListener("click", ({target, clientX}) => {
    const name = target.closest("[data-turn]")?.dataset.turn, {left, width} = line().getBoundingClientRect();
    if (name) hands?.view.turnTo(name);
    if (line().contains(target) && player()) player().currentTime = (clientX - left) / width * player().duration;
});
watch("value", () => {
    try { data = props.value ? JSON.parse(props.value) : null; } catch { data = null; }
    element.classList.toggle("filled", Boolean(data));
    build();
});
requestAnimationFrame(step);
