// The picture of a panel on the page, and the layout of the panel around it.
// What is synchronised with Python is described in view.py; how it looks is in view.css.

const NOTEBOOK = ".jp-WindowedPanel-outer, .jp-Notebook, .jp-NotebookPanel-notebook";
const GAP = 12, MARGIN = 20; // pixels: between the parts of a panel, and what a cell adds above and below it
const ASK = 300, PATIENCE = 1000; // milliseconds of silence: until we ask the kernel, and until it counts as busy

function render({ model, el }) {
    const ended = new AbortController(), listen = { signal: ended.signal };
    el.classList.add("rlkit-view");
    const frame = add(el, "div", "rlkit-frame");
    const image = add(frame, "img", "rlkit-image");
    const areas = add(frame, "div", "rlkit-areas");
    const hint = add(frame, "div", "rlkit-hint");
    const note = add(frame, "div", "rlkit-note");
    hint.setAttribute("aria-hidden", "true");
    note.setAttribute("role", "status");
    image.draggable = false;

    // The picture ---------------------------------------------------------------------------------------------------

    const show = () => {
        const sharp = model.get("sharp");
        image.src = urlOf(sharp.byteLength ? sharp : model.get("value"));
    };
    const changed = () => { // value and sharp arrive together and are two changes: one picture is enough
        if (!changed.waits) queueMicrotask(() => { changed.waits = false; show(); });
        changed.waits = true;
    };
    const describe = () => { image.alt = model.get("alt"); };
    const look = () => el.classList.toggle("rlkit-photo", model.get("photo"));
    const mark = () => {
        areas.replaceChildren();
        for (const [left, bottom, right, top] of model.get("areas")) {
            const area = add(areas, "div", "rlkit-area");
            area.title = model.get("words").drag ?? "";
            Object.assign(area.style, {
                left: percent(left), bottom: percent(bottom), width: percent(right - left), height: percent(top - bottom),
            });
        }
    };
    const follow = (name, update) => { model.on(`change:${name}`, update); update(); };
    let heard = 0;
    model.on("change msg:custom", () => { heard = performance.now(); });
    model.on("change:value", changed);
    model.on("change:sharp", changed);
    show();
    follow("alt", describe);
    follow("photo", look);
    follow("areas", mark);

    // Messages to the kernel: one at a time, and of the moves that wait only the newest --------------------------------

    let waiting = [], unanswered = false, patience;
    const tell = message => {
        if (["move", "hover", "ask"].includes(message.phase) && waiting.at(-1)?.phase === message.phase) waiting.pop();
        waiting.push(message);
        next();
    };
    const next = () => {
        if (lost()) waiting = []; // nobody would answer
        if (unanswered || !waiting.length) return;
        const message = waiting.shift();
        unanswered = true;
        if (message.phase !== "hover") {
            patience = setTimeout(() => lost() || say(model.get("words").busy ?? "", "busy"), PATIENCE);
        }
        model.send(message);
    };
    const answered = () => {
        unanswered = false;
        clearTimeout(patience);
        if (note.dataset.kind === "busy") say("");
        next();
    };
    model.on("msg:custom", (message, buffers) => {
        if (message.answered) answered();
        if (message.copy !== undefined) copy(message.copy, message.done);
        if (message.save !== undefined) save(message.save, buffers[0]);
    });
    let doubt;
    const ask = () => { // does the kernel answer at all? A new picture is an answer too
        const begin = performance.now();
        doubt ??= setTimeout(() => {
            doubt = undefined;
            if (heard < begin && !unanswered) tell({ phase: "ask" });
        }, ASK);
    };

    // A line of text on the picture ------------------------------------------------------------------------------------

    let until;
    const say = (text, kind = "", seconds = 0) => {
        clearTimeout(until);
        note.textContent = text;
        note.dataset.kind = kind;
        if (seconds) until = setTimeout(() => say(""), 1000 * seconds);
    };
    // A restarted kernel knows nothing of this panel: Jupyter marks it.
    const lost = () => panel?.classList.contains("jupyter-widgets-disconnected") ?? false;
    const look_for_kernel = () => {
        if (panel.querySelector(".rlkit-pictures .rlkit-view") !== el || lost() === (note.dataset.kind === "lost")) return;
        clearTimeout(patience);
        say(lost() ? model.get("words").lost ?? "" : "", lost() ? "lost" : "");
    };
    const copy = async (text, done) => {
        try {
            await navigator.clipboard.writeText(text);
            say(done, "copied", 6);
        } catch { // the browser refuses: then the reader copies it
            say(`${model.get("words").copy ?? ""} `, "selected", 30);
            const field = add(note, "input", "rlkit-copied");
            field.value = text;
            field.readOnly = true;
            field.size = text.length;
            field.select();
            try {
                if (document.execCommand("copy")) say(done, "copied", 6);
            } catch { /* the text stays selected */ }
        }
    };
    const save = (name, png) => {
        const link = document.createElement("a");
        link.href = urlOf(png);
        link.download = name;
        link.click();
    };

    // The pointer ------------------------------------------------------------------------------------------------------

    let held = false;
    const send = (event, phase) => {
        const box = image.getBoundingClientRect();
        const x = (event.clientX - box.left) / box.width, y = (box.bottom - event.clientY) / box.height;
        tell({ x, y, phase });
        const side = x > 0.6 ? "right" : "left"; // the hint is beside the pointer, on the side where there is room
        Object.assign(hint.style, { left: "", right: "", bottom: percent(Math.min(y + 0.03, 0.9)) });
        hint.style[side] = `calc(${percent(side === "left" ? x : 1 - x)} + 14px)`;
    };
    areas.addEventListener("pointerdown", event => {
        if (event.button !== 0) return;
        event.preventDefault(); // no selection of text, no scrolling
        el.closest(".rlkit-panel")?.focus({ preventScroll: true });
        event.target.setPointerCapture(event.pointerId);
        held = true;
        event.target.classList.add("rlkit-held");
        send(event, "down");
    }, listen);
    for (const kind of ["pointerup", "pointercancel"]) {
        areas.addEventListener(kind, event => {
            if (!held) return;
            held = false;
            event.target.classList.remove("rlkit-held");
            send(event, "up");
        }, listen);
    }
    frame.addEventListener("pointermove", event => send(event, held ? "move" : "hover"), listen);
    frame.addEventListener("pointerleave", event => { if (!held) send(event, "leave"); }, listen);
    const read = () => { hint.textContent = model.get("hint"); };
    follow("hint", read);

    // The panel around it ----------------------------------------------------------------------------------------------

    let panel;
    const arrange = () => { if (panel?.isConnected) layOut(panel); };
    const watcher = new ResizeObserver(() => requestAnimationFrame(() => {
        if (ended.signal.aborted) return;
        if (!panel && el.closest(".rlkit-panel")) join(el.closest(".rlkit-panel"));
        arrange();
    }));
    const join = found => {
        panel = found;
        panel.tabIndex = -1; // a click on a disabled control gives the focus to the panel, and not to the notebook
        window.addEventListener("keydown", event => {
            if (!panel.contains(event.target) || forTheApplication(event)) return;
            event.target.setAttribute("data-lm-suppress-shortcuts", "");
            setTimeout(() => event.target.removeAttribute("data-lm-suppress-shortcuts"));
        }, { capture: true, signal: ended.signal }); // Notebook looks at keys before the panel does, JupyterLab after
        panel.addEventListener("keydown", event => {
            if (!forTheApplication(event)) event.stopPropagation();
        }, listen);
        for (const kind of ["keydown", "input", "change", "click", "pointermove"]) {
            panel.addEventListener(kind, event => {
                if (kind !== "pointermove" || (event.buttons && !held)) ask();
            }, { capture: true, passive: true, signal: ended.signal });
        }
        for (const part of [panel, panel.closest(NOTEBOOK), ...panel.children].filter(Boolean)) watcher.observe(part);
        name(panel);
        const words = new MutationObserver(() => name(panel));
        words.observe(panel, { subtree: true, childList: true, characterData: true });
        const kernel = new MutationObserver(look_for_kernel);
        kernel.observe(panel, { attributes: true, attributeFilter: ["class"] });
        ended.signal.addEventListener("abort", () => { words.disconnect(); kernel.disconnect(); });
    };
    watcher.observe(el);
    let shape;
    image.addEventListener("load", () => { // a layout takes time: not for each picture
        const now = image.naturalWidth / image.naturalHeight;
        if (now !== shape) arrange();
        shape = now;
    }, listen);
    window.addEventListener("resize", arrange, listen);

    return () => {
        ended.abort();
        watcher.disconnect();
        for (const timer of [patience, until, doubt]) clearTimeout(timer);
    };
}

