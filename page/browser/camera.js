// The photo tab's own camera: nothing of what is shown changes before a photo is taken.
(() => {
    const {find} = handpose;
    const panel = () => find("#photo .camera"), video = () => panel().querySelector("video");
    let stream = null;

    async function open() {
        if (!navigator.mediaDevices?.getUserMedia)
            return handpose.say("This browser gives no camera to pages without https.");
        try {
            stream = await navigator.mediaDevices.getUserMedia(
                {audio: false, video: {width: {ideal: 1280}, height: {ideal: 960}, facingMode: "user"}});
        } catch (error) {
            return handpose.say(error.name === "NotAllowedError"
                ? "The camera was not allowed: allow it in the browser's address bar."
                : "There is no camera to use, or another program has it.");
        }
        handpose.say("");
        video().srcObject = stream;
        panel().hidden = false;
        await video().play();
    }

    function close() {
        stream?.getTracks().forEach((track) => track.stop());
        stream = video().srcObject = null;
        panel().hidden = true;
    }

    // As the camera sees, so that left is left; only the picture on the screen is a mirror.
    function take() {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [video().videoWidth, video().videoHeight];
        if (!canvas.width) return;
        canvas.getContext("2d").drawImage(video(), 0, 0);
        canvas.toBlob((blob) => handpose.give([new File([blob], "camera.jpg", {type: "image/jpeg"})]), "image/jpeg", .92);
        close();
    }

    document.addEventListener("click", ({target}) => {
        const act = target.closest?.("#photo [data-do]")?.dataset.do;
        ({camera: open, take, close})[act]?.();
    });
})();
