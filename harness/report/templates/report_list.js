// The list of configs: filters, order, rows as they are scrolled to, and links to single ones.

const CHUNK = 50;
const $ = (id) => document.getElementById(id);

class List {
  constructor(table) {
    this.table = table;
    this.finding = 0;
    this.options = new Map();
    this.furnish();
    // Words of defaults are found too, though ids leave them out.
    this.search = table.names.map((name, i) => [name, table.origins[table.origin[i]], ...table.fields.map((_, field) => table.option(i, field))].join(" "));
    this.near = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) this.more(); }, { rootMargin: "600px" });
    const form = $("filters");
    form.addEventListener("input", () => this.refresh());
    form.addEventListener("reset", () => { this.finding = 0; setTimeout(() => this.refresh()); });
    form.addEventListener("submit", (event) => event.preventDefault());
    this.refresh();
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
    $("count").textContent = `${this.listed.length.toLocaleString("en")} of ${table.configs.toLocaleString("en")} configs`;
    $("only").textContent = !this.finding ? "" : `that show the finding ${table.findings[this.finding]}`;
  }

  filter(backend, check, counts) {
    const table = this.table;
    const verdict = table.verdicts.indexOf($("verdict").value);
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...this.options].filter(([, select]) => select.value !== "*").map(([field, select]) => [table.ids[field], table.tokens[field].indexOf(select.value)]);
    const asked = backend < 0 ? table.overall : [table.overall[backend]];
    const narrowed = check || this.finding;
    return (config) =>
      chosen.every(([column, value]) => column[config] === value) &&
      words.every((word) => this.search[config].includes(word)) &&
      (backend < 0 || asked[0][config] >= 0) &&
      (verdict < 0 || (narrowed ? table.some(config, (line) => counts(line) && table.verdict[line] === verdict) : asked.some((worst) => worst[config] === verdict))) &&
      (!narrowed || table.some(config, counts));
  }

  sort() {
    const order = $("sort").value, { ratios, table } = this;
    if (order === "most") this.listed.sort((a, b) => (ratios[b] === ratios[a] ? a - b : ratios[b] > ratios[a] ? 1 : -1));
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
    $("filters").reset();
    setTimeout(() => {
      this.finding = finding;
      this.refresh();
      $("configs").scrollIntoView();
      $("search").focus({ preventScroll: true });
    });
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
