// The photo tab's options outlive a reload of the page, in this browser's tab.
(() => {
    const NAME = "handpose.options", FIRST = ["Automatic", null, 0.3, 10, true];  // page/analysis.py
    let focal = null;  // pixels: of the lens that was told before the reload, until its field is there again

    function keepOptions(options) {
        focal = null;
        try { sessionStorage.setItem(NAME, JSON.stringify({options, focal: handpose.display().focal})); } catch { /* then not */ }
    }

    function keptOptions() {
        let told = null;
        try { told = JSON.parse(sessionStorage.getItem(NAME)); } catch { /* the first ones, then */ }
        if (told?.options?.length !== FIRST.length) return FIRST;
        focal = told.focal;
        return told.options;
    }

    Object.assign(handpose, {keepOptions, keptOptions, keptFocal: () => focal});
})();
