// The tab "Live" (page/live.py): one frame at a time to the server, and what comes back over that very frame.
const part = (name) => element.querySelector(`[data-live=${name}]`);
const frame = element.querySelector(".frame"), canvas = element.querySelector("canvas");
const video = document.createElement("video");
const grabs = [document.createElement("canvas"), document.createElement("canvas")];  // one is sent, one is drawn
const room = element.querySelector(".room .stage");  // where the hands turn in 3D
const LONGER_SIDE = 640, QUALITY = 0.8, MOST_HANDS = 4;
const ROOM = {middle: [0, 0, 1.1], reach: 1.1};  // metres before the camera; what is farther away is not shown in 3D
const REACH = 0.15;  // of a hand
const ASIDE = 0.55;  // radians: from there the hands are seen in 3D at first
const SHARE = 0.45;  // of the time that the 3D view may take: the picture goes first
const film = new handpose.Film(() => { part("record").textContent = "Record"; });
let stream = null, run = 0, facing = "user";
let solid = null, turning = false, rest = 0;  // the 3D view; whether it is at work; until when it pauses
video.muted = video.playsInline = true;

const say = (text) => { part("words").textContent = text; };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function start() {
    if (!navigator.mediaDevices?.getUserMedia) return say("This browser gives no camera to pages without https.");
    say("Waiting for the camera…");
    try {
        stream = await navigator.mediaDevices.getUserMedia(
            {audio: false, video: {width: {ideal: 640}, height: {ideal: 480}, facingMode: facing}});
    } catch (error) {
        return say(error.name === "NotAllowedError" ? "The camera was not allowed: allow it in the browser's address bar."
                                                    : "There is no camera to use, or another program has it.");
    }
    video.srcObject = stream;
    await video.play();
    element.classList.add("running");
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
    part("turn").hidden = cameras.length < 2;
    follow(++run);
}

function stop(words = "") {
    run++;
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
    film.stop();
    element.classList.remove("running");
    say(words);
}

async function follow(mine) {
    const visitor = crypto.randomUUID?.() ?? String(Math.random()).repeat(2);
    let last = performance.now(), rate = 0, failures = 0, answered = null;  // the frame before, with its answer
    while (mine === run) {
        if (!element.checkVisibility()) return stop();  // another tab of the page: the camera's light goes out
        if (document.hidden || !video.videoWidth) { await pause(200); continue; }
        const scale = Math.min(1, LONGER_SIDE / Math.max(video.videoWidth, video.videoHeight));
        const grab = grabs.reverse()[0];
        grab.width = Math.round(video.videoWidth * scale);
        grab.height = Math.round(video.videoHeight * scale);
        grab.getContext("2d").drawImage(video, 0, 0, grab.width, grab.height);
        let reply;
        try {
            const coming = server.follow({visitor, frame: grab.toDataURL("image/jpeg", QUALITY), solid: wanted()});
            coming.catch(() => {});  // is awaited below
            if (answered) await draw(...answered);  // while the server looks at the next
            answered = null;
            reply = await coming;
            failures = 0;
        } catch (error) {
            if (++failures > 5) return stop("The server does not answer: start it again and reload the page.");
            await pause(500);
            continue;
        }
        if (mine !== run) return;
        if (reply.problem) return stop(reply.problem);
        if (reply.busy) { say("Many visitors at once: waiting for a free moment…"); await pause(300); continue; }
        answered = [reply, grab];
        const now = performance.now();
        rate = rate ? 0.9 * rate + 0.1 * 1000 / (now - last) : 1000 / (now - last);
        last = now;
        say(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)} pictures a second` + (reply.hands ? "" : " · show a hand"));
    }
}

// The frame and its layers change together, so that the mesh never swims behind the hand.
async function draw(reply, grab) {
    const drawn = document.createElement("div");
    drawn.className = "drawn";
    drawn.innerHTML = reply.layers;
    await Promise.all([...drawn.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
    canvas.width = grab.width;
    canvas.height = grab.height;
    canvas.getContext("2d").drawImage(grab, 0, 0);
    element.querySelector(".live-views").style.setProperty("--ratio", grab.width / grab.height);
    frame.querySelector(".drawn").replaceWith(drawn);
    frame.querySelector(".tags").innerHTML = reply.tags;
    film.draw(grab, drawn, element.dataset.show, frame.classList.contains("mirrored"));
    if (reply.solid && !turning && performance.now() > rest) turnAround(reply.solid, grab);
}

// What of the 3D view a frame should bring: nothing while it is not seen or has no time.
function wanted() {
    if (!window.Plotly || element.dataset.solid !== "on" || turning || performance.now() < rest) return undefined;
    return solid ? "hands" : "surface";
}

// Shows the hands of a frame in 3D, before the frame itself.
async function turnAround(reply, grab) {
    turning = true;
    const began = performance.now();
    const hands = reply.hands.slice(0, MOST_HANDS).map(({side, wrist, vertices}) => ({
        side, vertices: Float32Array.from(handpose.MovingHands.unpacked(vertices, Int16Array),
                                          (value, index) => value * 1e-5 + wrist[index % 3])}));
    const middle = [0, 1, 2].map((axis) => reply.hands.reduce((sum, {wrist}) => sum + wrist[axis], 0) / reply.hands.length);
    if (!solid) {
        if (!reply.surface) { turning = false; return; }
        solid = new handpose.MovingHands(room, reply.surface, MOST_HANDS, ROOM, handpose.MovingHands.marks(element));
        await solid.ready;
    }
    await solid.show(hands);
    if (hands.length) {
        const {view} = solid, known = view.scene && view.scene.photo.width === reply.picture.width && view.scene.photo.fx === reply.picture.fx;
        view.mirrored = frame.classList.contains("mirrored");
        if (known) view.follow(middle, middle[2] + 2 * REACH);
        else {
            const first = !view.scene;
            solid.set(reply.picture, middle, REACH, !first);
            if (first) view.turn(-ASIDE, 0);  // else one would see the same picture twice
        }
        view.backdrop.paint(grab);
    }
    const now = performance.now();
    rest = now + (now - began) * (1 / SHARE - 1);
    turning = false;
}

function mirror(on) {
    frame.classList.toggle("mirrored", on);
    room.classList.toggle("mirrored", on);
    element.querySelector("[name=mirror]").checked = on;
}

element.addEventListener("click", ({target}) => {
    const view = target.closest("[data-turn]")?.dataset.turn;
    if (view) solid?.view.turnTo(view);
});
part("start").addEventListener("click", start);
part("stop").addEventListener("click", () => stop());
part("snapshot").addEventListener("click", () => film.snapshot());
part("record").addEventListener("click", () => {
    if (film.isRunning) return film.stop();
    film.start();
    part("record").textContent = "Stop recording";
});
part("turn").addEventListener("click", () => {
    facing = facing === "user" ? "environment" : "user";
    stop();
    mirror(facing === "user");  // the camera at the back looks away from the visitor
    start();
});
element.addEventListener("input", ({target}) => {
    if (target.name === "live-show") element.dataset.show = target.value;
    if (target.name === "mirror") mirror(target.checked);
    if (target.name === "solid") element.dataset.solid = target.checked ? "on" : "off";
});
element.dataset.show = "mesh";
element.dataset.solid = "on";
room.classList.add("mirrored");
