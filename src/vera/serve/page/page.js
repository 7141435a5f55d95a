// The page of `vera serve`: state comes from the server (server-sent events), choices and paintings are kept here until the call is made.
// Texts from files and from the server are only ever set as text, never as HTML.

const $ = (id) => document.getElementById(id);
const MARK = document.querySelector("meta[name=mark]").content;
const SVG = "http://www.w3.org/2000/svg";
const CHECKS = 10;
let texts = {};
let people = [];       // as the server tells
let shownKey = null;   // the person that is shown
const drafts = new Map();  // by person: choices, strokes, regions

// ---- small helpers

function t(key, values = {}) {
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value ?? ""), texts[key] ?? key);
}
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const pathOf = (rings) => rings.map((ring) => "M" + ring.map((point) => point.join(" ")).join("L") + "Z").join("");
function say(text) { $("said").textContent = text; }
function rebuildIf(element, signature, build) {
  const text = JSON.stringify([signature, document.documentElement.lang]);
  if (element.dataset.signature === text) return;
  element.dataset.signature = text;
  element.replaceChildren(...build());
}
async function ask(method, path, body, raw = false) {
  const headers = method === "GET" ? {} : { "x-vera-mark": MARK };
  const answer = await fetch(path, { method, headers, body: raw || body === undefined ? body : JSON.stringify(body) })
    .catch(() => { throw new Error(t("lost")); });
  if (answer.ok) return answer;
  let said = `${answer.status}`;
  try { said = (await answer.json()).error; } catch { /* an answer without a sentence: its number has to do */ }
  throw new Error(said);
}
const current = () => people.find((person) => person.key === shownKey);
const address = (person) => `/api/people/${person.key}`;
function draft(person) {
  if (!drafts.has(person.key)) {
    drafts.set(person.key, { preserve: new Set(), strokes: new Map(), regions: new Map(), face: null, photograph: null, compared: null });
  }
  return drafts.get(person.key);
}
const boxOf = (kept, photograph) => photograph.look?.faces[(kept.face ?? 1) - 1]?.box;
function nameOf(person) { return person.person || t("person_n", { n: people.indexOf(person) + 1 }); }

// ---- a stage: a picture that can be zoomed, with drawings over it in the picture's own pixels

