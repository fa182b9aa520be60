// The list of configs: filters, order, rows as they are scrolled to, and links to single ones.

// What ids and texts call by one of these names is found by all of them.
const SYNONYMS = [
  ["bidir", "bidirectional"], ["unidir", "unidirectional"], ["batchfirst", "batch_first"], ["proj", "projection"],
  ["fp16", "float16", "half"], ["bf16", "bfloat16"], ["fp32", "float32"], ["fp64", "float64", "double"],
  ["x.flat", "unbatched", "batch axis"],
];

// What finds a word: where a word begins with it; a name in `whole` is no beginning of another.
function finder(word, whole) {
  const all = [word, ...SYNONYMS.filter((names) => names.includes(word)).flat()];
  const end = whole.has(word) ? "(?![a-z0-9])" : "";
  return new RegExp(`(?<![a-z0-9])(?:${all.map((one) => one.replace(/[^a-z0-9 ]/g, "\\$&")).join("|")})${end}`);
}

const CHUNK = 50;
const CONTROLS = { q: "search", backend: "backend", verdict: "verdict", check: "check", sort: "sort" };

class List {
  constructor(table) {
    this.table = table;
    this.finding = 0;
    this.differences = new Differences();
    this.options = new Map();
    this.furnish();
    // Words of defaults are found too, though ids leave them out, and what a config asks and shows.
    this.own = table.names.map((name, i) => [name, table.origins[table.origin[i]], ...table.fields.map((_, field) => table.option(i, field)), table.about(i)].join(" ").toLowerCase());
    this.search = this.own.map((own, i) => [own, ...table.shows(i)].join(" ").toLowerCase());
    this.layers = new Set(table.tokens[table.fields.indexOf("layer")]);
    this.near = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) this.more(); }, { rootMargin: "600px" });
    const form = $("filters");
    form.addEventListener("input", () => this.changed());
    $("search").addEventListener("input", () => this.changed(true));
    form.addEventListener("reset", () => { this.finding = 0; setTimeout(() => this.changed()); });
    form.addEventListener("submit", (event) => event.preventDefault());
    this.restore(readAddress().asked);
  }

  // What is searched and filtered, as it stands in the address; what is as usual does not.
  asked() {
    const asked = new URLSearchParams();
    for (const [key, id] of Object.entries(CONTROLS)) {
      const usual = key === "sort" ? "most" : "";
      if ($(id).value.trim() !== usual) asked.set(key, $(id).value.trim());
    }
    for (const [field, select] of this.options) if (select.value !== "*") asked.set(this.table.fields[field], select.value);
    if (this.finding) asked.set("finding", this.table.findings[this.finding]);
    return asked;
  }

  restore(asked) {
    for (const [key, id] of Object.entries(CONTROLS)) $(id).value = asked.get(key) ?? (key === "sort" ? "most" : "");
    for (const [field, select] of this.options) select.value = asked.get(this.table.fields[field]) ?? "*";
    this.finding = Math.max(0, this.table.findings.indexOf(asked.get("finding") ?? ""));
    this.refresh();
  }

  // A step back undoes a choice; all that is typed in one go is one.
  changed(typed = false) {
    this.refresh();
    if (typed) this.reveal();
    const to = addressOf("", this.asked());
    if (typed && history.state?.typed) history.replaceState({ typed }, "", to);
    else history.pushState({ typed }, "", to);
  }

  // The selects: one for each option of which there is more than one value.
  furnish() {
    const table = this.table;
    const fill = (select, values) => select.append(...values.map((value) => element("option", { value, text: value })));
    fill($("backend"), table.backends);
    fill($("check"), table.checks);
    fill($("verdict"), table.verdicts.filter((_, v) => table.overall.some((worst) => worst.includes(v))));
    const names = table.backends.map((text) => element("span", { text }));
    $("heads").append(element("span", { text: "config" }), element("span", { kind: "marks" }, ...names), element("span", { kind: "ratio", text: "ratio" }));
    const sizes = ["input_size", "hidden_size", "batch", "steps", "seed"];
    table.fields.forEach((field, i) => {
      const values = [...table.tokens[i]].sort();
      if (values.length < 2 || sizes.includes(field)) return;
      const select = element("select", { "data-field": field }, element("option", { value: "*", text: "any" }));
      select.append(...values.map((value) => element("option", { value, text: value })));
      $("options").append(element("label", {}, field.replaceAll("_", " "), select));
      this.options.set(i, select);
    });
  }

  refresh() {
    const table = this.table;
    const backend = table.backends.indexOf($("backend").value), check = $("check").value;
    const subjects = table.subjects.map(([, name], i) => (backend < 0 || table.backendOf[i] === backend) && (!check || name === check));
    const counts = (line) => subjects[table.subject[line]] && (!this.finding || table.finding[line] === this.finding);
    this.ratios = new Float64Array(table.configs);
    this.listed = [];
    const holds = this.filter(backend, check, counts);
    for (let config = 0; config < table.configs; config++) {
      if (!holds(config)) continue;
      this.ratios[config] = table.largest(config, counts);
      this.listed.push(config);
    }
    this.sort();
    $("list").replaceChildren();
    this.next = 0;
    this.more();
    this.tell();
    $("count").textContent = `${this.listed.length.toLocaleString("en")} of ${table.configs.toLocaleString("en")} configs`;
    $("only").textContent = !this.finding ? "" : `that show the finding ${table.findings[this.finding]}`;
  }

  // The differences that the configs listed show, or that the words are about; and how many.
  tell() {
    const table = this.table, all = this.listed.length === table.configs;
    const words = this.words(), counts = new Map();
    for (const config of all ? [] : this.listed) {
      if (!words.every((word) => word.test(this.own[config]))) continue; // found for one difference, it may show others
      const here = new Set();
      for (let line = table.start[config]; line < table.start[config + 1]; line++) if (table.finding[line]) here.add(table.findings[table.finding[line]]);
      for (const finding of here) counts.set(finding, (counts.get(finding) ?? 0) + 1);
    }
    const found = this.found = this.differences.show(words, all && !words.length ? null : counts);
    const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
    const asked = this.asked();
    asked.delete("sort");
    $("found").hidden = !asked.toString();
    const status = $("found").firstElementChild;
    status.replaceChildren(element("a", { href: "#findings", "data-keep": "", text: many(found, "difference") }), ", ", element("a", { href: "#configs", "data-keep": "", text: many(this.listed.length, "config") }));
  }

  // What was searched, in view.
  reveal() { if (this.words().length) $(this.found ? "findings" : "configs").scrollIntoView(); }

  words() { return $("search").value.toLowerCase().split(/\s+/).filter(Boolean).map((word) => finder(word, this.layers)); }

  filter(backend, check, counts) {
    const table = this.table;
    const verdict = table.verdicts.indexOf($("verdict").value);
    const words = this.words();
    const chosen = [...this.options].filter(([, select]) => select.value !== "*").map(([field, select]) => [table.ids[field], table.tokens[field].indexOf(select.value)]);
    const asked = backend < 0 ? table.overall : [table.overall[backend]];
    const narrowed = check || this.finding;
    return (config) =>
      chosen.every(([column, value]) => column[config] === value) &&
      words.every((word) => word.test(this.search[config])) &&
      (backend < 0 || asked[0][config] >= 0) &&
      (verdict < 0 || (narrowed ? table.some(config, (line) => counts(line) && table.verdict[line] === verdict) : asked.some((worst) => worst[config] === verdict))) &&
      (!narrowed || table.some(config, counts));
  }

  sort() {
    const order = $("sort").value, { ratios, table } = this;
    // An infinite ratio says that nothing was allowed, and not how far off it is.
    const rank = (config) => (ratios[config] === Infinity ? -0.5 : ratios[config]);
    if (order === "most") this.listed.sort((a, b) => rank(b) - rank(a) || a - b);
    if (order === "least") this.listed.sort((a, b) => (ratios[a] < 0) - (ratios[b] < 0) || (ratios[a] === ratios[b] ? a - b : ratios[a] > ratios[b] ? 1 : -1));
    if (order === "id") this.listed.sort((a, b) => (table.names[a] < table.names[b] ? -1 : 1));
  }

  more() {
    const until = Math.min(this.next + CHUNK, this.listed.length);
    const rows = this.listed.slice(this.next, until).map((config) => row(this.table, config, this.ratios[config]));
    this.next = until;
    $("list").append(...rows);
    this.near.disconnect();  // it reports changes only, and the end may still be near
    if (until < this.listed.length) this.near.observe($("more"));
  }

  // Only the configs that show one finding.
  only(finding) {
    this.restore(new URLSearchParams({ finding }));
    history.pushState(null, "", addressOf("", this.asked()));
    $("configs").scrollIntoView();
    $("search").focus({ preventScroll: true });
  }

  // The config that the address names, opened above the list; whether there is one.
  link(name) {
    const config = this.table.places.get(name);
    if (config === undefined) return false;
    const made = row(this.table, config, this.table.largest(config, () => true), true);
    $("linked").replaceChildren(element("p", { kind: "label", text: "The config that the address of this page names" }), made);
    made.open = true;
    $("linked").scrollIntoView();
    made.querySelector("summary").focus({ preventScroll: true });
    return true;
  }
}
