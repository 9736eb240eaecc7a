// What is shown until Gradio's scripts have come, which on a slow line takes seconds: the title and the first photo's result,
// out of what the page brings along for Gradio. The same picture stands in for the 3D view (as figure.js has it).
(() => {
    const first = document.querySelector("#first");
    const value = (id) => window.gradio_config.components.find(({props}) => props.elem_id === id)?.props.value ?? "";
    const theme = new URLSearchParams(location.search).get("__theme");  // Gradio's own word for it
    if (theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches))
        document.body.classList.add("dark");
    const views = ["", "#photo"].includes(location.hash) ? value("stage").repeat(2) : "";  // another tab is opened (tabs.js)
    first.innerHTML = `<div><div class="title">${value("title")}</div><div class="both">${views}</div></div>`;
    first.querySelectorAll("input, .line, .marks, .skeleton").forEach((part) => part.remove());
    // What is behind it moves about while its parts come in; it goes when photo and 3D view have their places.
    const waiting = new MutationObserver(async () => {
        const photo = document.querySelector("#stage .frame img, #stage .empty");
        if (!photo || !document.querySelector("#figure")) return;
        waiting.disconnect();
        await photo.decode?.().catch(() => {});
        first.remove();
    });
    waiting.observe(document, {childList: true, subtree: true});
})();