class Stage {
  constructor(host, label) {
    this.scale = 1;
    this.view = "whole";
    this.size = [1, 1];
    this.sheet = make("div", { class: "sheet" });
    this.svg = draw("svg", { preserveAspectRatio: "none" });
    this.box = make("div", { class: "stage", tabindex: "0", role: "group" }, this.sheet);
    this.label = label;
    const button = (key, act) => make("button", { type: "button", "data-text": key, onclick: act });
    this.bar = make("div", { class: "bar" },
      button("fit", () => this.fit()), button("the_face", () => this.look()), button("one_to_one", () => this.zoom(1 / devicePixelRatio)),
      button("closer", () => this.zoom(this.scale * 1.5)), button("farther", () => this.zoom(this.scale / 1.5)));
    host.append(this.box, this.bar);
    new ResizeObserver(() => { if (this.view === "whole") this.fit(); else if (this.view === "face") this.look(); else this.zoomed?.(); }).observe(this.box);
    this.box.addEventListener("scroll", () => this.zoomed?.());
  }
  show(images, size, face) {  // size: [height, width]; face: [left, top, right, bottom], which is looked at first
    [this.size, this.face] = [size, face];
    this.svg.setAttribute("viewBox", `0 0 ${size[1]} ${size[0]}`);
    this.sheet.replaceChildren(...images, this.svg);
    this.look();
  }
  look() {
    this.fit();
    if (!this.face) return;
    const [left, top, right, bottom] = this.face;
    this.zoom(Math.max(this.scale, Math.min(this.box.clientWidth / (right - left), this.box.clientHeight / (bottom - top)) / 1.7));
    this.box.scrollLeft = ((left + right) / 2) * this.scale - this.box.clientWidth / 2;
    this.box.scrollTop = ((top + bottom) / 2) * this.scale - this.box.clientHeight / 2;
    this.view = "face";
  }
  fit() {
    this.zoom(Math.min(this.box.clientWidth / this.size[1], this.box.clientHeight / this.size[0]));
    this.view = "whole";
  }
  zoom(scale) {
    const box = this.box, before = this.scale;
    const middle = [(box.scrollLeft + box.clientWidth / 2) / before, (box.scrollTop + box.clientHeight / 2) / before];
    this.scale = Math.min(Math.max(scale, 0.01), 16);
    this.view = null;
    this.sheet.style.width = `${this.size[1] * this.scale}px`;
    this.sheet.style.height = `${this.size[0] * this.scale}px`;
    this.box.classList.toggle("sharp", this.scale * devicePixelRatio >= 5);
    box.scrollLeft = middle[0] * this.scale - box.clientWidth / 2;
    box.scrollTop = middle[1] * this.scale - box.clientHeight / 2;
    this.zoomed?.();
  }
  place(event) {  // of the pointer, in the picture's pixels
    const box = this.sheet.getBoundingClientRect();
    return [(event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale].map((value) => Math.round(value * 10) / 10);
  }
}

// ---- painting

const painter = new Stage($("painter"), "stage_paint");
let tool = "move";
let line = null;      // the stroke that is being made
let cross = [0, 0];   // the keyboard's place
const strokes = () => {
  const kept = draft(current());
  if (!kept.strokes.has(kept.photograph)) kept.strokes.set(kept.photograph, []);
  return kept.strokes.get(kept.photograph);
};
// The brush's width is chosen on the screen and kept in the photograph's pixels, so that it suits every zoom.
const margin = () => ($("margin").checkValidity() ? Number($("margin").value) : 0);
const radius = () => Math.max(0.5, Math.round((Number($("radius").value) / 2 / painter.scale) * 10) / 10);

function strokeShape(stroke) {
  const colour = stroke.kind === "erase" ? "black" : "white";
  const d = "M" + stroke.points.map((point) => point.join(" ")).join("L");
  if (stroke.kind === "polygon") return draw("path", { d: d + "Z", fill: colour });
  const dot = stroke.points.length === 1 ? "l0 0" : "";
  return draw("path", { d: d + dot, fill: "none", stroke: colour, "stroke-width": 2 * stroke.radius, "stroke-linecap": "round", "stroke-linejoin": "round" });
}
function drawPainting() {
  const person = current();
  if (!person) return;
  const kept = draft(person), [height, width] = painter.size;
  const found = kept.regions.get(kept.photograph);
  const parts = [];
  for (const region of Array.isArray(found) ? found : []) {
    const chosen = kept.preserve.has(region.name);
    if (!region.rings || !(chosen || kept.near === region.name)) continue;
    const shape = { d: pathOf(region.rings), transform: "translate(.5 .5)" }, wide = 2 * margin() * region.mm;
    if (chosen && wide > 0) parts.push(draw("path", { ...shape, class: "margin", "stroke-width": wide }));
    parts.push(draw("path", { ...shape, class: chosen ? "ring chosen" : "ring near", "fill-rule": "evenodd" }));
  }
  const all = [...strokes(), ...(line && line.kind !== "polygon" ? [line] : [])];
  if (all.length) {
    parts.push(draw("mask", { id: "painted", maskUnits: "userSpaceOnUse", x: 0, y: 0, width, height }, ...all.map(strokeShape)),
      draw("rect", { width, height, class: "paint", mask: "url(#painted)" }));
  }
  if (line?.kind === "polygon") parts.push(draw("polyline", { points: line.points.map((point) => point.join(",")).join(" "), class: "draft" }));
  if (tool !== "move" && document.activeElement === painter.box) {
    const [x, y] = cross, arm = 10 / painter.scale;
    parts.push(draw("path", { d: `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`, class: "cursor" }));
    if (tool !== "polygon") parts.push(draw("circle", { cx: x, cy: y, r: radius(), class: "cursor" }));
  }
  painter.svg.replaceChildren(...parts);
  $("undo").disabled = $("clear").disabled = !strokes().length && !line;
}
painter.zoomed = drawPainting;
function finishLine() {
  if (line && (line.kind !== "polygon" || line.points.length > 2)) strokes().push(line);
  line = null;
  drawPainting();
}
function choose(next) {
  if (line) finishLine();
  tool = next;
  painter.box.dataset.tool = tool;
  for (const button of document.querySelectorAll("[data-tool]")) {
    if (button !== painter.box) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
  cross = [(painter.box.scrollLeft + painter.box.clientWidth / 2) / painter.scale, (painter.box.scrollTop + painter.box.clientHeight / 2) / painter.scale].map(Math.round);
  drawPainting();
}
painter.box.addEventListener("pointerdown", (event) => {
  if (tool === "move" || event.button || !painter.sheet.contains(event.target)) return;
  event.preventDefault();
  painter.box.focus({ preventScroll: true });
  cross = painter.place(event);
  if (tool === "polygon") {
    line ??= { kind: "polygon", radius: 0, points: [] };
    const first = line.points[0];
    if (line.points.length > 2 && Math.hypot(cross[0] - first[0], cross[1] - first[1]) * painter.scale < 10) return finishLine();
    line.points.push(cross);
  } else {
    line = { kind: tool, radius: radius(), points: [cross] };
    painter.svg.setPointerCapture(event.pointerId);
  }
  drawPainting();
});
painter.box.addEventListener("pointermove", (event) => {
  if (tool === "move" || !painter.sheet.contains(event.target)) return;
  cross = painter.place(event);
  if (line && line.kind !== "polygon") line.points.push(cross);
  drawPainting();
});
painter.box.addEventListener("pointerup", () => { if (line && line.kind !== "polygon") finishLine(); });
painter.box.addEventListener("dblclick", () => { if (line) finishLine(); });
painter.box.addEventListener("focus", drawPainting);
painter.box.addEventListener("blur", drawPainting);
painter.box.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (tool === "move" || event.ctrlKey || event.altKey || event.metaKey) return;
  const step = steps[event.key];
  if (step) {
    const far = event.shiftKey ? 1 : Math.max(1, Math.round(10 / painter.scale)), [height, width] = painter.size;
    cross = [Math.min(Math.max(cross[0] + step[0] * far, 0), width), Math.min(Math.max(cross[1] + step[1] * far, 0), height)];
    const box = painter.box, at = [cross[0] * painter.scale, cross[1] * painter.scale];
    if (at[0] < box.scrollLeft || at[0] > box.scrollLeft + box.clientWidth) box.scrollLeft = at[0] - box.clientWidth / 2;
    if (at[1] < box.scrollTop || at[1] > box.scrollTop + box.clientHeight) box.scrollTop = at[1] - box.clientHeight / 2;
  } else if (event.key === " ") {
    if (tool === "polygon") { line ??= { kind: "polygon", radius: 0, points: [] }; line.points.push([...cross]); }
    else strokes().push({ kind: tool, radius: radius(), points: [[...cross]] });
  } else if (event.key === "Enter" && line) finishLine();
  else if (event.key === "Escape" && line) line = null;
  else return;
  event.preventDefault();
  drawPainting();
});
for (const button of document.querySelectorAll("button[data-tool]")) button.addEventListener("click", () => choose(button.dataset.tool));
$("undo").addEventListener("click", () => { if (line) line = null; else strokes().pop(); drawPainting(); });
$("clear").addEventListener("click", () => { line = null; strokes().length = 0; drawPainting(); });
for (const id of ["radius", "margin"]) $(id).addEventListener("input", drawPainting);

