// How a photo's result is shown: which layers lie over it, and what of it is drawn in 3D.
(() => {
    const {find} = handpose;
    const views = () => find("#views");

    function display() {
        const data = views()?.dataset ?? {}, frame = find("#stage .frame")?.dataset;
        return {show: data.show ?? "mesh", opacity: Number(data.opacity ?? 85) / 100,
                photo: frame?.photo ?? null, focal: handpose.keptFocal() ?? (Number(frame?.focal) || null)};
    }

    // On a phone, results lie below the photo's field.
    function lookHere() {
        if (innerWidth < 760) views().scrollIntoView({behavior: "smooth", block: "start"});
    }

    document.addEventListener("input", (event) => {
        const {name, value, checked, classList} = event.target;
        if (name === "show") { views().dataset.show = value; handpose.figure.showParts(); }
        if (name === "opacity") { views().dataset.opacity = value; views().style.setProperty("--opacity", value / 100); }
        if (name === "compare") views().classList.toggle("comparing", checked);
        if (classList.contains("swipe")) event.target.parentElement.style.setProperty("--cut", `${value}%`);
    });
    Object.assign(handpose, {display, lookHere});
})();
