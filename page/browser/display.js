// How a photo's result is shown: which layers lie over it, how the 3D view is turned, which hand is looked at.
(() => {
    const {find} = handpose;
    const GLASSY = 0.5;  // opacity of a mesh whose skeleton shall be seen inside it (handpose/drawing/figure.py)
    const views = () => find("#views");
    const plot = () => find("#figure .js-plotly-plot");
    let chosen = "camera";  // the named view that the visitor last turned to

    const named = () => plot()?.layout?.meta?.views ?? {};
    const close = (one, other) => one && other && ["x", "y", "z"].every((axis) => Math.abs(one[axis] - other[axis]) < 1e-3);

    // The named view, or the visitor's own camera once it was dragged away from there.
    function view() {
        const camera = plot()?.layout?.scene?.camera, home = named()[chosen];
        if (!camera || !home || (close(camera.eye, home.eye) && close(camera.up, home.up))) return chosen;
        return {eye: camera.eye, center: camera.center, up: camera.up};
    }

    function display() {
        const data = views()?.dataset ?? {}, frame = find("#stage .frame")?.dataset;
        return {view: view(), show: data.show ?? "mesh", opacity: Number(data.opacity ?? 85) / 100,
                photo: frame?.photo ?? null, focal: handpose.keptFocal() ?? (Number(frame?.focal) || null)};
    }

    function turn(name) {
        chosen = name;
        if (named()[name]) window.Plotly?.relayout(plot(), {"scene.camera": structuredClone(named()[name])});
    }

    function show(parts) {
        views().dataset.show = parts;
        const traces = (type) => (plot()?.data ?? []).flatMap((trace, index) => trace.type === type ? [index] : []);
        if (!window.Plotly || !traces("mesh3d").length) return;
        const opacity = parts === "both" ? GLASSY : 1;
        window.Plotly.restyle(plot(), {visible: parts !== "skeleton", opacity}, traces("mesh3d"));
        window.Plotly.restyle(plot(), {visible: parts !== "mesh"}, traces("scatter3d"));
    }

    // A new photo is first seen as its camera saw it, whatever the last one was turned to.
    function startAnew() { chosen = "camera"; }

    // On a phone, results lie below the photo's field.
    function lookHere() {
        if (innerWidth < 760) views().scrollIntoView({behavior: "smooth", block: "start"});
    }

    document.addEventListener("input", (event) => {
        const {name, value, checked, classList} = event.target;
        if (name === "show") show(value);
        if (name === "opacity") { views().dataset.opacity = value; views().style.setProperty("--opacity", value / 100); }
        if (name === "compare") views().classList.toggle("comparing", checked);
        if (classList.contains("swipe")) event.target.parentElement.style.setProperty("--cut", `${value}%`);
    });
    document.addEventListener("click", (event) => {
        const name = event.target.closest("[data-view]")?.dataset.view;
        if (name) turn(name);
    });
    Object.assign(handpose, {display, startAnew, lookHere});
})();