// ---- 1. photographs

async function upload(list) {
  let person = current();
  if (!person) return;
  for (const file of list) {
    say(t("uploading", { name: file.name }));
    try { await ask("PUT", `${address(person)}/photographs/${encodeURIComponent(file.name)}`, file, true); say(""); }
    catch (error) { say(`${file.name}: ${error.message}`); return; }
  }
}
$("files").addEventListener("change", (event) => { upload([...event.target.files]); event.target.value = ""; });
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (kind === "drop") upload([...event.dataTransfer.files]);
  });
}
addEventListener("dragover", (event) => event.preventDefault());  // a photograph that misses the field is not opened
addEventListener("drop", (event) => event.preventDefault());

function card(person, photograph) {
  const { look, problem, name, number } = photograph, kept = draft(person);
  const parts = [make("span", { class: "name" }, name)];
  if (look) {
    const [height, width] = look.size;
    const rings = look.faces.map((face, place) => draw("path", {
      d: pathOf([face.outline.length ? face.outline : [[face.box[0], face.box[1]], [face.box[2], face.box[1]], [face.box[2], face.box[3]], [face.box[0], face.box[3]]]]),
      class: (kept.face ?? 1) === place + 1 ? "face-ring" : "face-ring other" }));
    parts.unshift(make("div", { class: "thumb" }, make("img", { src: `${address(person)}/photographs/${number}/view`, alt: name }),
      draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...rings)));
    const count = look.faces.length;
    parts.push(make("span", { class: count ? "" : "warn" }, count === 1 ? t("one_face") : count ? t("several_faces", { n: count }) : t("no_face")));
    if (count > 1) {
      const select = make("select", { "aria-label": t("several_faces", { n: count }), onchange: (event) => { kept.face = Number(event.target.value); kept.regions.clear(); render(); } });
      for (let n = 1; n <= count; n += 1) select.append(make("option", { value: n, selected: n === (kept.face ?? 1) }, t("face_n", { n })));
      parts.push(select);
    }
    if (look.further) parts.push(make("span", { class: "warn" }, t("further_faces")));
    for (const warning of [look.turned, ...look.warnings].filter(Boolean)) parts.push(make("span", { class: "warn" }, warning));
  } else parts.push(make("span", { class: problem ? "error" : "hint" }, problem ?? t("reading")));
  parts.push(make("button", { type: "button", onclick: () => ask("DELETE", `${address(person)}/photographs/${number}`).catch((error) => say(error.message)) }, t("remove", { name })));
  return make("li", {}, ...parts);
}

