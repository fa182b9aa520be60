// The page: theme, copying, keys, links, printing.

const root = document.documentElement;
const THEMES = ["system", "light", "dark"];

function remembered(value) {
  try {  // a browser may forbid it to a file
    if (value !== undefined) localStorage.setItem("rnn-parity-theme", value);
    return localStorage.getItem("rnn-parity-theme");
  } catch { return null; }
}

function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  $("theme").textContent = `Theme: ${theme}`;
}

let theme = THEMES.includes(remembered()) ? remembered() : "system";
setTheme(theme);
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  setTheme(theme);
  remembered(theme);
});

async function copy(button) {
  const text = button.parentElement.querySelector("code").textContent;
  let done = true;
  try { await navigator.clipboard.writeText(text); } catch { done = copiedTheOldWay(text); }
  button.textContent = done ? "Copied" : "Select it";
  $("status").textContent = done ? "Copied" : "It could not be copied";
  setTimeout(() => { button.textContent = "Copy"; $("status").textContent = ""; }, 1500);
}

function copiedTheOldWay(text) {
  const area = element("textarea", {});
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

let list = null;

// What the address says: a search, and a name of anything in the page, around which everything is
// opened, or of a config. A name that nothing has is told.
function follow() {
  const { name, asked } = readAddress();
  if (list && list.asked().toString() !== asked.toString()) list.restore(asked);
  if (list && !name) list.reveal();
  const target = name && (difference(name) ?? $(name));
  const here = target && !target.closest("#linked");
  if (here) {
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    target.scrollIntoView();
  }
  const known = !name || here || (list && list.link(name));
  $("unknown").hidden = known || root.dataset.ready !== "yes";
  $("unknown").textContent = known ? "" : `Nothing in this report is called “${name}”. A search may find what is meant; or it stands in the report of another run.`;
  if (!$("unknown").hidden) scrollTo(0, 0);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("copy")) copy(button);
  if (button?.dataset.finding) list?.only(button.dataset.finding);
  if (button?.id === "unsearch") $("filters").reset();
  const link = event.target.closest("a[href^='#']");
  if (link && "keep" in link.dataset) { event.preventDefault(); $(link.getAttribute("href").slice(1)).scrollIntoView(); }
  else if (link && link.getAttribute("href") === location.hash) { event.preventDefault(); follow(); }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); $("search")?.focus(); }
  if (event.key === "Escape" && event.target.id === "search") { event.target.value = ""; list?.changed(true); }
  const summary = event.target.closest(".row > summary");
  if (summary && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const next = event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
    const other = summary.parentElement[next]?.querySelector("summary");
    if (other) { event.preventDefault(); other.focus(); }
  }
});

addEventListener("hashchange", follow);
addEventListener("popstate", follow);

for (const one of document.querySelectorAll(".js")) one.hidden = false;
follow();
unpack($("table").textContent).then((data) => {
  list = new List(new Table(data));
}).catch((error) => {
  if ($("list")) $("list").textContent = `The configs cannot be listed in this browser (${error.message}); all of them are in results.jsonl.`;
}).finally(() => { root.dataset.ready = "yes"; follow(); });
