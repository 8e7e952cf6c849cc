// A question on the page: buttons, a line of numbers or a curve to draw. The truth arrives from the kernel only after an
// answer. Positions are shares of the width or height, from 0 to 1; all texts and numbers are made in ask.py.

const WIDE = 720;

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function svg(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function button(text, kind, click) {
  const made = node("button", { type: "button", class: `rlkit-ask-button ${kind}` }, text);
  made.addEventListener("click", click);
  return made;
}

const within = (value, low, high) => Math.min(Math.max(value, low), high);

// Where the pointer is -> x and y in the units of the picture
function place(event, picture) {
  const box = picture.getBoundingClientRect();
  const scale = picture.viewBox.baseVal.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

// Call `move(x, y, first)` when the pointer is pressed on the picture, and while it is dragged.
function drag(picture, move) {
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    move(...place(event, picture), true);
    event.preventDefault();
  });
  picture.addEventListener("pointermove", (event) => {
    if (picture.hasPointerCapture(event.pointerId)) move(...place(event, picture), false);
  });
}

// Options --------------------------------------------------------------------------------------------------------------

function options(model, body) {
  const truth = model.get("truth");
  const row = node("div", { class: "rlkit-ask-options" });
  model.get("options").forEach((text, i) => {
    const made = button(text, "option", () => model.get("done") || model.send({ do: "answer", guess: i }));
    if (model.get("done")) {
      made.setAttribute("aria-disabled", "true");
      if (i === truth.right) made.classList.add("right");
      if (i === model.get("guess")) made.classList.add("chosen");
    }
    row.append(made);
  });
  body.append(row);
}

// A line of numbers ----------------------------------------------------------------------------------------------------