// ---- 2. regions and painting

async function loadRegions(person, photograph) {
  const kept = draft(person);
  kept.regions.set(photograph.number, "asked");
  try {
    kept.regions.set(photograph.number, await (await ask("GET", `${address(person)}/photographs/${photograph.number}/regions?face=${kept.face ?? 1}`)).json());
  } catch (error) { kept.regions.set(photograph.number, error.message); }
  render();
}
function regionRow(kept, region) {
  const box = make("input", { type: "checkbox", value: region.name, checked: kept.preserve.has(region.name), disabled: !region.rings,
    onchange: (event) => { kept.preserve[event.target.checked ? "add" : "delete"](region.name); drawPainting(); } });
  const near = (name) => () => { kept.near = name; drawPainting(); };
  return make("label", { class: region.rings ? "tick" : "tick missing", title: region.missing, onpointerenter: near(region.name), onpointerleave: near(null) },
    box, make("span", {}, (texts[`region_${region.name}`] ?? region.name.replaceAll("_", " ")) + (region.rings ? "" : ` (${t("missing")})`)));
}
function renderKeep(person) {
  const kept = draft(person), ready = person.photographs.filter((photograph) => photograph.look?.faces.length);
  $("s-keep").hidden = !ready.length;
  if (!ready.length) return;
  if (!ready.some((photograph) => photograph.number === kept.photograph)) kept.photograph = ready[0].number;
  const shown = ready.find((photograph) => photograph.number === kept.photograph);
  if (!kept.regions.has(shown.number)) loadRegions(person, shown);
  const found = kept.regions.get(shown.number);
  rebuildIf($("regions"), [person.key, shown.number, typeof found === "string" ? found : found.length, kept.face], () =>
    typeof found === "string" ? [make("p", { class: found === "asked" ? "hint" : "error" }, found === "asked" ? t("regions_wait") : found)]
      : found.map((region) => regionRow(kept, region)));
  rebuildIf($("tabs"), [person.key, ready.map((photograph) => photograph.name), shown.number], () => ready.map((photograph) =>
    make("button", { type: "button", "aria-pressed": String(photograph === shown), onclick: () => { if (line) finishLine(); kept.photograph = photograph.number; render(); } }, photograph.name)));
  const source = `${address(person)}/photographs/${shown.number}/view`;
  if (painter.source !== source) {
    painter.source = source;
    painter.box.setAttribute("aria-label", t("stage_paint", { name: shown.name }));
    painter.show([make("img", { src: source, alt: "", draggable: "false" })], shown.look.size, boxOf(kept, shown));
  }
  drawPainting();
}

