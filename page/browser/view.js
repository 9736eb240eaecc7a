// A view of hands that can be turned. Plotly draws them; the eye, what turns it and the photo behind them are ours.
//
// Points are metres in the photo's camera frame: x right, y down, z away. The eye is told by its rotation to that frame,
// by where it sees the middle of the hands (`offset`, in its own frame), and by its lens: `lens` 0 is the photo's, which
// just holds the photo, 1 the usual one. To turn changes the rotation alone, so that the hands stay where they are seen.
class HandView {
    static FIELD = 0.6;  // radians, of the usual lens
    static ROOM = 1.08;  // of a named view, over what the hands need
    static EASE_MS = 450;
    static NEAREST = 0.4;  // reaches of the hands; no eye comes closer to their middle
    static FARTHEST = 12;
    static SWAY = {angle: 0.6, seconds: 9, turns: 2, slowest: 60};  // radians; ms a picture may take
    static calm = matchMedia("(prefers-reduced-motion: reduce)");

    // `place` holds the plot, or will; `changed` is told whenever the eye goes to another named view, or to none.
    constructor(place, changed = () => {}) {
        this.place = place;
        this.changed = changed;
        this.backdrop = new Backdrop(place);
        this.scene = this.eye = null;
        this.#listen();
    }

    get plot() { return this.place.querySelector(".js-plotly-plot"); }
    get drawn() { return this.plot?._fullLayout?.scene?._scene?.glplot; }

    // Takes up a figure that Plotly has just drawn: `scene` as handpose/drawing/figure.py describes it. Where `keep`, the
    // eye stays where it is.
    show(scene, keep) {
        this.scene = scene;
        this.backdrop.set(scene.photo);
        if (keep && this.eye) {
            if (this.named) this.eye = this.#seenFrom(this.named);
            this.#apply();
        } else {
            this.#settle();
            this.eye = this.#seenFrom("camera");
            this.#apply();
            this.#name("camera");
        }
    }

    // The hands have moved, and the picture stands at a new depth: an eye that was turned away lets them move.
    follow(middle, depth) {
        this.scene.photo.depth += 0.2 * (depth - this.scene.photo.depth);
        if (this.named === "camera" && !this.isMoving) {
            this.scene.middle = middle;
            this.eye = this.#seenFrom("camera");
        }
        this.#apply();
    }

    // There are no hands to see.
    hide() {
        this.#settle();
        this.scene = this.eye = null;
        this.backdrop.hide();
    }

    // Turns to a named view.
    turnTo(name) {
        if (!this.eye || !this.scene.views[name]) return;
        this.#settle();
        this.#ease(this.#seenFrom(name));
        this.#name(name);
    }

    // A slow turn to either side and back, until it is touched; where pictures take long, none.
    sway() {
        const {angle, seconds, turns: count, slowest} = HandView.SWAY;
        if (HandView.calm.matches || !this.eye) return;
        this.#settle();
        const start = this.eye, began = performance.now();
        let last = began, slow = 0;
        const step = (now) => {
            const time = (now - began) / 1000 / seconds;
            slow = now - last > slowest ? slow + 1 : 0;
            last = now;
            if (time >= count || slow > 10 || document.hidden || !this.place.checkVisibility()) {
                this.#ease(start);
                return;
            }
            const way = angle * Math.sin(2 * Math.PI * time);
            this.eye = {...start, turn: turns.product(turns.about([0, 1, 0], way), start.turn)};
            this.#apply();
            this.moving = requestAnimationFrame(step);
        };
        this.moving = requestAnimationFrame(step);
    }

    get isMoving() { return Boolean(this.moving); }

    // Homogeneous pixels (x, y, w) of a point (x, y, z, 1) or a direction (x, y, z, 0).
    toScreen([x, y, z, one]) {
        const {turn: [i, j, k, real], offset} = this.eye, {clientWidth: width, clientHeight: height} = this.place;
        const from = turns.turned([-i, -j, -k, real], turns.sum([x, y, z], this.scene.middle, -one));
        const [right, down, away] = turns.sum(from, offset, one), zoom = height / 2 / this.#field();
        return [width / 2 * away + zoom * right, height / 2 * away + zoom * down, away];
    }

