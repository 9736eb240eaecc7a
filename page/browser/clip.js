// A clip in (page/tabs/video.py): it is shown at once, sent, and followed without another click.
const LARGEST = 500e6;  // bytes (page/server/uploads.py)
const part = (name) => element.querySelector(`[data-clip=${name}]`), preview = element.querySelector("video");
let told = null, number = 0;  // the clip as the server knows it; of the clip that was given last
let working = null, done = null;  // a promise that is kept when the server has answered, and what keeps it

function say(words) { element.querySelector(".said").textContent = words; }

async function give(file) {
    const mine = ++number;
    if (file.size > LARGEST) return say(`${file.name} is larger than ${LARGEST / 1e6} MB: make it smaller first.`);
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.hidden = false;
    say("Sending the clip…");
    try {
        const [sent] = await Promise.all([
            handpose.upload(file, (share) => { if (mine === number) say(`Sending the clip, ${Math.round(100 * share)} %`); }),
            callOff()]);
        if (mine !== number) return;
        told = sent;
        say("");
        await follow();
    } catch (words) {
        if (mine === number) say(String(words));
    }
}

async function follow() {
    await callOff();
    working = new Promise((resolve) => { done = resolve; });
    show();
    trigger("upload");
}

// Ends the work on the clip before, and waits until it has ended.
async function callOff() {
    if (!working) return;
    trigger("clear");
    await working;
}

function show() {
    part("cancel").hidden = !working;
    part("again").hidden = Boolean(working) || !told;
}

handpose.clip = {
    asked: () => ({clip: told, parts: element.querySelector("[name=parts]:checked").value}),
    answered() {
        done?.();
        working = done = null;
        show();
    },
};
preview.addEventListener("error", () => { preview.hidden = true; });  // a kind that the browser does not play
part("again").addEventListener("click", follow);
part("cancel").addEventListener("click", callOff);
element.querySelector("[type=file]").addEventListener("change", ({target}) => {
    const [file] = target.files;
    if (file) give(file);
    target.value = "";  // the same file may be chosen again
});
