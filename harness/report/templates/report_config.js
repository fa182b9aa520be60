// Differences have names that a baseline gives: of two things with one name the page's own is meant.
const $ = (id) => document.querySelector(`[id="${CSS.escape(id)}"]:not(.difference)`);
const difference = (id) => document.querySelector(`.difference[id="${CSS.escape(id)}"]`);

// The address: the name of something in this page, and after "?" what is searched and filtered.
function readAddress() {
  const [, name, asked] = /^#?([^?]*)\??(.*)$/s.exec(location.hash);
  let plain = name;
  try { plain = decodeURIComponent(name); } catch { /* no name of ours */ }
  return { name: plain, asked: new URLSearchParams(asked) };
}

function addressOf(name, asked) {
  const query = asked.toString();
  return `#${name}${query ? `?${query}` : ""}`;
}

// One config: its row, and, once it is opened, its tolerance report. Texts are only ever set as text.

function element(tag, { text, kind, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function digits(value) {
  if (value === null) return "–";
  const exact = number(value);
  if (!Number.isFinite(exact)) return Number.isNaN(exact) ? "nan" : exact > 0 ? "∞" : "−∞";
  if (exact === 0) return "0";
  const size = Math.abs(exact);
  if (size >= 1e3 && size < 1e6) return exact.toLocaleString("en");
  return size >= 1e-3 && size < 1e6 ? String(exact) : exact.toExponential().replace("e+", "e");
}

function share(table, [name, value]) {
  if (table.sizes.includes(name)) return `${name.replaceAll("_", " ")} ${digits(value)}`;
  const percent = value === 0 || value === 1 || (value >= 0.005 && value <= 0.995) ? (100 * value).toFixed(0) : (100 * value).toFixed(2);
  return `${name} ${percent}%`;
}

function copyable(text, label) {
  const button = element("button", { type: "button", kind: "copy", text: "Copy", "aria-label": label });
  return element("div", { kind: "copied" }, element("pre", { tabindex: "0" }, element("code", { text })), button);
}

function row(table, config, ratio, linked = false) {
  const name = table.names[config];
  const marks = element("span", { kind: "marks" });
  table.backends.forEach((backend, i) => {
    const verdict = table.verdicts[table.overall[i][config]];
    const mark = verdict ? table.marks[verdict] : "";
    marks.append(element("span", { kind: verdict ?? "", text: mark, title: verdict ? `${backend}: ${verdict}` : "" }, ...(verdict ? [element("span", { kind: "sr", text: ` ${backend}` })] : [])));
  });
  const summary = element("summary", {}, element("code", { text: name }), marks, element("span", { kind: "ratio", text: ratio < 0 ? "–" : digits(ratio === Infinity ? "inf" : ratio) }));
  const made = element("details", { kind: "row", "data-config": name }, summary);
  if (linked) made.id = name;
  made.addEventListener("toggle", () => {
    if (!made.open) return;
    if (made.childElementCount === 1) made.append(report(table, config));
    const { name: here, asked } = readAddress();
    if (here !== name) history.replaceState(history.state, "", addressOf(name, asked));
  });
  return made;
}

// Every comparison of a config, by backend.
function report(table, config) {
  const made = element("div", { kind: "report" });
  const options = table.fields.map((field, i) => [field.replaceAll("_", " "), table.option(config, i)]);
  made.append(element("dl", { kind: "facts" }, ...[...options, ["origin", table.origins[table.origin[config]]]].map(([term, value]) => element("div", {}, element("dt", { text: term }), element("dd", { text: value })))));
  const link = element("a", { href: `#${table.names[config]}`, text: "link to this config" });
  made.append(element("p", {}, link));
  table.backends.forEach((backend, i) => {
    const lines = [];
    for (let line = table.start[config]; line < table.start[config + 1]; line++) if (table.backendOf[table.subject[line]] === i) lines.push(line);
    if (lines.length) made.append(comparisons(table, config, backend, lines));
  });
  return made;
}

const HEADS = ["check", "verdict", "ratio", "compared", "max abs", "max rel", "max ulp", "assert_close", "would have seen", "worst at"];

function comparisons(table, config, backend, lines) {
  const messages = new Set(lines.map((line) => table.text("message", line)));
  if (lines.every((line) => table.verdicts[table.verdict[line]] === "unsupported") && messages.size === 1) {
    return element("section", { "aria-label": backend }, element("h3", { text: backend }), element("p", {}, element("span", { kind: "unsupported", text: table.marks.unsupported }), ` ${[...messages][0]}`));
  }
  const heads = HEADS.map((text, i) => element("th", { text, scope: "col", kind: i > 1 && i < 7 ? "n" : "" }));
  const body = element("tbody", {}, ...lines.map((line) => comparison(table, line)));
  const whole = element("table", { kind: "cards" }, element("thead", {}, element("tr", {}, ...heads)), body);
  const commands = [...new Set(lines.map((line) => table.command(config, line)))];
  return element("section", { "aria-label": backend },
    element("h3", { text: backend }),
    ...commands.slice(0, 2).map((text) => copyable(text, "Copy the replay command")),
    element("div", { kind: "scroll", tabindex: "0", role: "region", "aria-label": `Comparisons of ${backend}` }, whole));
}

function comparison(table, line) {
  const [, check, part] = table.subjects[table.subject[line]];
  const verdict = table.verdicts[table.verdict[line]];
  const numbers = ["ratio", "compared", "abs", "rel", "ulp"].map((name) => element("td", { kind: "n", text: digits(table[name][line]) }));
  const cells = [
    element("td", {}, check, " ", element("span", { kind: "soft", text: part })),
    element("td", {}, element("span", { kind: verdict, text: table.marks[verdict] })),
    ...numbers,
    element("td", { text: table.text("assert_close", line) }),
    element("td", { text: table.seen(line).map((one) => share(table, one)).join(", ") }),
    element("td", {}, table.place(line), ...remarks(table, line)),
  ];
  cells.forEach((cell, i) => { cell.dataset.head = HEADS[i]; });
  return element("tr", {}, ...cells);
}

// What a comparison says beyond its numbers, a line each.
function remarks(table, line) {
  const texts = [];
  const cause = table.text("cause", line), known = table.text("known", line), finding = table.finding[line];
  if (table.text("message", line)) texts.push(table.text("message", line));
  if (cause && finding) texts.push(`cause: ${cause}`);
  if (table.undefined[line]) texts.push(`${table.undefined[line]} element${table.undefined[line] === 1 ? "" : "s"} without a bound`);
  const values = table.values[line];
  for (const name of ["worst", "first"]) {
    const [actual, expected, bound, step, batch, unit] = values?.[name] ?? [];
    if (actual == null && expected == null) continue;
    const at = name === "first" ? ` (step ${step}, row ${batch}, unit ${unit})` : "";
    texts.push(`${name}${at}: actual ${actual}, expected ${expected}` + (bound === null ? "" : `, bound ${Number(bound).toPrecision(3)}`));
  }
  if (values?.conditional) texts.push(`${table.failing[line]} fail, ${values.conditional} of them after an earlier one of their row`);
  const made = texts.map((text) => element("div", { kind: "soft", text }));
  if (finding) made.push(element("div", {}, element("a", { href: `#${known || `finding-${table.findings[finding]}`}`, text: known || "its finding" })));
  return made;
}
