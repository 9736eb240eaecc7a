// The strip of this visit's photos, newest first. It lives in this browser's tab, and goes with it; the photos
// themselves are on the server, for half an hour, under keys that only this strip knows.
(() => {
    const {find} = handpose;
    const MOST = 12, NAME = "handpose.strip";
    let entries = [];  // {photo, name, hands, thumb, given, before: [keys of it before corrections]}
    let seen = "";  // what told of the photo on the stage, when it was looked at last
    const current = () => find("#stage .frame")?.dataset.photo ?? null;

    function load() {
        try { return JSON.parse(sessionStorage.getItem(NAME)) ?? {}; } catch { return {}; }
    }

    function store() {
        try { sessionStorage.setItem(NAME, JSON.stringify({entries, shown: current()})); } catch { /* as it is, then */ }
    }

    function keep(entry) {
        const old = entries.find((one) => root(one.photo) === root(entry.photo));
        if (old) Object.assign(old, {...entry, given: entry.given ?? old.given, before: entry.before ?? old.before});
        else entries.unshift({before: [], ...entry});
        for (const one of entries.splice(MOST)) handpose.ask("forget", {photo: one.photo, photos: one.before});
        draw();
    }

    const root = (key) => key.split(".")[0];  // the same before and after corrections (page/analysis.py)

    // Takes up the photo that has just come onto the stage. The strip looks itself when the stage changes: how long after
    // an answer Gradio shows it, a slow machine decides.
    function shownAnew() {
        const frame = find("#stage .frame[data-photo]")?.dataset, told = JSON.stringify({...frame});
        if (told === seen) return;
        seen = told;
        if (frame && !frame.photo.startsWith("example-")) {
            const old = entries.find((one) => root(one.photo) === root(frame.photo));
            const before = old ? [...old.before] : [];
            if (old && old.photo !== frame.photo) {
                if (before.at(-1) === frame.photo) before.pop();  // a correction was undone
                else before.push(old.photo);
            }
            keep({photo: frame.photo, name: frame.name, hands: Number(frame.count), thumb: frame.thumb, before,
                  given: old?.given ?? handpose.given()});
        }
        draw();
    }

    function draw() {
        const list = find("#strip ul");
        if (!list) return;
        const shown = current();
        list.replaceChildren(...[...list.querySelectorAll(".waits")], ...entries.map((entry) => {
            const item = document.createElement("li");
            item.innerHTML = '<button type="button" class="show"><img alt="" width="64" height="64"></button>' +
                             '<button type="button" class="out" title="Take it out of the strip">×</button>';
            const [show, out] = item.children, words = `${entry.name}, ${entry.hands} hand${entry.hands === 1 ? "" : "s"}`;
            show.querySelector("img").src = entry.thumb;
            show.ariaLabel = show.title = words;
            show.ariaCurrent = String(entry.photo === shown);
            show.onclick = () => open(entry);
            out.ariaLabel = `Take ${entry.name} out`;
            out.onclick = () => remove(entry);
            return item;
        }));
        find("#strip").classList.toggle("filled", list.children.length > 0);
        find("#strip [data-do=all]").hidden = entries.length < 2;
        const entry = entries.find((one) => one.photo === shown), undo = find("[data-do=undo]");
        if (undo) undo.hidden = !entry?.before.length;
        store();
    }

    function open(entry) {
        handpose.setGiven(entry.given);
        handpose.lookHere();
        return handpose.ask("show", {photo: entry.photo});
    }

    async function remove(entry) {
        entries = entries.filter((one) => one !== entry);
        handpose.ask("forget", {photo: entry.photo, photos: entry.before.slice(-MOST)});
        if (entry.photo !== current()) return draw();
        if (entries.length) return open(entries[0]);
        handpose.setGiven(null);
        await handpose.ask("take");
    }

    // A place for a photo that is still on its way.
    function stripWaits(name) {
        const item = document.createElement("li");
        item.className = "waits";
        item.title = name;
        find("#strip ul").prepend(item);
        find("#strip").classList.add("filled");
        return item;
    }

    // After a reload: what was shown is shown again, if the server still has it.
    function restore() {
        const told = load();
        entries = Array.isArray(told.entries) ? told.entries.slice(0, MOST) : [];
        draw();
        const entry = entries.find((one) => one.photo === told.shown);
        if (entry) open(entry);
        new MutationObserver(shownAnew).observe(find("#stage"), {childList: true, subtree: true});
        shownAnew();
    }

    document.addEventListener("click", ({target}) => {
        const act = target.closest?.("[data-do]")?.dataset.do, entry = entries.find((one) => one.photo === current());
        if (act === "all") handpose.ask("download", {kind: "all", photos: entries.map((one) => one.photo)});
        if (act === "undo" && entry?.before.length) handpose.ask("show", {photo: entry.before.at(-1)});
    });
    Object.assign(handpose, {keep, stripWaits, restore});
})();