// ---- 3. and 4. the call

const way = () => document.querySelector("input[name=way]:checked").value;
function choices(person, changes = {}) {
  const kept = draft(person), drawn = {};
  for (const [number, list] of kept.strokes) if (list.length) drawn[number] = list;
  const asked = { preserve: [...kept.preserve].map((name) => (margin() > 0 ? `${name}+${margin()}mm` : name)), drawn, rename: $("rename").checked };
  const several = person.photographs.some((photograph) => photograph.look?.faces.length > 1 || photograph.look?.further);
  if (several && $("leave-others").checked) Object.assign(asked, { face: kept.face ?? 1, leave_others: true });
  if ($("upright").checked && !$("upright-row").hidden) asked.upright = true;
  if ($("person").value.trim()) asked.person = $("person").value.trim();
  if (["cover", "pixelate", "blur"].includes(way())) asked.method = way();
  else {
    asked.keep_identity = $("keep-identity").checked;
    if (way() === "earlier") asked.use_identity = true;
    else if ($("seed").value) asked.seed = Number($("seed").value);
  }
  return { ...asked, ...changes };
}
async function run(changes) {
  const person = current();
  if (line) finishLine();
  const wrong = ["margin", ...(way() === "new" ? ["seed"] : [])].map($).find((field) => !field.checkValidity());
  if (wrong) {
    if (wrong.closest("details")) wrong.closest("details").open = true;
    return void wrong.reportValidity();  // the browser says what is wrong, at its place
  }
  $("run-error").hidden = true;
  try { await ask("POST", `${address(person)}/run`, choices(person, changes)); }
  catch (error) { $("run-error").textContent = error.message; $("run-error").hidden = false; }
}
$("run").addEventListener("click", () => run({}));
$("cancel").addEventListener("click", () => ask("POST", `${address(current())}/cancel`).catch((error) => say(error.message)));
$("another").addEventListener("click", () => {
  const seed = current().outcome.seed + 1;
  $("seed").value = seed;
  document.querySelector("input[name=way][value=new]").checked = true;
  renderWay();
  run({ seed });
});
$("identity").addEventListener("change", async (event) => {
  try { await ask("PUT", `${address(current())}/identity`, event.target.files[0], true); } catch (error) { say(error.message); }
  event.target.value = "";
});
function renderWay() {
  const hides = ["cover", "pixelate", "blur"].includes(way());
  $("earlier-row").hidden = way() !== "earlier";
  $("keep-row").hidden = hides;
  $("seed-row").hidden = way() !== "new";
}
for (const radio of document.querySelectorAll("input[name=way]")) radio.addEventListener("change", renderWay);

