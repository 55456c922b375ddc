// The table of suspects: sorted, filtered, in pages, with details; and a filter for files. All else
// is there without it.
"use strict";
// Files whose rows have the text that is typed.
(() => {
  const filter = document.getElementById("file-filter");
  if (!filter) return;
  const rows = [...document.querySelectorAll("#files tbody tr, #files li")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const choose = () => {
    const wanted = filter.value.trim().toLowerCase();
    rows.forEach((row, i) => { row.hidden = !texts[i].includes(wanted); });
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("file-count").textContent = wanted ? `${shown} of ${rows.length}` : "";
  };
  filter.addEventListener("input", choose);
  filter.closest(".filters").hidden = false;
})();
(() => {
  const element = (id) => document.getElementById(id);
  const source = element("data");
  if (!source) return;
  let data;
  try {
    data = JSON.parse(source.textContent);
  } catch {
    return; // the first rows are in the page
  }
  source.textContent = "";

  // The places of a row (src/report/html/data.rs).
  const [RANK, PRIORITY, TIER, SCORE, FILE_ID, PAGE_ID, TYPE, WRONG, CAUSE, OBJECT, FILE, INCIDENT,
    COLOUR, TERMS, SUMS, LINES, WORDS] = Array(17).keys();
  const TERM_NAMES = ["consequence", "certainty", "incident", "recovery", "blast"];
  const PAGE_ROWS = 100;
  const PRINTED_ROWS = 200;
  const PAGE_BYTES = 8192;
  const { texts, rows } = data;
  const number = new Intl.NumberFormat("en").format;
  const words = new Intl.Collator("en", { numeric: true });

  // Columns in the order of the headings: what is shown, and whether it sorts as text.
  const columns = [
    { place: RANK, text: (row) => row[RANK], classes: "number" },
    { place: PRIORITY, asText: true, tag: true, text: (row) => texts[row[PRIORITY]] },
    { place: TIER, asText: true, text: (row) => texts[row[TIER]] },
    { place: SCORE, text: (row) => row[SCORE], classes: "number wide", descends: true },
    { place: PAGE_ID, first: FILE_ID, text: address },
    { place: TYPE, asText: true, text: (row) => texts[row[TYPE]], classes: "wide" },
    { place: WRONG, asText: true, text: (row) => texts[row[WRONG]] },
    { place: CAUSE, asText: true, text: (row) => texts[row[CAUSE]], classes: "wide" },
    { place: OBJECT, asText: true, text: (row) => texts[row[OBJECT]] },
    { place: FILE, asText: true, text: (row) => texts[row[FILE]], classes: "wide" },
  ];

  const table = element("table");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const filter = element("filter");
  const selects = [
    ["by-priority", PRIORITY], ["by-tier", TIER], ["by-cause", CAUSE], ["by-file", FILE],
  ].map(([id, place]) => ({ select: element(id), place }));

  const open = new Set(); // indices of rows whose details are shown
  const all = rows.map((_, i) => i);
  let sorted = all;
  let shown = all;
  let sorting = { column: 0, up: true };
  let page = 0;
  let haystacks = null;

  function address(row) {
    return `(${row[FILE_ID]}:${row[PAGE_ID]})`;
  }

  // A text with what the row itself holds put in.
  function filled(text, row) {
    return text.replace(/[\u0001-\u0006]/g, (mark) => {
      switch (mark) {
        case "\u0001": return address(row);
        case "\u0002": return "0x" + (row[PAGE_ID] * PAGE_BYTES).toString(16).padStart(14, "0");
        case "\u0003": return row[SUMS][0];
        case "\u0004": return row[SUMS][1];
        case "\u0005": return row[PAGE_ID] * PAGE_BYTES;
        default: return "0x" + ((row[SUMS][0] ^ row[SUMS][1]) >>> 0).toString(16).padStart(8, "0");
      }
    });
  }

  function make(name, classes, text) {
    const made = document.createElement(name);
    if (classes) made.className = classes;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Sorting ------------------------------------------------------------------------------------

  // The place of each text in the alphabet, for those that one column uses.
  function ordinals(place) {
    const used = [...new Set(rows.map((row) => row[place]))];
    used.sort((a, b) => words.compare(texts[a], texts[b]));
    return new Map(used.map((text, ordinal) => [text, ordinal]));
  }

  function sort(column, up) {
    const { place, asText, first } = columns[column];
    const ordinal = asText ? ordinals(place) : null;
    const key = (row) => (ordinal ? ordinal.get(row[place]) : row[place]);
    const major = first === undefined ? () => 0 : (a, b) => rows[a][first] - rows[b][first];
    const keys = rows.map(key);
    const sign = up ? 1 : -1;
    sorted = [...all].sort((a, b) => sign * (major(a, b) || keys[a] - keys[b]) || a - b);
    sorting = { column, up };
    headings.forEach((heading, i) => {
      if (i === column) heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      else heading.removeAttribute("aria-sort");
    });
    choose();
  }

  // Filtering ----------------------------------------------------------------------------------

  // All that a row's columns show, in lower case; made when it is first asked for.
  function haystack(i) {
    haystacks ??= rows.map((row) => columns.map((c) => c.text(row)).join("\n").toLowerCase());
    return haystacks[i];
  }

  // "#1-3, 7": a test for these ranks; undefined if it is no list of ranks.
  function rankTest(text) {
    if (!/^#\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*[\s,.]*$/.test(text)) return undefined;
    const runs = text.match(/\d+(\s*-\s*\d+)?/g).map((run) => run.split("-").map(Number));
    return (i) => runs.some(([from, to = from]) => rows[i][RANK] >= from && rows[i][RANK] <= to);
  }

  function textTest() {
    const wanted = filter.value.trim().toLowerCase();
    if (!wanted) return () => true;
    const incident = /^incident:\s*(\d+)$/.exec(wanted);
    if (incident) return (i) => rows[i][INCIDENT] === Number(incident[1]);
    return rankTest(wanted) ?? ((i) => haystack(i).includes(wanted));
  }

  function choose() {
    const tests = [textTest()];
    for (const { select, place } of selects) {
      if (select.value !== "") {
        const wanted = Number(select.value);
        tests.push((i) => rows[i][place] === wanted);
      }
    }
    shown = sorted.filter((i) => tests.every((test) => test(i)));
    page = 0;
    draw();
  }

  // Drawing ------------------------------------------------------------------------------------

  function draw() {
    const last = Math.max(0, Math.ceil(shown.length / PAGE_ROWS) - 1);
    page = Math.min(Math.max(page, 0), last);
    fill(shown.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS));
    const of = number(rows.length);
    element("count").textContent = shown.length === rows.length
      ? `${of} suspect page${rows.length === 1 ? "" : "s"}`
      : `${number(shown.length)} of ${of}`;
    element("pages").hidden = last === 0;
    element("page").textContent = `Page ${number(page + 1)} of ${number(last + 1)}`;
    for (const button of element("pages").querySelectorAll("button")) {
      const isBack = ["first", "previous"].includes(button.dataset.go);
      button.disabled = isBack ? page === 0 : page === last;
    }
  }

  function fill(indices) {
    const parts = document.createDocumentFragment();
    for (const i of indices) {
      parts.append(rowOf(i));
      if (open.has(i)) parts.append(detailsOf(i));
    }
    if (indices.length === 0) {
      const cell = make("td", "nothing", "No suspect fits the filter.");
      cell.colSpan = columns.length;
      parts.append(make("tr"));
      parts.lastChild.append(cell);
    }
    body.replaceChildren(parts);
  }

  function rowOf(i) {
    const row = rows[i];
    const made = make("tr", "suspect");
    made.dataset.index = i;
    columns.forEach((column, n) => {
      const cell = make("td", column.classes);
      if (n === 0) {
        const button = make("button", "opens", row[RANK]);
        button.type = "button";
        button.setAttribute("aria-expanded", open.has(i));
        button.setAttribute("aria-label", `Suspect ${row[RANK]}, details`);
        cell.append(button);
      } else if (column.tag) {
        cell.append(make("span", `tag ${row[COLOUR]}`, column.text(row)));
      } else {
        cell.textContent = column.text(row);
      }
      made.append(cell);
    });
    return made;
  }

  function detailsOf(i) {
    const row = rows[i];
    const made = make("tr", "details");
    const cell = make("td");
    cell.colSpan = columns.length;
    const list = make("dl", "facts");
    for (const line of row[LINES]) {
      const [label, value] = filled(typeof line === "number" ? texts[line] : line, row).split("\t");
      list.append(fact(label, label === "Sectors" ? sectors(value) : value));
    }
    list.append(fact("Score", score(row)));
    const [action, message, end] = row[WORDS].map((text) => filled(texts[text], row));
    const side = make("div");
    side.append(make("h3", "", "What to do"), make("p", "action", action));
    side.append(make("h3", "", "As SQL Server would say"));
    side.append(make("p", "message", end ? `${message}. ${end}` : message));
    const box = make("div", "detail");
    box.append(list, side);
    cell.append(box);
    made.append(cell);
    return made;
  }

  function fact(label, value) {
    const made = make("div");
    const shown = make("dd");
    shown.append(value);
    made.append(make("dt", "", label), shown);
    return made;
  }

  function sectors(letters) {
    const made = make("span", "sectors");
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", `sectors: ${letters}`);
    const classes = { 0: "zero", p: "fill", n: "noise" };
    for (const letter of letters) {
      made.append(make("i", classes[letter], letter === "." ? "\u00b7" : letter));
    }
    return made;
  }

  // The terms as parts of a bar, and as a sum.
  function score(row) {
    const made = make("span", "score");
    const terms = row[TERMS].map((points, n) => ({ points, name: TERM_NAMES[n], n }));
    const present = terms.filter(({ points }) => points > 0);
    if (present.length > 0) {
      const bar = make("span", "terms");
      for (const { points, name, n } of present) {
        const part = make("i", `term${n}`);
        part.style.flexGrow = points;
        part.title = `${name} ${points}`;
        bar.append(part);
      }
      made.append(bar, present.map(({ points, name }) => `${points} ${name}`).join(" + "), " = ");
    }
    made.append(make("b", "", row[SCORE]));
    return made;
  }

  // What people do -----------------------------------------------------------------------------

  function toggle(made) {
    const i = Number(made.dataset.index);
    const isOpen = open.delete(i) ? false : Boolean(open.add(i));
    made.querySelector(".opens").setAttribute("aria-expanded", isOpen);
    if (isOpen) made.after(detailsOf(i));
    else made.nextElementSibling.remove();
  }

  function go(where) {
    page = { first: 0, previous: page - 1, next: page + 1, last: Infinity }[where];
    draw();
  }

  // Arrows go from row to row, and over the edges to the next page.
  function move(from, step) {
    const buttons = [...body.querySelectorAll(".opens")];
    const to = buttons.indexOf(from) + step;
    if (buttons[to]) return buttons[to].focus();
    const before = page;
    go(step > 0 ? "next" : "previous");
    if (page === before) return from.focus();
    const drawn = [...body.querySelectorAll(".opens")];
    return drawn.at(step > 0 ? 0 : -1).focus();
  }

  function jump(wanted) {
    for (const { select } of selects) select.value = "";
    filter.value = wanted;
    choose();
    element("suspects").scrollIntoView();
    filter.focus({ preventScroll: true });
  }

  function listen() {
    body.addEventListener("click", (event) => {
      const made = event.target.closest("tr.suspect");
      if (made && !String(getSelection())) toggle(made);
    });
    body.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || !event.target.matches(".opens")) return;
      event.preventDefault();
      move(event.target, step);
    });
    headings.forEach((heading, column) => {
      const button = make("button", "", heading.textContent);
      button.type = "button";
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const isSame = sorting.column === column;
        sort(column, isSame ? !sorting.up : !columns[column].descends);
      });
    });
    filter.addEventListener("input", choose);
    for (const { select } of selects) select.addEventListener("change", choose);
    element("clear").addEventListener("click", () => jump(""));
    element("pages").addEventListener("click", (event) => {
      if (event.target.dataset.go) go(event.target.dataset.go);
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button.jump");
      if (button) jump(button.dataset.filter);
    });
    addEventListener("beforeprint", print);
    addEventListener("afterprint", printed);
  }

  // On paper nothing can be opened: the first rows are, and all cards.
  let closed = [];
  function print() {
    const before = [...open];
    const printed = shown.slice(0, PRINTED_ROWS);
    printed.forEach((i) => open.add(i));
    fill(printed);
    open.clear();
    before.forEach((i) => open.add(i));
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const card of closed) card.open = true;
    if (shown.length > PRINTED_ROWS) {
      element("count").textContent = `the first ${PRINTED_ROWS} of ${number(shown.length)}`;
    }
  }

  function printed() {
    for (const card of closed) card.open = false;
    draw();
  }

  // Choices that a report offers; a choice of one is none.
  function offer({ select, place }) {
    for (const text of ordinals(place).keys()) {
      const option = make("option", "", texts[text] || "(none)");
      option.value = text;
      select.append(option);
    }
    select.parentElement.hidden = select.options.length < 3;
  }

  selects.forEach(offer);
  listen();
  element("filters").hidden = false;
  for (const button of document.querySelectorAll("button.jump")) button.hidden = false;
  sort(0, true);
})();
