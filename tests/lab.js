// What lab.py runs on the page. JupyterLab is there as `jupyterapp`.
window.lab = {
    notebook: () => jupyterapp.shell.currentWidget.content,

    idle() {
        const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
        const kernel = session?.session?.kernel;
        return session?.isReady && kernel?.status === "idle" && kernel.connectionStatus === "connected";
    },

    // Start a command of JupyterLab's menus. `answer` tells when it has ended: waiting here would block the driver.
    begin(command, options) {
        lab.answer = undefined;
        jupyterapp.commands.execute(command, options).then(
            () => { lab.answer = "done"; },
            error => { lab.answer = String(error); });
    },

    // Scroll to the first cell with this text in its source.
    select(text) {
        const index = lab.notebook().widgets.findIndex(cell => cell.model.sharedModel.getSource().includes(text));
        if (index >= 0) {
            lab.notebook().activeCellIndex = index;
            lab.notebook().scrollToItem(index, "start");
        }
        return index >= 0;
    },

    inSight() {
        const box = document.querySelector(".jp-Cell.jp-mod-active .jp-InputArea")?.getBoundingClientRect();
        return box && box.height > 0 && box.top < innerHeight / 2 && box.bottom > 0;
    },

    // The numbers of the cells that show a table.
    cellsWithTables: () => lab.notebook().widgets.flatMap((cell, number) => {
        const outputs = cell.model.type === "code" ? JSON.stringify(cell.model.outputs.toJSON()) : "";
        const source = cell.model.type === "markdown" ? cell.model.sharedModel.getSource() : "";
        return /^\|/m.test(source) || /\| ---|<table/.test(outputs) ? [number] : [];
    }),

    showCell(number) {
        lab.notebook().activeCellIndex = number;
        lab.notebook().scrollToItem(number, "start");
    },

    // [width, the width there is for it] of each table of a cell; null as long as it has none.
    tables(number) {
        const tables = [...lab.notebook().widgets[number].node.querySelectorAll("table")];
        const room = table => table.closest(".jp-RenderedMarkdown, .jp-RenderedHTML").clientWidth;
        return tables.length ? tables.map(table => [table.offsetWidth, room(table)]) : null;
    },

    // Has a panel its picture, and a layout that no longer changes?
    settled(panel) {
        const found = document.querySelector(panel), images = [...found?.querySelectorAll(".rlkit-image") ?? []];
        const now = JSON.stringify([found?.getBoundingClientRect(), images.map(image => image.naturalWidth)]);
        const settled = now === lab.before && images.length && images.every(image => image.naturalWidth);
        lab.before = now;
        return settled;
    },

    outline: () => [
        lab.notebook().widgets.map(cell => cell.model.type),
        lab.notebook().activeCellIndex,
        document.querySelectorAll(".jp-Notebook .jp-mod-collapsed").length,
    ],

    selectLast() { lab.notebook().activeCellIndex = lab.notebook().widgets.length - 1; },

    write(source) { lab.notebook().activeCell.model.sharedModel.setSource(source); },

    // From the model, so that cells off the screen count too.
    codeCells: () => lab.notebook().widgets.filter(cell => cell.model.type === "code").map(
        cell => ({ count: cell.model.executionCount, outputs: cell.model.outputs.toJSON() })),

    // The contrast of an element's text with its background, as WCAG 2.2 defines it: from 1 to 21.
    contrast(element) {
        const numbers = colour => colour.match(/[\d.]+/g).map(Number);
        const luminance = colour => colour
            .map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const transparent = node => numbers(getComputedStyle(node).backgroundColor)[3] === 0;
        let ground = element;
        while (ground.parentElement && transparent(ground)) ground = ground.parentElement;
        const back = numbers(getComputedStyle(ground).backgroundColor).slice(0, 3);
        const [red, green, blue, alpha = 1] = numbers(getComputedStyle(element).color);
        const letters = luminance([red, green, blue].map((c, i) => alpha * c + (1 - alpha) * back[i]));
        const behind = luminance(back);
        return (Math.max(letters, behind) + 0.05) / (Math.min(letters, behind) + 0.05);
    },

    // The texts of the visible cell that are hard to read, of elements that `selector` finds.
    pale: selector => [...document.querySelectorAll(".jp-Cell.jp-mod-active .jp-OutputArea")]
        .flatMap(area => [...area.querySelectorAll(selector)])
        .filter(element => element instanceof HTMLElement && element.checkVisibility() && !element.disabled)
        .filter(element => [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()))
        .filter(element => lab.contrast(element) < 4.5)
        .map(element => `${lab.contrast(element).toFixed(1)}: ${element.textContent.slice(0, 80)}`),

    // How many pixels of a picture have nearly this colour, [red, green, blue].
    coloured(image, colour) {
        const canvas = Object.assign(document.createElement("canvas"),
            { width: image.naturalWidth, height: image.naturalHeight });
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
            count += colour.reduce((far, value, k) => far + Math.abs(value - data[i + k]), 0) < 60;
        }
        return count;
    },

    // What is cut off in the output of the visible cell: an output, the text of a button, a label.
    cutOff: () => [".jp-OutputArea-output", ".jupyter-button", ".widget-label"]
        .flatMap(part => [...document.querySelectorAll(".jp-Cell.jp-mod-active " + part)])
        .filter(element => element.scrollWidth > element.clientWidth + 1)
        .map(element => `${element.scrollWidth} px in ${element.clientWidth}: ${element.textContent.slice(0, 80)}`),
};
