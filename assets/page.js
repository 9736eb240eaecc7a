// Switches the figure's parts on and off in the browser, so that the visitor's angle stays as it is.
(mesh, skeleton) => {
    const plot = document.querySelector("#figure .js-plotly-plot");
    const traces = (type) => (plot?.data ?? []).flatMap((trace, index) => trace.type === type ? [index] : []);
    if (!window.Plotly || !traces("mesh3d").length) return;
    window.Plotly.restyle(plot, {visible: mesh, opacity: skeleton ? GLASSY : 1}, traces("mesh3d"));
    window.Plotly.restyle(plot, {visible: skeleton}, traces("scatter3d"));
}
