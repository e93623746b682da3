"use strict";
(() => {
  const make = (name, attributes = {}, ...inner) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inner);
    return element;
  };
  const minus = (text) => (/[1-9]/.test(text) ? text.replace("-", "−") : text.replace(/^[-+]/, ""));
  const grouped = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");

  // Theme: follows the system until somebody says otherwise; remembered in this page only.
  const theme = make("button", { type: "button", class: "theme" });
  const dark = () => (document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; name(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  document.querySelector(".top").append(theme);
  name();

  // A table, whoever made its rows: sorted by raw values, undefined ones last, filtered, drawn in portions.
  const control = (table, rows, portion) => {
    let order = rows.keys, shown = portion, wanted = "";
    const picked = new Map();
    const status = make("span", { role: "status" });
    const more = make("button", { type: "button", class: "plain" });
    const body = table.tBodies[0];
    const draw = () => {
      const found = order.filter((k) => (!wanted || rows.text(k).includes(wanted))
        && [...picked].every(([column, word]) => rows.value(k, column, false) === word));
      body.replaceChildren(...found.slice(0, shown).map(rows.element));
      more.hidden = found.length <= shown;
      more.textContent = `Show ${grouped(Math.min(portion, found.length - shown))} more of ${grouped(found.length)}`;
      if (wanted || picked.size) status.textContent = `${grouped(found.length)} of ${grouped(rows.keys.length)} rows`;
    };
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      const numeric = head.classList.contains("num");
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const up = now ? now === "descending" : !numeric;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const sign = up ? 1 : -1, value = new Map(rows.keys.map((k) => [k, rows.value(k, column, numeric)]));
        order = [...rows.keys].sort((a, b) => {
          const x = value.get(a), y = value.get(b);
          if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1;
          return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true })) || a - b;
        });
        draw();
        status.textContent = `Sorted by ${button.textContent}, ${up ? "ascending" : "descending"}`;
      });
    });
    const tools = make("div", { class: "tools" });
    const reset = () => { if (!wanted && !picked.size) status.textContent = ""; };
    if (rows.keys.length > 12) {
      const input = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
      input.addEventListener("input", () => { wanted = input.value.trim().toLowerCase(); shown = portion; draw(); reset(); });
      tools.append(make("label", {}, "Find", input));
    }
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.dataset.filter === undefined) return;
      const words = [...new Set(rows.keys.map((k) => rows.value(k, column, false)))].filter((word) => word !== null).sort();
      const select = make("select", {}, make("option", { value: "" }, "all"), ...words.map((word) => make("option", {}, word)));
      select.addEventListener("change", () => {
        if (select.value) picked.set(column, select.value); else picked.delete(column);
        shown = portion; draw(); reset();
      });
      tools.append(make("label", {}, head.textContent, select));
    });
    tools.append(status);
    more.addEventListener("click", () => { shown += portion; draw(); });
    const place = table.parentElement;
    place.before(tools);
    place.after(more);
    draw();
  };

  document.querySelectorAll("table.sortable").forEach((table) => {
    const elements = [...table.tBodies[0].rows];
    const cells = elements.map((row) => [...row.cells]);
    control(table, {
      keys: elements.map((_, k) => k),
      element: (k) => elements[k],
      text: (k) => elements[k].textContent.toLowerCase(),
      value: (k, j, numeric) => {
        const cell = cells[k][j];
        if (!numeric) return cell.textContent === "–" ? null : cell.textContent;
        return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
      },
    }, Infinity);
  });

  // Long tables: columns of whole numbers and coded words, decoded when they are looked at.
  const sources = new Map();
  const read = (id) => {
    if (sources.has(id)) return sources.get(id);
    const data = JSON.parse(document.getElementById(id).textContent);
    const at = (list, k) => (Array.isArray(list) ? list[k] : list);
    for (const column of data.columns) {
      const part = (list, k) => { const v = at(list, k); return v === null ? null : v / column.s; };
      column.value = (k) => (column.words ? column.words[at(column.v, k)] : part(column.v, k));
      column.code = (k) => at(column.v, k);
      column.text = (k) => {
        const v = column.value(k), d = column.digits;
        if (v === null) return "–";
        switch (column.kind) {
          case "signed": return minus((v < 0 ? "" : "+") + v.toFixed(d));
          case "count": return minus(grouped(v));
          case "percent": return minus((100 * v).toFixed(1)) + "%";
          case "p": return v < 1e-4 ? "< 0.0001" : v.toFixed(4);
          case "interval": { const w = part(column.w, k); return w === null ? "–" : `[${minus(v.toFixed(d))}, ${minus(w.toFixed(d))}]`; }
          case "text": return v;
          default: return minus(v.toFixed(d));
        }
      };
    }
    data.column = (word) => data.columns.find((column) => column.name === word);
    sources.set(id, data);
    return data;
  };

  const build = (place) => {
    if (place.querySelector("table")) return;
    const data = read(place.dataset.source), made = new Map();
    const head = data.columns.map((c) => {
      const cell = make("th", { scope: "col" }, c.title);
      if (c.kind !== "text") cell.className = "num";
      if (c.help) cell.title = c.help;
      return cell;
    });
    const element = (k) => {
      if (!made.has(k)) {
        made.set(k, make("tr", {}, ...data.columns.map((c, j) => {
          const full = c.full && c.full[c.code(k)];
          const inner = c.words ? make("bdi", full ? { title: full } : {}, c.text(k)) : c.text(k);
          return make(j ? "td" : "th", j ? (c.words ? {} : { class: "num" }) : { scope: "row" }, inner);
        })));
      }
      return made.get(k);
    };
    const table = make("table", {}, make("caption", { class: "unseen" }, place.dataset.caption),
      make("thead", {}, make("tr", {}, ...head)), make("tbody"));
    place.append(make("div", { class: "scroll tall", role: "group", tabindex: "0", "aria-label": place.dataset.caption }, table));
    control(table, {
      keys: Array.from({ length: data.n }, (_, k) => k),
      element,
      text: (k) => data.columns.filter((c) => c.words).map((c) => c.text(k)).join(" ").toLowerCase(),
      value: (k, j) => { const v = data.columns[j].value(k); return v === "–" ? null : v; },
    }, 100);
  };
  document.querySelectorAll(".lazy").forEach((place) => {
    const folded = place.closest("details");
    if (!folded || folded.open) build(place);
    else folded.addEventListener("toggle", () => build(place), { once: true });
  });

  // Large matrices: the pair under the pointer, or under the cursor moved by the arrow keys, is read out below.
  document.querySelectorAll(".reader").forEach((reader) => {
    const out = document.querySelector(`.readout[data-for="${reader.dataset.source}"]`);
    let pairs = null, i = 0, j = 1;
    const say = (svg) => {
      const data = read(reader.dataset.source), a = data.column("a"), b = data.column("b");
      pairs = pairs || new Map(Array.from({ length: data.n }, (_, k) => [`${a.code(k)} ${b.code(k)}`, k]));
      const hit = svg.querySelector(".hit"), cursor = svg.querySelector(".cursor"), cell = Number(hit.dataset.cell);
      cursor.setAttribute("x", Number(hit.getAttribute("x")) + j * cell);
      cursor.setAttribute("y", Number(hit.getAttribute("y")) + i * cell);
      cursor.setAttribute("visibility", "visible");
      const straight = pairs.get(`${i} ${j}`), k = straight ?? pairs.get(`${j} ${i}`);
      const names = `${i + 1} ${a.words[i]} − ${j + 1} ${a.words[j]}`;
      if (i === j) out.textContent = `${i + 1} ${a.words[i]}`;
      else if (k === undefined) out.textContent = `${names}: not compared`;
      else {
        const d = data.column("difference"), v = d.value(k), told = data.column("verdict").text(k);
        const size = v === null ? "undefined" : minus((straight === undefined ? -v : v) < 0 ? (-Math.abs(v)).toFixed(d.digits) : "+" + Math.abs(v).toFixed(d.digits));
        const p = data.column("p_adjusted") || data.column("p_value");
        out.textContent = `${names}: ${size}, ${p.title} ${p.text(k)}, ${/better/.test(told) ? "told apart" : told}`;
      }
    };
    const visible = () => [...reader.querySelectorAll("svg")].find((svg) => svg.getClientRects().length);
    reader.tabIndex = 0;
    reader.setAttribute("role", "group");
    reader.setAttribute("aria-label", "Differences: the arrow keys move from pair to pair");
    out.textContent = "Point at a cell, or use the arrow keys, to read a pair.";
    reader.addEventListener("pointermove", (event) => {
      const hit = event.target.closest(".hit");
      if (!hit) return;
      const box = hit.getBoundingClientRect(), k = Number(hit.dataset.k);
      const at = (share) => Math.min(Math.max(Math.floor(share * k), 0), k - 1);
      const row = at((event.clientY - box.top) / box.height), column = at((event.clientX - box.left) / box.width);
      if (row !== i || column !== j) { i = row; j = column; say(hit.ownerSVGElement); }
    });
    reader.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      const svg = visible();
      if (!step || !svg) return;
      event.preventDefault();
      const k = Number(svg.querySelector(".hit").dataset.k);
      i = Math.min(Math.max(i + step[0], 0), k - 1);
      j = Math.min(Math.max(j + step[1], 0), k - 1);
      say(svg);
    });
  });

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { if (!d.querySelector(".lazy")) d.open = true; }));
})();
