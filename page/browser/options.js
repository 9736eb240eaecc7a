// The photo tab's options outlive a reload of the page, in this browser's tab.
(() => {
    const NAME = "handpose.options", FIRST = ["Automatic", null, 0.3, 10, true];  // page/analysis.py
    let focal = null;  // pixels: of the lens that was told before the reload, until its field is there again

    let latest = null;

    function keepOptions(options) {
        focal = null;
        latest = options;
    }

    // Once what they led to is shown.
    function keepFocal() {
        if (!latest) return;
        const told = JSON.stringify({options: latest, focal: handpose.display().focal});
        try { sessionStorage.setItem(NAME, told); } catch { /* then they are not kept */ }
    }

    function keptOptions() {
        let told = null;
        try { told = JSON.parse(sessionStorage.getItem(NAME)); } catch { /* the first ones, then */ }
        if (told?.options?.length !== FIRST.length) return FIRST;
        focal = told.focal;
        return told.options;
    }

    Object.assign(handpose, {keepOptions, keepFocal, keptOptions, keptFocal: () => focal});
})();