function number(model, body) {
  const { label, stops, ticks, marks } = model.get("line");
  const left = 40, width = WIDE - 80, y = 84;
  const at = (share) => left + width * share;
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} 146`, class: "rlkit-ask-picture" });
  picture.append(svg("line", { class: "axis", x1: left, x2: left + width, y1: y, y2: y }));
  for (const [share, text] of ticks) {
    picture.append(svg("line", { class: "axis", x1: at(share), x2: at(share), y1: y, y2: y + 7 }));
    picture.append(svg("text", { class: "tick", x: at(share), y: y + 24 }, text));
  }
  picture.append(svg("text", { class: "tick", x: at(0.5), y: y + 48 }, label));

  // Three lines of text above the axis: they may be at the same place. The lowest is the guess and is drawn last.
  const truth = model.get("done") ? model.get("truth") : null;
  if (truth) mark(picture, "truth", at(truth.share), y, truth.text, -66);
  for (const [share, text] of marks) mark(picture, "given", at(share), y, text, -44);
  const guess = svg("g", { class: "guess" });
  guess.append(svg("path", { d: "M 0 0 L -9 -16 L 9 -16 Z" }));
  const said = svg("text", { class: "value", x: 0, y: -22 });
  guess.append(said);
  if (!truth || truth.guessed) picture.append(guess);

  const show = (i) => {
    model.local = i;
    guess.setAttribute("transform", `translate(${at(stops[i][0])} ${y})`);
    said.textContent = stops[i][1];
    guess.setAttribute("aria-valuenow", i);
    guess.setAttribute("aria-valuetext", stops[i][1]);
  };
  show(truth ? (model.get("guess") ?? 0) : (model.local ?? 0));
  if (!truth) {
    const control = { tabindex: 0, role: "slider", "aria-label": model.get("words").guess_of };
    Object.assign(control, { "aria-valuemin": 0, "aria-valuemax": stops.length - 1 });
    for (const [name, value] of Object.entries(control)) guess.setAttribute(name, value);
    const nearest = (share) => {
      let best = 0;
      stops.forEach(([s], i) => { if (Math.abs(s - share) < Math.abs(stops[best][0] - share)) best = i; });
      return best;
    };
    picture.classList.add("live");
    drag(picture, (x) => { show(nearest(within((x - left) / width, 0, 1))); guess.focus({ preventScroll: true }); });
    const big = Math.max(1, Math.round(stops.length / 10));
    const keys = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: big, PageDown: -big };
    guess.addEventListener("keydown", (event) => {
      const to = event.key === "Home" ? 0 : event.key === "End" ? stops.length - 1 : model.local + keys[event.key];
      if (Number.isNaN(to)) return;
      event.preventDefault();
      show(within(to, 0, stops.length - 1));
    });
  } else picture.setAttribute("aria-hidden", "true"); // the reply says it in words
  body.append(picture);
}

function mark(picture, kind, x, y, text, up) {
  picture.append(svg("line", { class: kind, x1: x, x2: x, y1: y + up + 4, y2: y }));
  const anchor = x > WIDE * 0.8 ? "end" : x < WIDE * 0.2 ? "start" : "middle";
  picture.append(svg("text", { class: `value ${kind}`, x, y: y + up, "text-anchor": anchor }, text));
}

// A curve to draw ------------------------------------------------------------------------------------------------------

function curve(model, body) {
  const { x, y, places, heights, given, names } = model.get("axes");
  const left = 74, top = 12, width = WIDE - 100, height = 230;
  const at = (share) => left + width * share;
  const up = (share) => top + height * (1 - share);
  const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"} ${at(a).toFixed(1)} ${up(b).toFixed(1)}`).join(" ");
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} 300`, class: "rlkit-ask-picture" });
  const clip = svg("clipPath", { id: `clip-${Math.random().toString(36).slice(2)}` });
  clip.append(svg("rect", { x: left, y: top, width, height }));
  const inside = svg("g", { "clip-path": `url(#${clip.id})` });
  picture.append(clip);
  for (const [share, text] of x.ticks) {
    picture.append(svg("line", { class: "grid", x1: at(share), x2: at(share), y1: top, y2: top + height }));
    picture.append(svg("text", { class: "tick", x: at(share), y: top + height + 20 }, text));
  }
  for (const [share, text] of y.ticks) {
    picture.append(svg("line", { class: "grid", x1: left, x2: left + width, y1: up(share), y2: up(share) }));
    picture.append(svg("text", { class: "tick", x: left - 8, y: up(share) + 5, "text-anchor": "end" }, text));
  }
  picture.append(svg("text", { class: "tick", x: at(0.5), y: top + height + 44 }, x.label));
  picture.append(svg("text", { class: "tick", transform: `translate(18 ${up(0.5)}) rotate(-90)` }, y.label));
  picture.append(inside);
  if (given.length) inside.append(svg("path", { class: "line given", d: path(given) }));

  const done = model.get("done"), truth = model.get("truth");
  if (done) {
    for (const seed of truth.seeds) inside.append(svg("path", { class: "line seed", d: path(seed) }));
    inside.append(svg("path", { class: "line truth", d: path(truth.curve) }));
  }
  const yours = done ? model.get("guess") : (model.local ??= Array(places.length).fill(Math.floor(heights.length / 2)));
  const share = (i) => i / (heights.length - 1);
  const line = svg("path", { class: `line yours${done || model.drawn ? "" : " untouched"}` });
  if (yours) inside.append(line);
  const draw = () => line.setAttribute("d", path(yours.map((i, k) => [places[k][0], share(i)])));
  if (yours) draw();

  if (!done) {
    const handles = places.map(([s, text], k) => {
      const handle = svg("circle", { class: "handle", r: 8, cx: at(s), role: "slider", tabindex: k ? -1 : 0 });
      handle.setAttribute("aria-label", `${y.label}, ${x.label} ${text}`);
      handle.setAttribute("aria-orientation", "vertical");
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", heights.length - 1);
      picture.append(handle);
      return handle;
    });
    const set = (k, i) => {
      yours[k] = i;
      handles[k].setAttribute("cy", up(share(i)));
      handles[k].setAttribute("aria-valuenow", i);
      handles[k].setAttribute("aria-valuetext", heights[i]);
    };
    const touched = () => {
      model.drawn = true;
      line.classList.remove("untouched");
      body.parentElement.querySelector(".send")?.removeAttribute("disabled");
      draw();
    };
    yours.forEach((i, k) => set(k, i));
    const focus = (k) => {
      handles.forEach((handle, other) => handle.setAttribute("tabindex", other === k ? 0 : -1));
      handles[k].focus({ preventScroll: true });
    };
    handles.forEach((handle, k) => handle.addEventListener("keydown", (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const end = { Home: 0, End: heights.length - 1 }[event.key];
      if (up === undefined && along === undefined && end === undefined) return;
      event.preventDefault();
      if (along) return focus(within(k + along, 0, places.length - 1));
      set(k, end ?? within(yours[k] + up, 0, heights.length - 1));
      touched();
    }));
    picture.classList.add("live");
    let before = null;
    drag(picture, (px, py, first) => {
      const now = [within((px - left) / width, 0, 1), within(1 - (py - top) / height, 0, 1)];
      const from = first ? now : before;
      const [low, high] = from[0] < now[0] ? [from, now] : [now, from];
      const reach = 0.5 / places.length; // a point follows a pointer that passes near it
      places.forEach(([s], k) => {
        if (first ? Math.abs(s - now[0]) > reach : s < low[0] - 0.004 || s > high[0] + 0.004) return;
        const part = high[0] === low[0] ? 1 : within((s - low[0]) / (high[0] - low[0]), 0, 1);
        const height = first ? now[1] : low[1] + part * (high[1] - low[1]);
        set(k, Math.round(height * (heights.length - 1)));
      });
      before = now;
      touched();
    });
  } else picture.setAttribute("aria-hidden", "true"); // the reply says it in words
  body.append(picture, legend(names, given.length, done, yours));
}

