// The photo with its hands as one picture, put together here as it is seen: to copy, or for the phone's own share sheet.
(() => {
    const {find} = handpose;
    const frame = () => find("#stage .frame[data-photo]");
    const visible = (element) => element && getComputedStyle(element).display !== "none";

    function loaded(source) {
        return new Promise((resolve, reject) => {
            const image = new Image();
            image.onload = () => resolve(image);
            image.onerror = reject;
            image.src = source;
        });
    }

    async function picture() {
        const photo = frame().querySelector(".photo"), canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
        const context = canvas.getContext("2d"), [mesh, lines] = [".mesh", ".skeleton"].map((one) => frame().querySelector(one));
        context.drawImage(photo, 0, 0);
        if (visible(mesh)) {
            const share = (side) => parseFloat(mesh.style[side]) / 100;
            context.globalAlpha = handpose.display().opacity;
            context.drawImage(mesh, share("left") * canvas.width, share("top") * canvas.height,
                              share("width") * canvas.width, share("height") * canvas.height);
            context.globalAlpha = 1;
        }
        if (visible(lines)) {
            const copy = lines.cloneNode(true);
            const whole = {xmlns: "http://www.w3.org/2000/svg", width: canvas.width, height: canvas.height, fill: "none",
                           "stroke-linecap": "round"};  // what the page's style sheet says of it elsewhere
            Object.entries(whole).forEach(([name, value]) => copy.setAttribute(name, value));
            context.drawImage(await loaded("data:image/svg+xml," + encodeURIComponent(copy.outerHTML)), 0, 0);
        }
        return new Promise((done) => canvas.toBlob(done, "image/png"));
    }

    function tell(button, words) {
        const before = button.textContent;
        button.textContent = words;
        setTimeout(() => { button.textContent = before; }, 1800);
    }

    async function copy(button) {
        try {  // the promise itself, for Safari lets nothing be copied after waiting
            await navigator.clipboard.write([new ClipboardItem({"image/png": picture()})]);
            tell(button, "Copied");
        } catch { tell(button, "Not allowed here"); }
    }

    async function share() {
        const name = frame().dataset.name.replace(/\.[^.]*$/, "") || "hand";
        const file = new File([await picture()], `${name}.png`, {type: "image/png"});
        await navigator.share({files: [file], title: document.title}).catch(() => {});  // the visitor may change their mind
    }

    const canShare = () => navigator.canShare?.({files: [new File([""], "hand.png", {type: "image/png"})]});
    new MutationObserver(() => {
        const button = find("#downloads [data-do=share]");
        if (button && button.hidden && canShare()) button.hidden = false;
    }).observe(document, {childList: true, subtree: true});
    document.addEventListener("click", ({target}) => {
        const button = target.closest?.("#downloads [data-do]");
        if (!button || !frame()) return;
        if (button.dataset.do === "copy") copy(button);
        if (button.dataset.do === "share") share();
    });
})();
