// The opened tab stands in the address (#live): it can be linked to, a refresh keeps it, and "back" goes back to it.
(() => {
    const NAMES = {photo: "Photo", live: "Live", video: "Video", api: "API", about: "About"};
    const buttons = () => [...document.querySelectorAll("#tabs [role=tab]")];
    const named = (name) => buttons().find((button) => button.textContent.trim() === NAMES[name]);
    const told = () => location.hash.slice(1) in NAMES ? location.hash.slice(1) : "photo";
    let opening = false;  // a tab by the address, which then needs no new one

    function open(name) {
        const button = named(name);
        if (!button || button.ariaSelected === "true") return;
        opening = true;
        button.click();
        opening = false;
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest?.("#tabs [role=tab]");
        const name = Object.keys(NAMES).find((one) => button?.textContent.trim() === NAMES[one]);
        if (!name || opening || name === told()) return;
        history.pushState(null, "", name === "photo" ? location.pathname + location.search : `#${name}`);
    });
    window.addEventListener("popstate", () => open(told()));
    const waiting = new MutationObserver(() => {
        if (!named("about")) return;
        waiting.disconnect();
        open(told());
    });
    waiting.observe(document, {childList: true, subtree: true});
    Object.assign(handpose, {openTab: (name) => named(name)?.click()});
})();
