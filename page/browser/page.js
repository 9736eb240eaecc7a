// What the whole page does in the browser alone. Other scripts add to `handpose`.
window.handpose = {
    find: (selector) => document.querySelector(selector),
};

(() => {
    const {find} = handpose;

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

    // Writes this page's own address into the API's examples, which Gradio makes when their tab is first opened.
    function tellAddress() {
        const api = find("#api");
        if (!api?.textContent.includes("ADDRESS")) return;
        const address = location.origin + location.pathname.replace(/\/$/, "");
        const texts = document.createTreeWalker(api, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll("ADDRESS", address);
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy]");
        if (!button) return;
        navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    new MutationObserver(tellAddress).observe(document, {childList: true, subtree: true});
    setInterval(checkServer, 10_000);
})();
