// What the page does in the browser alone: which layers are shown, paste and drop anywhere.
window.handpose = (() => {
    const PHOTO = /\.(heic|heif|hif|avif|jp2|tiff?)$/i;  // kinds that some browsers do not know
    const find = (selector) => document.querySelector(selector);
    const views = () => find("#views");

    function display() {
        const data = views()?.dataset ?? {};
        return {show: data.show ?? "mesh", opacity: Number(data.opacity ?? 85) / 100,
                photo: find("#stage .frame")?.dataset.photo ?? null};
    }

    function download(file) {
        const link = document.createElement("a");
        link.href = file.url;
        link.download = file.orig_name ?? "";
        link.click();
    }

    // On a phone, results lie below the photo's field.
    function lookHere() {
        if (find("#stage .frame")?.dataset.photo !== "example" && innerWidth < 760)
            views().scrollIntoView({behavior: "smooth", block: "start"});
    }

    // Says so when the server has gone, since pages look alive without one.
    async function checkServer() {
        if (document.hidden) return;
        const there = await fetch("gradio_api/app_id", {cache: "no-store"}).then(() => true, () => false);
        let lost = find("#lost");
        if (!there && !lost) {
            lost = Object.assign(document.createElement("div"), {id: "lost", role: "alert"});
            lost.textContent = "The server does not answer. What you see stays, but nothing new can be done until it is back.";
            find(".gradio-container").append(lost);
        }
        if (there) lost?.remove();
    }

    // Writes this page's own address into the examples for programs, which Gradio makes when their tab is first opened.
    function tellAddress() {
        const programs = find("#programs");
        if (!programs?.textContent.includes("ADDRESS")) return;
        const address = location.origin + location.pathname.replace(/\/$/, "");
        const texts = document.createTreeWalker(programs, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll("ADDRESS", address);
    }

    // Gives a file that was pasted or dropped anywhere to the photo's own field. Gradio goes by the kind that the browser
    // names; where it knows none (HEIC on Windows), one is named here, and the server finds out what it is.
    function give(files) {
        const field = find("#photo input[type=file]");
        const file = [...(files ?? [])].find((one) => one.type.startsWith("image/") || (!one.type && PHOTO.test(one.name)));
        if (!field || !file || !find("#photo").checkVisibility()) return false;
        const transfer = new DataTransfer();
        transfer.items.add(file.type ? file : new File([file], file.name, {type: "image/*"}));
        field.files = transfer.files;
        field.dispatchEvent(new Event("change", {bubbles: true}));
        return true;
    }

    document.addEventListener("input", (event) => {
        const {name, value, checked, classList} = event.target;
        if (name === "show") { views().dataset.show = value; figure.showParts(); }
        if (name === "opacity") { views().dataset.opacity = value; views().style.setProperty("--opacity", value / 100); }
        if (name === "compare") views().classList.toggle("comparing", checked);
        if (classList.contains("swipe")) event.target.parentElement.style.setProperty("--cut", `${value}%`);
    });
    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy]");
        if (button && "copy" in button.dataset) {
            navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
            button.textContent = "Copied";
            setTimeout(() => { button.textContent = "Copy"; }, 1500);
        }
    });
    document.addEventListener("paste", (event) => {
        if (!event.target.closest("input, textarea") && give(event.clipboardData?.files)) event.preventDefault();
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {  // before Gradio, which turns away kinds the browser does not know
        if (event.target.closest("#video")) return;
        event.preventDefault();  // else the browser would leave the page for the file
        if (give(event.dataTransfer?.files)) event.stopPropagation();
    }, true);
    document.addEventListener("change", (event) => {
        if (!event.target.matches?.("#photo input[type=file]") || event.target.files[0]?.type !== "") return;
        event.stopImmediatePropagation();
        give(event.target.files);
    }, true);
    // The browser may not know a kind of picture (HEIC) that the server reads.
    document.addEventListener("error", (event) => {
        if (event.target.closest?.("#photo")) event.target.classList.add("unshowable");
    }, true);
    new MutationObserver(() => {
        tellAddress();
        // Gradio gives its example buttons no names: they get their files'.
        for (const button of document.querySelectorAll("#inputs .gallery-item:not([aria-label])")) {
            const name = button.querySelector("img")?.src.split("/").pop().split(".")[0].replaceAll("_", " ");
            if (name) button.ariaLabel = `Example: ${name}`;
        }
    }).observe(document, {childList: true, subtree: true});
    setInterval(checkServer, 10_000);
    return {display, download, lookHere};
})();
