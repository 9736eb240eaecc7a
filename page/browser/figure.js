// The 3D view of the photo tab: a drawn poster until Plotly is there, which parts and hands are shown, the named views.
(() => {
    const GLASSY = 0.5;  // opacity of a mesh whose skeleton shall be seen inside it (handpose/drawing/figure.py)
    const PAUSE_MS = 900;  // before a new photo's hands turn by themselves
    const place = () => document.querySelector("#figure");
    const plot = () => place()?.querySelector(".js-plotly-plot");
    const stage = () => document.querySelector("#stage .frame:not(.empty)");
    let view = null, shown = null, key = null, alone = null;  // shown: the figure's meta; alone: number of a hand
    let newest = null, drawnIn = null;  // the figure that shall be seen, and Plotly's element that was given it

    // Draws a figure where another one stands: what Gradio would do, a new canvas, takes twice as long.
    function redraw(figure) {
        newest = figure ?? newest;
        if (figure) drawnIn = null;
        if (!newest || drawnIn === plot() || !plot()?._fullLayout || !window.Plotly) return;
        drawnIn = plot();
        window.Plotly.react(plot(), newest.data, {...newest.layout, autosize: true});
    }

    // What the overlay's renderer drew stands in until the photo's hands are there in 3D.
    function showPoster() {
        const old = place().querySelector(".poster");
        if (!stage() || stage().dataset.photo === key) return old?.remove();
        if (old?.dataset.photo === stage().dataset.photo) return;
        old?.remove();
        const poster = Object.assign(document.createElement("div"), {className: "poster", ariaHidden: "true"});
        poster.dataset.photo = stage().dataset.photo;
        const frame = stage().cloneNode(true);
        frame.querySelectorAll("input, .line, .marks, .drawing").forEach((part) => part.remove());
        delete frame.dataset.photo;
        poster.append(frame);
        place().append(poster);
    }

    // Takes up what has changed on the page: a new figure, a new photo.
    function follow() {
        if (!place()) return;
        const meta = plot()?.layout?.meta;
        if (plot()?.on && !plot().followed) {
            plot().followed = true;
            plot().on("plotly_afterplot", follow);
        }
        redraw();
        if (meta !== shown && (!meta || meta.key === stage()?.dataset.photo) && plot()?._fullLayout) {
            const same = meta && root(meta.key) === root(key);
            [shown, key] = [meta, meta?.key ?? null];
            if (!view || view.place !== place()) view = new HandView(place(), mark);
            document.dispatchEvent(new CustomEvent("handpose:figure"));
            if (meta?.photo) show(same);
            else { view.hide(); nameHands(); }
        }
        showPoster();
    }

    const root = (key) => key?.split(".")[0];  // the same before and after a correction (page/analysis.py)

    function show(same) {
        if (!same) alone = null;
        view.show(shown, same);
        const photo = stage().querySelector(".photo");
        photo.decode().then(() => view.backdrop.paint(photo), () => {});  // it may have been replaced meanwhile
        nameHands();
        if (alone !== null) showParts();
        if (!same) setTimeout((photo) => { if (photo === key && view.named === "camera") view.sway(); }, PAUSE_MS, key);
    }

    // One button a hand, and one for all.
    function nameHands() {
        const bar = document.querySelector("[data-hands]"), count = meshes().length;
        bar.hidden = count < 2;
        bar.replaceChildren(...[null, ...Array(count).keys()].map((hand) => {
            const button = Object.assign(document.createElement("button"), {
                type: "button", textContent: hand === null ? "All" : hand + 1,
                ariaLabel: hand === null ? "All hands" : `Hand ${hand + 1} alone`, ariaPressed: String(hand === alone)});
            button.addEventListener("click", () => { alone = hand; nameHands(); showParts(); });
            return button;
        }));
    }

    const meshes = () => traces("mesh3d");
    const traces = (type) => (plot()?.data ?? []).flatMap((trace, index) => trace.type === type ? [index] : []);

    // Mesh, skeleton or both, as the page's switch says, of one hand or all.
    function showParts() {
        if (!window.Plotly || !meshes().length) return;
        const parts = document.querySelector("#views").dataset.show ?? "mesh", lines = traces("scatter3d");
        const here = (wanted) => meshes().map((_, hand) => wanted && (alone ?? hand) === hand);
        const glassy = [...meshes().map(() => parts === "both" ? GLASSY : 1), ...lines.map(() => 1)];
        window.Plotly.restyle(plot(), {visible: [...here(parts !== "skeleton"), ...here(parts !== "mesh")],
                                       opacity: glassy}, [...meshes(), ...lines]);  // at once: each draws everything anew
    }

    // The hand of a number, from 1 on, stands out against the others; null: none does.
    function lightIn3D(hand) {
        if (!window.Plotly || meshes().length < 2) return;
        const usual = document.querySelector("#views").dataset.show === "both" ? GLASSY : 1;
        window.Plotly.restyle(plot(), {opacity: meshes().map((_, one) => hand === null || one === hand - 1 ? usual : .2)},
                              meshes());
    }

    // The hand of a number alone, or again all of them.
    function lookAt(hand) {
        if (meshes().length < 2) return;
        alone = alone === hand - 1 ? null : hand - 1;
        nameHands();
        showParts();
    }

    function mark(name) {
        for (const button of document.querySelectorAll("[data-view]"))
            button.ariaPressed = String(button.dataset.view === name);
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest?.("[data-view]");
        if (button && view) view.turnTo(button.dataset.view);
    });
    new MutationObserver(follow).observe(document, {childList: true, subtree: true});
    Object.assign(handpose, {lightIn3D, lookAt});
    handpose.figure = {redraw, showParts, traces, get view() { return view; }, get plot() { return plot(); },
                       get shown() { return shown; }};
})();
