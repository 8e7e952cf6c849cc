// The picture of a panel on the page. What is synchronised with Python is described in view.py.
function render({ model, el }) {
    el.classList.add("rlkit-view");
    const picture = el.appendChild(document.createElement("img"));
    let url;
    const show = () => {
        const old = url;
        url = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
        picture.src = url;
        if (old) URL.revokeObjectURL(old);
    };
    const describe = () => { picture.alt = model.get("alt"); };
    model.on("change:value", show);
    model.on("change:alt", describe);
    show();
    describe();
}

export default { render };
