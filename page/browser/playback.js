// The skeletons of a clip in 3D (page/tabs/video.py), in step with the clip that plays beside them.
const place = () => element.querySelector(".plot");
const player = () => document.querySelector("#overlay-video video");
let data = null, shown = -1;

function trace(frame, hand) {
    const points = data.points[frame][hand];
    const axis = (number) => data.order.map((joint) => joint < 0 ? null : points[joint][number]);
    return {x: axis(0), y: axis(1), z: axis(2)};
}

function build() {
    shown = -1;
    if (!data || !window.Plotly) { if (place()) window.Plotly?.purge(place()); return; }
    const hidden = (range) => ({range, visible: false, showspikes: false});
    const traces = data.points[0].map((_, hand) => ({
        type: "scatter3d", mode: "lines+markers", hoverinfo: "skip", connectgaps: false,
        line: {color: data.colors, width: 8}, marker: {color: data.colors, size: 4}, ...trace(0, hand)}));
    place().querySelector("p")?.remove();
    window.Plotly.react(place(), traces, {
        margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0, 0, 0, 0)", showlegend: false, uirevision: "hands",
        scene: {xaxis: hidden(data.ranges[0]), yaxis: hidden(data.ranges[1]), zaxis: hidden(data.ranges[2]),
                aspectmode: "cube", dragmode: "orbit",
                camera: {eye: {x: 0.9, y: -1.1, z: 0.35}, up: {x: 0, y: 0, z: 1}, center: {x: 0, y: 0, z: 0}}}},
        {responsive: true, displayModeBar: false});
}

function step() {
    if (!element.isConnected) return;
    if (data && player() && place()?.data && element.checkVisibility()) {
        const time = player().currentTime;
        let frame = data.times.findLastIndex((at) => at <= time + 1e-3);
        frame = Math.max(frame, 0);
        if (frame !== shown) {
            shown = frame;
            const parts = data.points[0].map((_, hand) => trace(frame, hand));
            window.Plotly.restyle(place(), {x: parts.map((p) => p.x), y: parts.map((p) => p.y), z: parts.map((p) => p.z)});
        }
    }
    requestAnimationFrame(step);
}

watch("value", () => {
    try { data = props.value ? JSON.parse(props.value) : null; } catch { data = null; }
    element.classList.toggle("filled", Boolean(data));
    build();
});
requestAnimationFrame(step);
