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

// A finding, or anything else in the page: everything around it is opened. Else a config.
function follow() {
  const name = decodeURIComponent(location.hash.slice(1));
  const target = name && $(name);
  if (target && !target.closest("#linked")) {
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    target.scrollIntoView();
  } else if (name && list) list.link(name);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("copy")) copy(button);
  if (button?.dataset.finding) list?.only(Number(button.dataset.finding));
  const link = event.target.closest("a[href^='#']");
  if (link && link.getAttribute("href") === location.hash) { event.preventDefault(); follow(); }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); $("search").focus(); }
  if (event.key === "Escape" && event.target.id === "search") { event.target.value = ""; list?.refresh(); }
  const summary = event.target.closest(".row > summary");
  if (summary && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const next = event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
    const other = summary.parentElement[next]?.querySelector("summary");
    if (other) { event.preventDefault(); other.focus(); }
  }
});

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("main details:not(.row):not([open])")];
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
addEventListener("hashchange", follow);

for (const one of document.querySelectorAll(".js")) one.hidden = false;
follow();
unpack($("table").textContent).then((data) => {
  list = new List(new Table(data));
  follow();
}).catch((error) => {
  $("list").textContent = `The configs cannot be listed in this browser (${error.message}); all of them are in results.jsonl.`;
}).finally(() => { root.dataset.ready = "yes"; });
