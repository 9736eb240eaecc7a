// Photos that are pasted or dropped anywhere on the page, and files that the page gives.
(() => {
    const {find} = handpose;
    const PHOTO = /\.(heic|heif|hif|avif|jp2|tiff?)$/i;  // kinds that some browsers do not know

    function download(file) {
        const link = document.createElement("a");
        link.href = file.url;
        link.download = file.orig_name ?? "";
        link.click();
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
    // Gradio gives its example buttons no names: they get their files'.
    new MutationObserver(() => {
        for (const button of document.querySelectorAll("#inputs .gallery-item:not([aria-label])")) {
            const name = button.querySelector("img")?.src.split("/").pop().split(".")[0].replaceAll("_", " ");
            if (name) button.ariaLabel = `Example: ${name}`;
        }
    }).observe(document, {childList: true, subtree: true});
    Object.assign(handpose, {download});
})();