let awaited = null;   // the person whose result is waited for
function renderRun(person) {
  const busy = ["waiting", "running"].includes(person.state);
  $("run").disabled = busy || !person.photographs.length;
  $("run").textContent = t(person.outcome ? "run_again" : "run");
  $("cancel").hidden = $("progress-row").hidden = !busy;
  const step = person.step;
  const done = step?.of ? step.done % step.of || step.of : 0;  // a search that goes on begins anew
  if (done) { $("progress").max = step.of; $("progress").value = done; } else $("progress").removeAttribute("value");
  $("progress-said").textContent = !busy ? "" : person.state === "waiting" ? t("queue")
    : `${texts[`step_${step?.what}`] ?? step?.what ?? ""}${done ? ` ${done} / ${step.of}` : ""}`;
  if (person.state === "cancelled") { $("run-error").textContent = t("cancelled"); $("run-error").hidden = false; }
  if (busy || person.state === "written") $("run-error").hidden = true;
}

// ---- 5. the result

const compare = new Stage($("compare"), "stage_compare");
compare.over = make("img", { alt: "", draggable: "false" });
compare.under = make("img", { alt: "", draggable: "false" });
compare.divider = make("div", { class: "divider" });
const sides = make("div", { class: "sides" }, make("span"), make("span"));
const slide = make("input", { type: "range", min: 0, max: 100, value: 50, step: 0.5, class: "slide", "data-label": "slider" });
const outlined = make("input", { type: "checkbox", checked: true });
$("compare").append(sides, slide, make("label", { class: "tick" }, outlined, make("span", { "data-text": "outline" })));
function slideTo() {  // the slider goes over what is in sight, not over the whole picture
  const wide = compare.size[1] * compare.scale, seen = Math.min(compare.box.clientWidth, wide);
  const at = compare.box.scrollLeft + (slide.value / 100) * seen;
  compare.over.style.clipPath = `inset(0 0 0 ${at}px)`;
  compare.divider.style.left = `${at}px`;
}
compare.zoomed = slideTo;
slide.addEventListener("input", slideTo);
outlined.addEventListener("change", () => { compare.svg.style.display = outlined.checked ? "" : "none"; });

