// The same hand in three places: its frame on the photo, its card, and the hand in 3D. To point at one lights all.
(() => {
    const {find} = handpose;
    const number = (target) => target.closest?.("#stage .mark, #found .hand")?.dataset.hand ?? null;

    function light(hand) {
        document.querySelectorAll("[data-hand]").forEach((one) => one.classList.toggle("lit", one.dataset.hand === hand));
        find("#views")?.classList.toggle("one-lit", hand !== null);
        handpose.lightIn3D?.(hand === null ? null : Number(hand));
    }

    for (const [on, off] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
        document.addEventListener(on, ({target}) => { if (number(target)) light(number(target)); });
        document.addEventListener(off, (event) => {
            if (number(event.target) && number(event.relatedTarget ?? document.body) !== number(event.target)) light(null);
        });
    }
    document.addEventListener("click", ({target}) => {
        const hand = number(target), {swap, remove} = target.closest?.("button")?.dataset ?? {};
        if (swap) handpose.ask("correct", {swap: Number(swap)});
        else if (remove) handpose.ask("correct", {remove: Number(remove)});
        else if (target.closest?.("#stage .mark")) {
            find(`#found [data-hand="${hand}"]`)?.scrollIntoView({behavior: "smooth", block: "nearest"});
            handpose.lookAt?.(Number(hand));
        } else if (hand && !target.closest("button, summary, details")) handpose.lookAt?.(Number(hand));
    });
})();
