// Sliders that bend the hands of the photo's 3D view (page/content/play.py): the server poses, the newest wish wins.
const sliders = () => Object.fromEntries([...element.querySelectorAll("input")].map(({name, value}) => [name, Number(value)]));
let asked = false, wanted = false;

async function bend() {
    if (asked) { wanted = true; return; }
    const {figure, MovingHands} = handpose, {shown, plot} = figure;
    if (!shown?.play?.length) return;
    asked = true;
    try {
        const answer = await server.play({hands: shown.play, ...sliders()});
        if (answer.hands && figure.shown === shown) {
            const meshes = figure.traces("mesh3d"), lines = figure.traces("scatter3d");
            const axes = answer.hands.map(({wrist, vertices}) => {
                const from = MovingHands.unpacked(vertices, Int16Array);
                return wrist.map((start, axis) => Float32Array.from({length: from.length / 3}, (_, v) => start + from[3 * v + axis] * 1e-5));
            });
            const light = answer.hands.map((hand) => Float32Array.from(MovingHands.unpacked(hand.light, Uint8Array),
                                                                       (value, _) => value / 255 * plot.data[meshes[0]].cmax));
            const all = (parts, axis) => parts.map((part) => part[axis]);
            await window.Plotly.restyle(plot, {x: all(axes, 0), y: all(axes, 1), z: all(axes, 2), intensity: light}, meshes);
            const line = answer.hands.map((hand) => hand.line);
            await window.Plotly.restyle(plot, {x: all(line, 0), y: all(line, 1), z: all(line, 2)}, lines);
        }
    } finally {
        asked = false;
    }
    if (wanted) {
        wanted = false;
        bend();
    }
}

function reset() {
    element.querySelectorAll("input").forEach((slider) => { slider.value = 0; });
}

element.addEventListener("input", bend);
element.addEventListener("click", ({target}) => {
    if (!target.closest("[data-play=reset]")) return;
    reset();
    bend();
});
document.addEventListener("handpose:figure", reset);  // a new figure shows what was found