function add(parent, kind, style) {
    const element = parent.appendChild(document.createElement(kind));
    element.className = style;
    return element;
}

// A PNG (a DataView) as a data URL, which the page shows twice as fast as a blob's: no other process is asked for it.
function urlOf(png) {
    const bytes = new Uint8Array(png.buffer, png.byteOffset, png.byteLength), parts = [];
    for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
    return `data:image/png;base64,${btoa(parts.join(""))}`;
}

const percent = share => `${(100 * share).toFixed(3)}%`;

// Keys that go on to JupyterLab or Notebook; all others stay in the panel, where they move a control.
const forTheApplication = event =>
    event.ctrlKey || event.metaKey || event.altKey || ["Tab", "Escape", "Shift"].includes(event.key)
    || (event.key === "Enter" && event.shiftKey);

// Names and values for screen readers: a slider is called what its label says, and its value is what its number says.
function name(panel) {
    for (const control of panel.querySelectorAll(".widget-slider")) {
        const handle = control.querySelector(".noUi-handle");
        const set = (key, text) => { if (text && handle?.getAttribute(key) !== text) handle?.setAttribute(key, text); };
        set("aria-label", control.querySelector(".widget-label")?.textContent);
        set("aria-valuetext", control.querySelector(".widget-readout")?.textContent);
    }
}