    #seenFrom(name) {
        const {middle, reach, views} = this.scene;
        if (name === "camera") return {turn: views.camera, offset: middle, lens: 0};
        const aspect = this.place.clientWidth / this.place.clientHeight || 1;
        const half = Math.atan(Math.tan(HandView.FIELD / 2) * Math.min(aspect, 1));
        return {turn: views[name], offset: [0, 0, HandView.ROOM * reach / Math.sin(half)], lens: 1};
    }

    // The tangent of half the field of view, up and down, that just holds the photo.
    #photoField() {
        const {width, height, fx, fy, cx, cy} = this.scene.photo, aspect = this.place.clientWidth / this.place.clientHeight;
        const across = Math.max(cx + 0.5, width - 0.5 - cx) / fx, down = Math.max(cy + 0.5, height - 0.5 - cy) / fy;
        return Math.max(down, across / aspect);
    }

    // The tangent of half the eye's field of view, up and down.
    #field() {
        const mix = (a, b) => Math.exp((1 - this.eye.lens) * Math.log(a) + this.eye.lens * Math.log(b));
        return mix(this.#photoField(), Math.tan(HandView.FIELD / 2));
    }

    // Shows what the eye sees.
    #apply() {
        if (!this.eye || !this.drawn || !this.place.clientWidth) return;
        const {turn, offset, lens} = this.eye, {middle, reach} = this.scene.cube ?? this.scene;  // of what Plotly draws
        const eye = turns.sum(turns.sum(this.scene.middle, middle, -1), turns.turned(turn, offset), -1);
        const ahead = turns.turned(turn, [0, 0, offset[2]]), up = turns.turned(turn, [0, -1, 0]);
        const plotly = ([x, y, z]) => ({x, y: z, z: -y});
        this.drawn.fovy = 2 * Math.atan(this.#field());
        this.plot._fullLayout.scene._scene.camera.delay = 0;  // else Plotly would lag two pictures behind the photo
        window.Plotly.relayout(this.plot, {"scene.camera": {
            eye: plotly(turns.scaled(eye, 0.5 / reach)), center: plotly(turns.scaled(turns.sum(eye, ahead), 0.5 / reach)),
            up: plotly(up)}});
        this.drawn.redraw();
        this.backdrop.draw((point) => this.toScreen(point), turns.turned(turn, [0, 0, 1])[2], 1 - lens);
    }

    #ease(goal) {
        const start = this.eye, began = performance.now();
        const step = (now) => {
            const time = HandView.calm.matches ? 1 : Math.min((now - began) / HandView.EASE_MS, 1);
            const share = time * time * (3 - 2 * time), mix = (a, b) => a + (b - a) * share;
            this.eye = {turn: turns.between(start.turn, goal.turn, share), lens: mix(start.lens, goal.lens),
                        offset: start.offset.map((value, k) => mix(value, goal.offset[k]))};
            this.#apply();
            this.moving = time < 1 ? requestAnimationFrame(step) : null;
        };
        step(began);
    }

    #settle() {
        cancelAnimationFrame(this.moving);
        this.moving = null;
    }

    #name(name) {
        this.named = name;
        this.changed(name);
    }

    // Turns the hands as if they were pushed by so many radians across and down.
    turn(across, down) {
        if (!this.eye) return;
        this.#settle();
        const push = turns.product(turns.about([0, 1, 0], across), turns.about([1, 0, 0], -down));
        this.eye = {...this.eye, turn: turns.product(this.eye.turn, push)};
        this.#apply();
        this.#name(null);
    }

    zoom(factor) {
        if (!this.eye) return;
        this.#settle();
        const {reach} = this.scene, far = Math.hypot(...this.eye.offset);
        const wanted = Math.min(Math.max(far * factor, HandView.NEAREST * reach), Math.max(far, HandView.FARTHEST * reach));
        this.eye = {...this.eye, offset: turns.scaled(this.eye.offset, wanted / far)};
        this.#apply();
        this.#name(null);
    }

    // ---- fingers, mouse and keys

    #listen() {
        const {place} = this, touching = new Map(), SLACK = 6;  // pixels that a tap may move
        place.tabIndex = 0;
        place.classList.add("turnable");
        const here = () => [...touching.values()];
        const apart = () => Math.hypot(here()[0].x - here()[1].x, here()[0].y - here()[1].y);
        const stop = (event) => event.stopPropagation();
        // Plotly's own would turn about another point, and keep fingers from scrolling the page.
        for (const type of ["mousedown", "mousemove", "touchstart", "touchmove", "touchend", "dblclick"])
            place.addEventListener(type, stop, {capture: true, passive: true});
        place.addEventListener("wheel", (event) => {
            stop(event);
            if (!this.eye) return;
            event.preventDefault();
            this.zoom(Math.exp(Math.min(Math.max(event.deltaY, -100), 100) / 500));
        }, {capture: true, passive: false});
        place.addEventListener("pointerdown", (event) => {
            if (!this.eye || event.button > 0) return;
            touching.set(event.pointerId, {x: event.clientX, y: event.clientY, moved: 0});
            place.setPointerCapture(event.pointerId);
            this.wasMoving = this.isMoving;
            this.#settle();
        });
        place.addEventListener("pointermove", (event) => {
            const last = touching.get(event.pointerId);
            if (!last) return;
            const before = touching.size === 2 ? apart() : 0, [x, y] = [event.clientX - last.x, event.clientY - last.y];
            touching.set(event.pointerId, {x: event.clientX, y: event.clientY, moved: last.moved + Math.hypot(x, y)});
            if (touching.size === 2) this.zoom(before / Math.max(apart(), 1));
            else if (last.moved + Math.hypot(x, y) > SLACK) this.turn((this.mirrored ? -x : x) * Math.PI / place.clientWidth, y * Math.PI / place.clientHeight);
        });
        place.addEventListener("pointerup", ({pointerId}) => {
            if (touching.get(pointerId)?.moved <= SLACK && touching.size === 1 && !this.wasMoving) this.sway();
            touching.delete(pointerId);
        });
        place.addEventListener("pointercancel", ({pointerId}) => touching.delete(pointerId));
        place.addEventListener("keydown", (event) => {
            const STEP = Math.PI / 12, turn = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP],
                                               ArrowDown: [0, STEP]}[event.key];
            const zoom = {"+": 0.9, "=": 0.9, "-": 1 / 0.9}[event.key];
            if (!this.eye || event.target !== place || !(turn || zoom)) return;
            event.preventDefault();
            if (turn) this.turn(...turn);
            else this.zoom(zoom);
        });
        new ResizeObserver(() => requestAnimationFrame(() => this.#apply())).observe(place);
    }
}