function legend(names, given, done, yours) {
  const made = node("div", { class: "rlkit-ask-legend" });
  const entries = [["given", given], ["yours", yours], ["truth", done]];
  for (const [kind, shown] of entries) {
    if (!shown) continue;
    const sample = svg("svg", { viewBox: "0 0 36 8", width: 36, height: 8, "aria-hidden": "true" });
    sample.append(svg("path", { class: `line ${kind}`, d: "M 0 4 L 36 4" }));
    made.append(node("span", {}, sample, ` ${names[kind]}`));
  }
  return made;
}

// A class that raises hands --------------------------------------------------------------------------------------------

function hands(model, body) {
  const words = model.get("words"), groups = model.get("groups"), truth = model.get("truth");
  const counts = (model.hands ??= [...model.get("counts")]);
  const table = node("div", { class: "rlkit-ask-hands" });
  const bars = [], numbers = [];
  const show = () => {
    const most = Math.max(1, ...counts), all = counts.reduce((sum, count) => sum + count, 0);
    counts.forEach((count, i) => {
      bars[i].style.width = `${(100 * count) / most}%`;
      numbers[i].value = count;
      numbers[i].nextSibling.textContent = all ? `${Math.round((100 * count) / all)} %` : "";
    });
  };
  groups.forEach((text, i) => {
    const change = (by) => { counts[i] = Math.max(0, counts[i] + by); show(); };
    const row = node("div", { class: "rlkit-ask-group" });
    if (model.get("done") && i === truth.group) row.classList.add("right");
    const less = button("−", "count", () => change(-1)), more = button("+1", "count", () => change(1));
    less.setAttribute("aria-label", `${words.less}: ${text}`);
    more.setAttribute("aria-label", `${words.more}: ${text}`);
    const field = node("input", { type: "number", min: 0, value: counts[i], "aria-label": `${words.count}: ${text}` });
    field.addEventListener("change", () => { counts[i] = Math.max(0, Math.round(field.valueAsNumber) || 0); show(); });
    if (model.get("done")) for (const part of [less, more, field]) part.disabled = true;
    const bar = node("div", { class: "rlkit-ask-bar" });
    const held = node("div", { class: "rlkit-ask-bar-space", "aria-hidden": "true" }, bar);
    bars.push(bar);
    numbers.push(field);
    row.append(node("span", { class: "rlkit-ask-name" }, text), less, more, field, node("span", { class: "share" }), held);
    table.append(row);
  });
  show();
  body.append(table);
}

