// While a photo is looked at: it stands on the stage at once, and what belongs to the last one steps back.
(() => {
    const {find} = handpose;
    const SLOW_MS = 8000, LOST_MS = 45_000;
    let timers = [];

    function coming(picture) {
        arrived();
        const cover = document.createElement("div");
        cover.className = "coming";
        cover.innerHTML = '<img alt=""><p role="status"></p><progress aria-label="Looking for hands"></progress>';
        cover.querySelector("img").src = picture;
        cover.querySelector("img").onerror = ({target}) => target.remove();  // a kind that the browser does not know
        find("#stage").append(cover);
        find("#views").classList.add("working");
        lock(true);
        const tell = (ms, words) => timers.push(setTimeout(() => say(words), ms));
        tell(600, "Looking for hands…");
        tell(SLOW_MS, "Still looking: other photos are in work, too.");
        tell(LOST_MS, "No answer yet. You can wait, or reload the page and try again.");
    }

    function say(words) { if (find("#stage .coming")) find("#stage .coming p").textContent = words; }

    // How much of the file has reached the server, 0..1.
    function sending(share) {
        const bar = find("#stage .coming progress");
        if (!bar) return;
        if (share < 1) bar.value = share;
        else bar.removeAttribute("value");  // from here on nobody knows how long
    }

    function arrived() {
        timers.forEach(clearTimeout);
        timers = [];
        const image = find("#stage .coming img");
        if (image?.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
        find("#stage .coming")?.remove();
        find("#views")?.classList.remove("working");
        lock(false);
    }

    function lock(on) {
        const buttons = document.querySelectorAll("#downloads button, #found button, #views .bar button");
        buttons.forEach((one) => { one.disabled = on; });
    }

    Object.assign(handpose, {coming, sending, arrived});
})();
