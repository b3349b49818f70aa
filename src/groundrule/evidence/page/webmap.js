"use strict";
// One page, no network, no library. Everything that comes from data reaches the page as text (textContent), never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const number = (value) => value.toLocaleString("en");

  // --- data ---------------------------------------------------------------------------------------------------------
  const c = data.columns, n = c.id.length, versions = data.versions;
  const sentence = ([pattern, ...values]) => {
    let k = 0;
    return data.patterns[pattern].replace(/\u0001/g, () => String(values[k++]));
  };
  const sentences = (list) => data.lists[list].map((entry) => sentence(data.sentences[entry]));
  const RAD = Math.PI / 180;
  const mercator = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + Math.max(-85, Math.min(85, lat)) * RAD / 2)) / (2 * Math.PI);
  const px = new Float64Array(n), py = new Float64Array(n), placed = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    if (c.lat[i] === null) continue;
    placed[i] = 1;
    px[i] = c.lon[i] / 1e5 / 360 + 0.5;
    py[i] = mercator(c.lat[i] / 1e5);
  }
  const changed = new Uint8Array(n);
  if (versions.length > 1)
    for (let i = 0; i < n; i++) changed[i] = versions[0].answer[i] !== versions[1].answer[i] ? 1 : 0;
  const lines = {};
  for (const name of ["land", "borders", "sea_limits"]) {
    lines[name] = data.outlines[name].map((deltas) => {
      const count = deltas.length / 2, points = new Float32Array(2 * count), box = [9, 9, -9, -9];
      let lon = 0, lat = 0;
      for (let k = 0; k < count; k++) {
        lon += deltas[2 * k]; lat += deltas[2 * k + 1];
        const x = lon / data.outlines.scale / 360 + 0.5, y = mercator(lat / data.outlines.scale);
        points[2 * k] = x; points[2 * k + 1] = y;
        if (x < box[0]) box[0] = x; if (y < box[1]) box[1] = y;
        if (x > box[2]) box[2] = x; if (y > box[3]) box[3] = y;
      }
      return { points, box };
    });
  }

  // --- state --------------------------------------------------------------------------------------------------------
  let version = 0, selected = -1, dark = matchMedia("(prefers-color-scheme: dark)").matches, query = "";
  const answerOn = data.marks.map(() => true), kindOn = data.kinds.map(() => true);
  const visible = new Uint8Array(n);
  let order = new Int32Array(0), hits = 0;

  const canvas = $("map"), context = canvas.getContext("2d");
  let width = 1, height = 1, ratio = 1;
  const view = { x: 0.5, y: 0.42, scale: 1 };  // centre in map units of the whole world; pixels per unit

  const matches = (i) => {
    if (!query) return true;
    return c.id[i].toLowerCase().includes(query) || data.kinds[c.kind[i]].toLowerCase().includes(query)
      || data.reasons[versions[version].reason[i]][0].includes(query);
  };
  const refilter = () => {
    const answer = versions[version].answer, onlyChanged = $("changed").checked, buckets = data.marks.map(() => []);
    hits = 0;
    for (let i = 0; i < n; i++) {
      const on = answerOn[answer[i]] && kindOn[c.kind[i]] && (!onlyChanged || changed[i]) && matches(i);
      visible[i] = on ? 1 : 0;
      if (on) { hits++; if (placed[i]) buckets[answer[i]].push(i); }
    }
    order = Int32Array.from(buckets.flat());
    $("shown").textContent = `${number(hits)} of ${number(n)} terminals${hits - order.length ? `, ${number(hits - order.length)} of them without a position` : ""}`;
    counts();
    redraw();
    if (selected < 0 || query) renderPanel();
  };

  // --- drawing ------------------------------------------------------------------------------------------------------
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shape = (g, marker, s) => {  // inside a square of side 2s around the origin
    g.beginPath();
    if (marker === "o") g.arc(0, 0, s * 0.9, 0, 7);
    else if (marker === "s") g.rect(-s * 0.8, -s * 0.8, s * 1.6, s * 1.6);
    else if (marker === "D") { g.moveTo(0, -s); g.lineTo(s, 0); g.lineTo(0, s); g.lineTo(-s, 0); g.closePath(); }
    else if (marker === "^") { g.moveTo(0, -s); g.lineTo(s, s * 0.8); g.lineTo(-s, s * 0.8); g.closePath(); }
    else if (marker === "v") { g.moveTo(0, s); g.lineTo(s, -s * 0.8); g.lineTo(-s, -s * 0.8); g.closePath(); }
    else if (marker === "P") { const t = s * 0.36; g.rect(-t, -s, 2 * t, 2 * s); g.rect(-s, -t, 2 * s, 2 * t); }
    else { const t = s * 0.36, d = s * 0.72; g.moveTo(-d - t / 2, -d + t / 2); g.lineTo(-d + t / 2, -d - t / 2); g.lineTo(d + t / 2, d - t / 2); g.lineTo(d - t / 2, d + t / 2); g.closePath(); g.moveTo(d - t / 2, -d - t / 2); g.lineTo(d + t / 2, -d + t / 2); g.lineTo(-d + t / 2, d + t / 2); g.lineTo(-d - t / 2, d - t / 2); g.closePath(); }
  };
  const colour = (mark) => (dark ? mark.dark : mark.colour);
  const sprites = new Map();
  const sprite = (mark, radius) => {
    const key = `${mark.key} ${radius} ${dark} ${ratio}`;
    if (!sprites.has(key)) {
      const tile = document.createElement("canvas"), side = Math.ceil((2 * radius + 3) * ratio);
      tile.width = tile.height = side;
      const g = tile.getContext("2d");
      g.translate(side / 2, side / 2); g.scale(ratio, ratio);
      shape(g, mark.marker, radius);
      g.globalAlpha = mark.alpha; g.fillStyle = colour(mark); g.fill();
      if (radius > 2.6) { g.globalAlpha = 0.8; g.lineWidth = 0.6; g.strokeStyle = css("--land"); g.stroke(); }
      sprites.set(key, tile);
    }
    return sprites.get(key);
  };
  const icon = (mark) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 36;
    tile.setAttribute("aria-hidden", "true");
    const g = tile.getContext("2d");
    g.translate(18, 18);
    shape(g, mark.marker, 13); g.fillStyle = colour(mark); g.fill();
    return tile;
  };
  const copies = () => {  // the world repeats to both sides
    const half = width / view.scale / 2, found = [];
    for (let k = Math.floor(view.x - half); k <= Math.floor(view.x + half); k++) found.push(k);
    return found;
  };
  const trace = (set, shift, closed) => {
    const s = view.scale, left = width / 2 - (view.x - shift) * s, top = height / 2 - view.y * s;
    context.beginPath();
    for (const { points, box } of set) {
      if (box[2] * s + left < 0 || box[0] * s + left > width || box[3] * s + top < 0 || box[1] * s + top > height) continue;
      if (Math.max(box[2] - box[0], box[3] - box[1]) * s < 1) continue;
      let lastX = points[0] * s + left, lastY = points[1] * s + top;
      context.moveTo(lastX, lastY);
      for (let k = 2; k < points.length; k += 2) {
        const x = points[k] * s + left, y = points[k + 1] * s + top;
        if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.9 && k < points.length - 2) continue;
        context.lineTo(x, y); lastX = x; lastY = y;
      }
      if (closed) context.closePath();
    }
  };
  const draw = () => {
    pending = false;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = css("--sea");
    context.fillRect(0, 0, width, height);
    const far = view.scale / 256;
    for (const shift of copies()) {
      trace(lines.land, shift, true);
      context.fillStyle = css("--land"); context.fill();
      context.lineWidth = 0.7; context.strokeStyle = css("--coast"); context.stroke();
      if (far > 14) { trace(lines.sea_limits, shift, false); context.strokeStyle = css("--limit"); context.lineWidth = 1; context.stroke(); }
      trace(lines.borders, shift, false);
      context.strokeStyle = css("--border"); context.lineWidth = far > 6 ? 1 : 0.6; context.stroke();
    }
    const answer = versions[version].answer, grow = Math.max(0, Math.log2(far)), s = view.scale;
    const radii = data.marks.map((mark) => Math.round(2 * Math.min(7, (1.6 + 0.55 * grow) * Math.sqrt(mark.size) * (mark.key === "serve" ? 0.85 : 1.1))) / 2);
    for (const shift of copies()) {
      const left = width / 2 - (view.x - shift) * s, top = height / 2 - view.y * s;
      let mark = -1, tile = null, side = 0;
      for (let k = 0; k < order.length; k++) {
        const i = order[k], x = px[i] * s + left, y = py[i] * s + top;
        if (x < -10 || y < -10 || x > width + 10 || y > height + 10) continue;
        if (answer[i] !== mark) { mark = answer[i]; tile = sprite(data.marks[mark], radii[mark]); side = tile.width / ratio; }
        context.drawImage(tile, x - side / 2, y - side / 2, side, side);
      }
      if (selected >= 0 && placed[selected]) {
        context.beginPath();
        context.arc(px[selected] * s + left, py[selected] * s + top, 12, 0, 7);
        context.lineWidth = 5; context.strokeStyle = css("--bg"); context.stroke();
        context.lineWidth = 2.5; context.strokeStyle = css("--ink"); context.stroke();
      }
    }
  };
  let pending = false;
  const redraw = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };

  // --- moving about -------------------------------------------------------------------------------------------------
  const least = () => Math.max(width, height * 0.9) * 0.98;
  const settle = () => {
    view.scale = Math.min(Math.max(view.scale, least()), 256 * 2 ** 17);
    view.x -= Math.floor(view.x);
    const half = height / view.scale / 2;
    view.y = half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, view.y));
    redraw();
  };
  const zoomAt = (factor, x = width / 2, y = height / 2) => {
    const before = view.scale;
    view.scale = Math.min(Math.max(view.scale * factor, least()), 256 * 2 ** 17);
    view.x += (x - width / 2) * (1 / before - 1 / view.scale);
    view.y += (y - height / 2) * (1 / before - 1 / view.scale);
    settle();
  };
  const home = () => { view.x = 0.53; view.y = 0.42; view.scale = 0; settle(); };
  const go = (i) => {
    if (!placed[i]) return;
    view.x = px[i]; view.y = py[i];
    view.scale = Math.max(view.scale, 256 * 48);
    settle();
  };
  const resize = () => {
    const box = $("stage").getBoundingClientRect(), first = width === 1;
    width = Math.max(50, box.width); height = Math.max(50, box.height); ratio = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    if (first) home(); else settle();
    draw();  // at once: setting the size has cleared the canvas
  };
  const pick = (x, y, reach = 12) => {
    let best = -1, least = reach * reach;
    const s = view.scale;
    for (const shift of copies()) {
      const left = width / 2 - (view.x - shift) * s, top = height / 2 - view.y * s;
      for (let k = 0; k < order.length; k++) {  // later ones lie on top and win a tie
        const i = order[k], dx = px[i] * s + left - x, dy = py[i] * s + top - y, d = dx * dx + dy * dy;
        if (d <= least) { least = d; best = i; }
      }
    }
    return best;
  };
  const pointers = new Map();
  let travelled = 0, pinch = 0;
  const local = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, local(event));
    travelled = pointers.size > 1 ? 99 : 0; pinch = 0;
    canvas.classList.add("dragging");
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const [x, y] = local(event), [x0, y0] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2) {
      const [[ax, ay], [bx, by]] = [...pointers.values()], gap = Math.hypot(ax - bx, ay - by) || 1;
      if (pinch) zoomAt(gap / pinch, (ax + bx) / 2, (ay + by) / 2);
      pinch = gap;
    }
    const share = pointers.size;
    view.x -= (x - x0) / view.scale / share; view.y -= (y - y0) / view.scale / share;
    travelled += Math.abs(x - x0) + Math.abs(y - y0);
    settle();
  });
  const lift = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    pinch = 0;
    if (!pointers.size) canvas.classList.remove("dragging");
    if (event.type === "pointerup" && travelled < 6) {
      const [x, y] = local(event);
      select(pick(x, y, event.pointerType === "touch" ? 24 : 12), false);
    }
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomAt(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode ? 24 : 1))) / 260), ...local(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoomAt(2, ...local(event)));
  const inView = () => {
    const s = view.scale, found = [];
    for (const i of order) {
      const dx = ((px[i] - view.x + 1.5) % 1 - 0.5) * s, dy = (py[i] - view.y) * s;
      if (Math.abs(dx) < width / 2 && Math.abs(dy) < height / 2) found.push(i);
    }
    return found.sort((a, b) => a - b);
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (event.shiftKey ? 240 : 60) / view.scale;
    const actions = {
      ArrowLeft: () => { view.x -= step; settle(); }, ArrowRight: () => { view.x += step; settle(); },
      ArrowUp: () => { view.y -= step; settle(); }, ArrowDown: () => { view.y += step; settle(); },
      "+": () => zoomAt(1.5), "=": () => zoomAt(1.5), "-": () => zoomAt(1 / 1.5), "0": home, Escape: () => select(-1, false),
      Enter: () => select(pick(width / 2, height / 2, Infinity), false),
      n: () => step_to(1), p: () => step_to(-1),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action) { event.preventDefault(); action(); }
  });
  const step_to = (by) => {
    const found = inView();
    if (!found.length) return;
    const at = found.indexOf(selected);
    select(found[at < 0 ? 0 : (at + by + found.length) % found.length], false);
  };

  // --- panel --------------------------------------------------------------------------------------------------------
  const badge = (mark) => { const line = make("span", undefined, "badge"); line.append(icon(mark), make("span", mark.words)); return line; };
  const verdict = (i, k) => {
    const v = versions[k], box = make("div", undefined, k === version && versions.length > 1 ? "verdict now" : "verdict");
    if (versions.length > 1) box.append(make("div", v.label, "label"));
    box.append(badge(data.marks[v.answer[i]]));
    const [code, words] = data.reasons[v.reason[i]];
    box.append(make("div", words || code), make("div", code, "label"));
    for (const [heading, column] of [["Why", v.why], ["Why not", v.why_not]]) {
      const list = sentences(column[i]);
      if (!list.length) continue;
      box.append(make("h3", heading));
      const ul = make("ul");
      for (const text of list) ul.append(make("li", text));
      box.append(ul);
    }
    return box;
  };
  const RESULTS = 60;
  const renderPanel = () => {
    const panel = $("panel");
    panel.replaceChildren();
    if (selected >= 0) {
      const i = selected, close = make("button", "Back to the list");
      close.type = "button"; close.addEventListener("click", () => select(-1, false));
      panel.append(close, make("h2", c.id[i]));
      const where = placed[i] ? `${(c.lat[i] / 1e5).toFixed(4)}°, ${(c.lon[i] / 1e5).toFixed(4)}°` : "no position";
      panel.append(make("p", `${data.kinds[c.kind[i]]} · ${where}`, "facts"));
      if (changed[i]) panel.append(make("p", `Changes: ${data.marks[versions[0].answer[i]].words} → ${data.marks[versions[1].answer[i]].words}`, "note"));
      const first = version, rest = versions.map((_, k) => k).filter((k) => k !== first);
      for (const k of [first, ...rest]) panel.append(verdict(i, k));
      return;
    }
    panel.append(make("h2", query ? "Found" : "Choose a terminal"));
    panel.append(make("p", query ? `${number(hits)} terminals; ${hits > RESULTS ? `the first ${RESULTS}:` : "all of them:"}` : "Click one on the map, or search. Some that were not simply served:", "facts"));
    const list = make("ul"); list.id = "results";
    let shown = 0;
    const add = (i) => {
      const button = make("button"), item = make("li");
      button.type = "button";
      button.append(badge(data.marks[versions[version].answer[i]]), make("div", c.id[i]), make("div", `${data.kinds[c.kind[i]]} · ${data.reasons[versions[version].reason[i]][0]}`, "facts"));
      button.addEventListener("click", () => select(i, true));
      item.append(button); list.append(item); shown++;
    };
    if (query) { for (let i = 0; i < n && shown < RESULTS; i++) if (visible[i]) add(i); }
    else {
      const seen = new Set();  // one of each kind and reason, those that change first
      const offer = (i) => {
        const key = `${c.kind[i]} ${versions[version].reason[i]}`;
        if (!visible[i] || seen.has(key) || shown >= RESULTS || data.marks[versions[version].answer[i]].key === "serve" && !changed[i]) return;
        seen.add(key); add(i);
      };
      for (let i = 0; i < n; i++) if (changed[i]) offer(i);
      for (let i = 0; i < n; i++) offer(i);
    }
    panel.append(list);
  };
  const select = (i, travel) => {
    selected = i;
    if (i >= 0 && travel) go(i);
    renderPanel();
    redraw();
    history.replaceState(null, "", i >= 0 ? `#${encodeURIComponent(c.id[i])}` : "#");
  };

  // --- controls -----------------------------------------------------------------------------------------------------
  const rows = { answers: [], kinds: [] };
  const check = (parent, label, on, change, mark) => {
    const row = make("label", undefined, "check"), box = make("input"), count = make("span", "", "count");
    box.type = "checkbox"; box.checked = on;
    box.addEventListener("change", () => change(box.checked));
    row.append(box);
    if (mark) row.append(icon(mark));
    row.append(make("span", label), count);
    parent.append(row);
    return { box, count, row };
  };
  const build = () => {
    $("answers").replaceChildren(); $("kinds").replaceChildren();
    rows.answers = data.marks.map((mark, k) => check($("answers"), mark.words, answerOn[k], (on) => { answerOn[k] = on; refilter(); }, mark));
    rows.kinds = data.kinds.map((kind, k) => check($("kinds"), kind, kindOn[k], (on) => { kindOn[k] = on; refilter(); }));
  };
  const counts = () => {
    const byAnswer = data.marks.map(() => 0), byKind = data.kinds.map(() => 0), answer = versions[version].answer;
    let total = 0;
    for (let i = 0; i < n; i++) { byAnswer[answer[i]]++; byKind[c.kind[i]]++; total += changed[i]; }
    rows.answers.forEach((row, k) => {
      row.count.textContent = number(byAnswer[k]);
      row.row.hidden = !versions.some((v) => v.used.includes(k));
    });
    rows.kinds.forEach((row, k) => { row.count.textContent = number(byKind[k]); });
    $("changed-count").textContent = number(total);
  };
  const setKinds = (on) => { kindOn.fill(on); rows.kinds.forEach((row) => { row.box.checked = on; }); refilter(); };
  $("all-kinds").addEventListener("click", () => setKinds(true));
  $("no-kinds").addEventListener("click", () => setKinds(false));
  $("changed").addEventListener("change", refilter);
  $("search").addEventListener("input", (event) => { query = event.target.value.trim().toLowerCase(); selected = -1; refilter(); });
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    for (let i = 0; i < n; i++) if (visible[i]) { select(i, true); break; }
  });
  $("in").addEventListener("click", () => zoomAt(1.6));
  $("out").addEventListener("click", () => zoomAt(1 / 1.6));
  $("home").addEventListener("click", home);
  $("fold").addEventListener("click", () => {
    const side = $("side"); side.hidden = !side.hidden;
    $("fold").setAttribute("aria-expanded", String(!side.hidden)); resize();
  });
  const applyTheme = () => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").setAttribute("aria-pressed", String(dark));
    build(); counts(); renderPanel(); redraw();
  };
  $("theme").addEventListener("click", () => { dark = !dark; applyTheme(); });
  if (versions.length > 1) {
    $("versions").hidden = false; $("changed-row").hidden = false;
    versions.forEach((v, k) => {
      const button = make("button", v.label, "segment");
      button.type = "button";
      button.addEventListener("click", () => {
        version = k;
        for (const [j, other] of [...$("versions").querySelectorAll("button")].entries()) other.setAttribute("aria-pressed", String(j === k));
        refilter(); renderPanel();
      });
      button.setAttribute("aria-pressed", String(k === 0));
      $("versions").append(button);
    });
  }
  applyTheme();
  refilter();
  resize();
  new ResizeObserver(resize).observe($("stage"));
  const follow = () => {
    const wanted = decodeURIComponent(location.hash.slice(1)), at = wanted ? c.id.indexOf(wanted) : -1;
    if (at >= 0 && at !== selected) select(at, true);
  };
  window.addEventListener("hashchange", follow);
  follow();
})();
