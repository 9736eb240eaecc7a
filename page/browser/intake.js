// Photos in: chosen, dropped or pasted anywhere, taken with the camera, or an example. The first of several is shown at
// once, the others join the strip one after another. A clip goes to the tab Video; what is neither gets a sentence.
(() => {
    const {find} = handpose;
    const PHOTO = /\.(jpe?g|png|webp|heic|heif|hif|avif|jp2|tiff?|bmp|gif)$/i, CLIP = /\.(mp4|mov|webm|mkv|avi|m4v)$/i;
    const MOST = 12, LARGEST = 100e6;  // photos; bytes of one (page/server/uploads.py)
    const isClip = (file) => file.type.startsWith("video/") || (!file.type && CLIP.test(file.name));
    const isPhoto = (file) => file.type.startsWith("image/") || PHOTO.test(file.name) || !file.type;
    let element = null, trigger = null, last = null;  // the last photo given, {file} as the server knows it or {example}
    const pending = {}, sent = {}, done = {};

    // What the next event of a name says besides how the result is displayed (page/asked.py).
    function asked(name, options) {
        if (options.length >= 5) handpose.keepOptions(options.slice(-5));
        sent[name] = pending[name];
        return {...handpose.display(), ...sent[name]};
    }
    const EVENTS = {take: "upload", glance: "submit", show: "select", correct: "edit", forget: "delete",
                    download: "download"};

    // Asks the server; the promise is kept when it has answered.
    function ask(name, what = {}) {
        pending[name] = what;
        trigger(EVENTS[name]);
        return new Promise((resolve) => { done[name] = resolve; });
    }

    function answered(name, answer) {
        requestAnimationFrame(() => requestAnimationFrame(() => {  // after Gradio has shown it
            if (name === "take") handpose.arrived();
            handpose.keepFocal();
            if (pending[name] === sent[name]) pending[name] = {};  // else another was asked for meanwhile
            done[name]?.(answer);
        }));
    }

    function connect(where, pull) {
        [element, trigger] = [where, pull];
    }

    function say(words) { if (element) element.querySelector(".said").textContent = words; }

    // The file on its way to the server, which answers where it lies; raises what went wrong as a sentence.
    function upload(file, progress = () => {}) {
        return new Promise((resolve, reject) => {
            const request = new XMLHttpRequest(), form = new FormData();
            form.append("files", file, file.name || "photo.jpg");
            request.upload.onprogress = ({loaded, total}) => progress(loaded / Math.max(total, 1));
            request.onload = () => request.status === 200
                ? resolve({path: JSON.parse(request.responseText)[0], orig_name: file.name || "photo.jpg"})
                : reject(request.responseText.slice(0, 200) || "The server did not take the file: try again.");
            request.onerror = () => reject("The file did not reach the server: look whether you are connected.");
            request.open("POST", "gradio_api/upload");
            request.send(form);
        });
    }

    let queue = Promise.resolve();  // of photos that are still to be looked at

    function give(files) {
        const all = [...(files ?? [])], clip = all.find(isClip);
        const photos = all.filter((file) => !isClip(file) && isPhoto(file));
        say("");
        if (!all.length || !element) return false;
        if (!photos.length && clip) return giveClip(clip), true;
        if (!photos.length) return say(`${all[0].name} is neither a photo nor a clip.`), true;
        if (photos.length > MOST) say(`Only the first ${MOST} of these photos were taken.`);
        if (photos.length < all.length) say("What is no photo was left out.");
        handpose.openTab("photo");
        takeFile(photos[0]);
        for (const file of photos.slice(1, MOST)) queue = queue.then(() => glanceAt(file));
        return true;
    }

    let number = 0;  // of the photo that was given last: what comes of earlier ones is not waited for

    async function takeFile(file) {
        const mine = ++number;
        if (file.size > LARGEST) return say(`${file.name} is larger than ${LARGEST / 1e6} MB: make it smaller first.`);
        handpose.coming(URL.createObjectURL(file));
        handpose.lookHere();
        try {
            const told = await upload(file, (share) => mine === number && handpose.sending(share));
            if (mine !== number) return;
            last = {file: told};
            queue = queue.then(() => mine === number && ask("take", last));
        } catch (words) {
            if (mine !== number) return;
            handpose.arrived();
            say(words);
        }
    }

    async function glanceAt(file) {
        const waiting = handpose.stripWaits(file.name);
        try {
            const told = await upload(file);
            const entry = await ask("glance", {file: told});
            if (entry?.problem) throw entry.problem;
            handpose.keep({...entry, given: {file: told}});
        } catch (words) {
            say(typeof words === "string" ? words : `${file.name} could not be looked at.`);
        }
        waiting.remove();
    }

    function takeExample(name, picture) {
        number++;
        say("");
        last = {example: name};
        handpose.coming(picture);
        handpose.lookHere();
        ask("take", last);
    }

    // The same photo once more, mirrored or not.
    function takeAgain() {
        if (!last) return;
        ask("take", last);
    }

    // A clip that was dropped among photos goes where clips are followed.
    async function giveClip(file) {
        handpose.openTab("video");
        const field = () => find("#video input[type=file]");
        for (let tries = 0; !field() && tries < 50; tries++) await new Promise((done) => setTimeout(done, 100));
        if (!field()) return;
        const transfer = new DataTransfer();
        transfer.items.add(file);
        field().files = transfer.files;
        field().dispatchEvent(new Event("change", {bubbles: true}));
    }

    function save(file) {
        const link = document.createElement("a");
        link.href = file.url;
        link.download = file.orig_name ?? "";
        link.click();
    }

    function setGiven(given) { last = given; }

    document.addEventListener("change", ({target}) => {
        if (!target.matches?.("#photo input[type=file]")) return;
        give(target.files);
        target.value = "";  // the same file may be chosen again
    });
    document.addEventListener("paste", (event) => {
        if (event.target.closest?.("input:not([type=file]), textarea")) return;
        if (give(event.clipboardData?.files)) event.preventDefault();
    });
    document.addEventListener("dragover", (event) => {
        event.preventDefault();
        find("#photo")?.classList.add("wanted");
    });
    document.addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) find("#photo")?.classList.remove("wanted");
    });
    document.addEventListener("drop", (event) => {
        find("#photo")?.classList.remove("wanted");
        event.preventDefault();  // else the browser would leave the page for the file
        if (give(event.dataTransfer?.files)) event.stopPropagation();
    }, true);
    document.addEventListener("click", ({target}) => {
        const example = target.closest?.("[data-example]"), kind = target.closest?.("[data-kind]")?.dataset.kind;
        if (example) takeExample(example.dataset.example, example.querySelector("img").src);
        if (kind) ask("download", {kind});
    });
    Object.assign(handpose, {asked, ask, upload, answered, glanced: (entry) => answered("glance", entry), connect, say, give,
                             takeAgain, save, setGiven, given: () => last});
})();