function pairs(person) {
  const { files } = person.outcome, shown = person.photographs.filter((_, place) => files[place]?.[0].endsWith(".png"));
  const made = (place) => `${address(person)}/results/${encodeURIComponent(files[place][0])}?${person.outcome.seed}-${person.outcome.seconds}`;
  const found = shown.map((photograph) => {
    const place = person.photographs.indexOf(photograph);
    return { title: t("source_result", { name: photograph.name }), size: photograph.look?.size ?? [1000, 1000], rings: person.rings[place] ?? [], face: boxOf(draft(person), photograph),
      under: `${address(person)}/photographs/${photograph.number}/view`, over: made(place), sides: [t("source"), t("made")] };
  });
  if (shown.length > 1) {
    const [first, last] = [0, person.photographs.indexOf(shown.at(-1))];
    found.push({ ...found[0], title: t("before_after"), under: made(first), over: made(last), sides: [t("first"), t("last")] });
  }
  return found;
}
function cell(number) { return make("td", {}, number == null ? "–" : number.toFixed(3)); }
function renderResult(person) {
  const outcome = person.outcome, ended = ["written", "refused", "failed"].includes(person.state);
  $("s-result").hidden = !ended;
  if (!ended) return;
  const verdict = outcome?.verdict ?? "REFUSED", written = person.state === "written", kept = draft(person);
  $("verdict").className = `verdict ${verdict}`;
  $("verdict-word").textContent = t(verdict);
  $("verdict-said").textContent = t(`${verdict}_said`, { reason: person.message });
  $("verdict-do").textContent = written ? "" : t("REFUSED_do");
  rebuildIf($("facts"), [person.key, outcome, person.state], () => {
    const parts = [];
    if (outcome?.recognisers.length) {
      const several = outcome.recognisers.some((one) => one.between != null), columns = ["nearest", "needed", ...(several ? ["between", "alike"] : [])];
      const head = make("tr", {}, ...["recogniser", ...columns].map((key) => make("th", { scope: "col" }, t(key))));
      const rows = outcome.recognisers.map((one) => make("tr", {}, make("th", { scope: "row" }, one.name), ...columns.map((key) => cell(one[key]))));
      parts.push(make("div", { class: "facts-scroll", tabindex: "0", role: "group", "aria-label": t("distances") }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
    }
    if (outcome?.warnings.length) parts.push(make("h3", {}, t("warnings")), make("ul", {}, ...outcome.warnings.map((warning) => make("li", {}, warning))));
    if (written && outcome.seed != null) parts.push(make("p", { class: "hint" }, t("seed_is", { seed: outcome.seed, seconds: outcome.seconds?.toFixed(1) })));
    if (written && outcome.files.some(([image]) => image.endsWith(".dcm"))) parts.push(make("p", { class: "warn" }, t("dicom")));
    return parts;
  });
  $("written").hidden = !written;
  $("another").hidden = outcome?.seed == null || outcome.identity === "given";  // of a refused face, too: another may pass
  if (!written) return;
  const all = pairs(person);
  $("compare").hidden = $("result-tabs").hidden = !all.length;
  if (!all.length) return;
  kept.compared = Math.min(kept.compared ?? 0, all.length - 1);
  const shown = all[kept.compared];
  rebuildIf($("result-tabs"), [person.key, all.map((one) => one.title), kept.compared], () => all.map((one, place) =>
    make("button", { type: "button", "aria-pressed": String(place === kept.compared), onclick: () => { kept.compared = place; render(); } }, one.title)));
  if (compare.shown !== shown.under + shown.over) {
    compare.shown = shown.under + shown.over;
    [compare.under.src, compare.over.src] = [shown.under, shown.over];
    compare.show([compare.under, compare.over], shown.size, shown.face);
    compare.sheet.append(compare.divider);
    compare.svg.replaceChildren(draw("path", { d: pathOf(shown.rings), transform: "translate(.5 .5)", class: "ring" }));
    compare.box.setAttribute("aria-label", t("stage_compare"));
    slideTo();
  }
  [sides.children[0].textContent, sides.children[1].textContent] = shown.sides;
}

// ---- 6. review and download

function renderReview(person) {
  $("s-review").hidden = person.state !== "written";
  if (person.state !== "written") return;
  rebuildIf($("checklist"), [person.key, person.outcome], () => Array.from({ length: CHECKS }, (_, place) =>
    make("li", {}, make("label", { class: "tick" }, make("input", { type: "checkbox", value: place + 1 }), make("span", {}, t(`check_${place + 1}`))))));
  $("checklist").hidden = $("reviewer-row").hidden = person.reviewed;
  $("confirm").textContent = t(person.reviewed ? "download" : "confirm");
}
$("confirm").addEventListener("click", async () => {
  const person = current(), path = address(person);
  $("review-error").hidden = true;
  try {
    if (!person.reviewed) {
      const open = $("checklist").querySelector("input:not(:checked)") ?? ($("reviewer").value.trim() ? null : $("reviewer"));
      if (open) {
        open.focus();
        throw new Error(t(open === $("reviewer") ? "reviewer_missing" : "checks_missing"));
      }
      const checked = [...$("checklist").querySelectorAll("input:checked")].map((box) => Number(box.value));
      await ask("POST", `${path}/review`, { reviewer: $("reviewer").value, checked });
    }
    make("a", { href: `${path}/result.zip`, download: "anonymized.zip" }).click();
  } catch (error) { $("review-error").textContent = error.message; $("review-error").hidden = false; }
});

// ---- people

$("add-person").addEventListener("click", () => show(newKey()));
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(16).padStart(2, "0")).join("");
function show(key) {
  shownKey = key;
  line = null;
  for (const id of ["person", "seed"]) $(id).value = "";
  for (const id of ["leave-others", "upright", "keep-identity"]) $(id).checked = false;
  $("margin").value = 0;
  $("run-error").hidden = $("review-error").hidden = true;
  painter.source = compare.shown = null;
  render();
}
function renderPeople() {
  rebuildIf($("people"), [people.map((person) => [person.key, person.state, person.person]), shownKey], () => people.map((person) => {
    const name = nameOf(person);
    const close = () => !person.fresh && window.confirm(t("close_sure", { name })) && ask("DELETE", address(person)).catch((error) => say(error.message));
    const open = make("button", { type: "button", "aria-current": String(person.key === shownKey), onclick: () => show(person.key) }, name, make("small", {}, t(`state_${person.state}`)));
    return make("li", {}, open, make("button", { type: "button", "aria-label": t("close_person", { name }), onclick: close }, "×"));
  }));
}
function showResult(person) {  // where the call ends, its result comes into sight, unless something else is being done
  if (["waiting", "running"].includes(person.state)) awaited = person.key;
  else if (awaited === person.key) {
    awaited = null;
    const idle = document.activeElement === document.body || $("s-run").contains(document.activeElement);
    if (idle && !$("s-result").hidden) $("verdict").focus();
  }
}
function render() {
  if (!people.some((person) => person.key === shownKey)) {  // a new person is the server's with the first photograph
    shownKey ??= newKey();
    people = [...people.filter((person) => !person.fresh), { key: shownKey, state: "open", photographs: [], rings: [], fresh: true }];
  }
  const person = current(), kept = draft(person);
  renderPeople();
  rebuildIf($("cards"), [person.key, person.photographs, kept.face], () => person.photographs.map((photograph) => card(person, photograph)));
  const looks = person.photographs.map((photograph) => photograph.look).filter(Boolean);
  $("others-row").hidden = !looks.some((look) => look.faces.length + look.further > 1);
  $("upright-row").hidden = !looks.some((look) => look.turned);
  $("s-face").hidden = $("s-run").hidden = !looks.length;
  $("identity-said").textContent = person.identity ? t("identity_ready") : "";
  renderKeep(person);
  renderWay();
  renderRun(person);
  renderResult(person);
  renderReview(person);
  showResult(person);
}

// ---- texts and news

async function speak(language) {
  texts = await (await fetch(`/static/texts_${language}.json`)).json();
  document.documentElement.lang = language;
  $("language").value = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
}
$("language").addEventListener("change", async (event) => { await speak(event.target.value); render(); });

addEventListener("beforeunload", (event) => {  // what is chosen and painted is in this page alone
  if ([...drafts.values()].some((kept) => kept.preserve.size || [...kept.strokes.values()].some((list) => list.length))) event.preventDefault();
});
function listen() {
  const news = new EventSource("/api/events");
  news.addEventListener("message", (event) => {
    $("lost").hidden = true;
    const before = current(), fresh = before?.fresh;
    people = JSON.parse(event.data).people;
    if (before && !current() && !fresh) {  // closed, here or in another tab
      drafts.delete(shownKey);
      return show(people[0]?.key ?? null);
    }
    if (!shownKey && people.length) return show(people[0].key);
    render();
  });
  news.addEventListener("error", async () => {
    const ended = news.readyState === EventSource.CLOSED && (await fetch("/api/state").catch(() => null))?.status === 401;
    $("lost").dataset.text = ended ? "ended" : "lost";  // a server that was started anew does not know this page
    $("lost").textContent = t($("lost").dataset.text);
    $("lost").hidden = false;
    if (news.readyState === EventSource.CLOSED && !ended) setTimeout(listen, 2000);
  });
}
await speak(navigator.language.startsWith("de") ? "de" : "en");
choose("move");
listen();