// The layout that makes the pictures largest while everything fits in one screen ---------------------------------------

function layOut(panel) {
    const part = style => panel.querySelector(`:scope > .rlkit-${style}`);
    const controls = part("controls"), pictures = part("pictures"), words = part("words");
    const images = [...(pictures?.querySelectorAll("img.rlkit-image") ?? [])].filter(image => image.naturalWidth);
    const width = panel.clientWidth;
    if (!controls || !words || !images.length || !width) return;
    const banner = pictures?.querySelector(":scope > .rlkit-banner");
    const screen = (panel.closest(NOTEBOOK)?.clientHeight || innerHeight) - MARGIN - (banner ? banner.offsetHeight + GAP : 0);
    const shapes = images.map(image => image.naturalWidth / image.naturalHeight);
    const column = Math.round(Math.min(320, Math.max(250, 0.3 * width)));
    const largest = Math.min(...images.map(image => sharpest(image)));

    words.style.minHeight = "";
    panel.style.setProperty("--rlkit-column", `${column}px`);
    const line = parseFloat(getComputedStyle(words).lineHeight) || 20;
    const candidates = [];
    const moving = panel.querySelector(":scope > .rlkit-controls > .rlkit-scene"); // it is to be seen beside the curve
    for (const kind of moving && width > 700 ? ["beside"] : ["beside", "words-beside", "above"]) {
        panel.dataset.layout = kind;
        const high = [controls.offsetHeight, words.scrollHeight + line]; // words change their length
        for (const row of shapes.length > 1 ? [false, true] : [false]) {
            candidates.push(candidate(kind, row, high));
        }
    }
    function candidate(kind, row, [controlsHigh, wordsHigh]) {
        const wide = kind === "above" ? width : width - column - GAP;
        const high = screen - { "beside": wordsHigh + GAP, "words-beside": 0,
            "above": controlsHigh + wordsHigh + 2 * GAP }[kind];
        const gaps = GAP * (shapes.length - 1);
        const sum = shapes.reduce((sum, shape) => sum + (row ? shape : 1 / shape), 0);
        // In a row all pictures are equally high, in a column equally wide: `size` is that height or width.
        const fits = row ? Math.min((wide - gaps) / sum, high) : Math.min(wide, (high - gaps) / sum);
        const least = row ? Math.min((wide - gaps) / sum, 120) : Math.min(wide, 320);
        const size = Math.max(Math.min(fits, row ? largest / Math.max(...shapes) : largest), least);
        const tall = row ? size : sum * size + gaps;
        const total = Math.max(tall + screen - high,
            { "beside": controlsHigh, "words-beside": controlsHigh + GAP + wordsHigh, "above": 0 }[kind]);
        const area = size * size * sum;
        const over = Math.max(0, total - screen) / screen;
        return { kind, row, size, wordsHigh, score: area / (1 + 10 * over) * (kind === "beside" ? 1.03 : 1) };
    }
    const best = candidates.reduce((best, each) => each.score > best.score ? each : best);
    panel.dataset.layout = best.kind;
    pictures.dataset.row = best.row;
    words.style.minHeight = `${best.wordsHigh}px`;
    images.forEach((image, i) => {
        const wide = Math.floor(best.row ? best.size * shapes[i] : best.size);
        image.closest(".rlkit-frame").style.width = `${wide}px`;
    });
}

// The width up to which a picture at double resolution is not blurred.
function sharpest(image) {
    image.single = Math.min(image.single ?? Infinity, image.naturalWidth);
    return 2 * image.single / devicePixelRatio;
}

export default { render };
