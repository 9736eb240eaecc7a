// "Add a hand": a box drawn on the photo, or a tap on the hand; by the keyboard, arrows move a box (with shift, its size)
// and Enter takes it.
(() => {
    const {find} = handpose;
    const TAP = 8, STEP = 0.02, SMALLEST = 0.04;  // pixels; shares of the photo
    let layer = null, box = null, start = null;  // shares: [u0, v0, u1, v1]

    function open() {
        const frame = find("#stage .frame[data-photo]");
        if (!frame || layer) return close();
        layer = document.createElement("div");
        layer.className = "drawing";
        layer.tabIndex = 0;
        layer.setAttribute("role", "application");
        layer.ariaLabel = "Where the hand is: draw a box or tap on it. Arrows move the box, with shift its size; " +
                          "Enter takes it, Escape leaves it.";
        layer.innerHTML = '<i></i><p>Draw a box around the hand, or tap on it</p>';
        box = [.35, .35, .65, .65];
        frame.append(layer);
        layer.addEventListener("pointerdown", down);
        layer.addEventListener("pointermove", move);
        layer.addEventListener("pointerup", up);
        layer.addEventListener("keydown", key);
        layer.focus({preventScroll: true});
        frame.scrollIntoView({block: "nearest"});
        draw(document.activeElement.matches(":focus-visible"));
    }

    function close() {
        layer?.remove();
        layer = start = null;
    }

    function draw(shown) {
        const one = layer.querySelector("i"), [u0, v0, u1, v1] = box.map((share) => `${100 * share}%`);
        Object.assign(one.style, {left: u0, top: v0, width: `calc(${u1} - ${u0})`, height: `calc(${v1} - ${v0})`});
        one.hidden = !shown;
    }

    const clamp = (share) => Math.min(Math.max(share, 0), 1);
    const at = (event) => {
        const area = layer.getBoundingClientRect();
        return [clamp((event.clientX - area.x) / area.width), clamp((event.clientY - area.y) / area.height)];
    };

    function down(event) {
        layer.setPointerCapture(event.pointerId);
        start = {at: at(event), x: event.clientX, y: event.clientY};
        event.preventDefault();
    }

    function move(event) {
        if (!start) return;
        const [u, v] = at(event), [s, t] = start.at;
        box = [Math.min(s, u), Math.min(t, v), Math.max(s, u), Math.max(t, v)];
        draw(true);
    }

    function up(event) {
        if (!start) return;
        const tapped = Math.hypot(event.clientX - start.x, event.clientY - start.y) < TAP;
        take(tapped ? start.at : box);
    }

    function key(event) {
        const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key] ?? [0, 0];
        if (event.key === "Escape") return close();
        if (event.key === "Enter") return take(box);
        if (!dx && !dy) return;
        event.preventDefault();
        let [u0, v0, u1, v1] = box;
        if (event.shiftKey) {
            u1 = clamp(Math.max(u1 + dx * STEP, u0 + SMALLEST));
            v1 = clamp(Math.max(v1 + dy * STEP, v0 + SMALLEST));
        } else {
            const du = Math.min(Math.max(dx * STEP, -u0), 1 - u1), dv = Math.min(Math.max(dy * STEP, -v0), 1 - v1);
            [u0, v0, u1, v1] = [u0 + du, v0 + dv, u1 + du, v1 + dv];
        }
        box = [u0, v0, u1, v1];
        draw(true);
    }

    function take(place) {
        close();
        handpose.ask("correct", {box: place});
    }

    document.addEventListener("click", ({target}) => { if (target.closest?.("[data-do=box]")) open(); });
})();