// The whole ------------------------------------------------------------------------------------------------------------

// Keep keys from JupyterLab and Notebook, where an arrow would leave the question, but for Tab and keys with Ctrl.
function keepKeys(root, signal) {
  const forTheApplication = (event) =>
    event.ctrlKey || event.metaKey || event.altKey || ["Tab", "Escape", "Shift"].includes(event.key) ||
    (event.key === "Enter" && event.shiftKey);
  window.addEventListener("keydown", (event) => {
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", !forTheApplication(event));
  }, { capture: true, signal });
  root.addEventListener("keydown", (event) => forTheApplication(event) || event.stopPropagation(), { signal });
}

function render({ model, el }) {
  const words = model.get("words");
  const question = node("div", { class: "rlkit-ask-question" });
  const body = node("div"), foot = node("div", { class: "rlkit-ask-foot" });
  const reply = node("div", { class: "rlkit-ask-reply", role: "status", tabindex: -1 });
  const root = node("div", { class: "rlkit-ask", role: "group", tabindex: -1 });
  question.innerHTML = model.get("question");
  root.setAttribute("aria-label", question.textContent);
  root.append(question, body, foot, reply);

  // A restarted kernel knows nothing of this question: Jupyter marks the box around it.
  const isLost = () => Boolean(el.closest(".jupyter-widgets-disconnected"));
  let lost;
  const update = () => {
    const done = model.get("done"), counting = model.get("hands"), kind = model.get("kind");
    const focused = root.contains(document.activeElement);
    body.replaceChildren();
    foot.replaceChildren();
    root.classList.toggle("large", counting);
    (counting ? hands : { options, number, curve }[kind])(model, body);
    if (!done) {
      if (counting) foot.append(button(words.show, "send", () => model.send({ do: "count", counts: model.hands })));
      else if (kind !== "options") {
        const send = button(words.send, "send", () => model.send({ do: "answer", guess: model.local }));
        send.disabled = kind === "curve" && !model.drawn;
        foot.append(send);
      }
      if (kind === "curve") foot.append(node("span", { class: "rlkit-ask-hint" }, words.hint));
      foot.append(button(words.skip, "quiet", () => model.send({ do: "skip" })));
      if (model.get("groups").length) {
        foot.append(button(counting ? words.alone : words.hands, "quiet", () => model.send({ do: "hands", on: !counting })));
      }
    }
    lost = isLost();
    body.inert = lost && !done;
    if (body.inert) for (const part of root.querySelectorAll("button, input")) part.disabled = true;
    reply.innerHTML = body.inert ? words.lost : model.get("reply");
    if (done && focused) reply.focus({ preventScroll: true });
  };
  update();
  const ended = new AbortController();
  keepKeys(root, ended.signal);
  model.on("change:done change:hands", update);
  const kernel = new MutationObserver(() => isLost() === lost || update());
  const placed = new ResizeObserver(() => {
    const box = el.closest(".jupyter-widgets");
    if (!box) return;
    placed.disconnect();
    kernel.observe(box, { attributes: true, attributeFilter: ["class"] });
    if (isLost()) update();
  });
  placed.observe(el);
  el.append(root);
  return () => {
    ended.abort();
    placed.disconnect();
    kernel.disconnect();
    model.off("change:done change:hands", update);
  };
}

export default { render };
