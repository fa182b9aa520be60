// The differences: which of them a search finds, by their own words or by the configs that show them.

class Differences {
  constructor() {
    this.articles = [...document.querySelectorAll(".difference")].map((article) => ({
      article,
      text: [...article.querySelectorAll("h4, .meta, .remedy, .reason, .finding > summary")].map((one) => one.textContent).join(" ").toLowerCase().replaceAll("rnn-parity", ""),
      findings: article.dataset.findings.split(" "),
      here: article.querySelector(".here"),
    }));
  }

  // `counts`: of each finding in how many of the configs listed it shows; null where all are.
  show(words, counts) {
    let found = 0;
    for (const { article, text, findings, here } of this.articles) {
      const most = counts === null ? 0 : Math.max(...findings.map((finding) => counts.get(finding) ?? 0));
      const about = words.length > 0 && words.every((word) => word.test(text));
      article.hidden = counts !== null && !most && !about;
      here.textContent = most ? ` · in ${most.toLocaleString("en")} of the configs found` : "";
      found += !article.hidden;
    }
    for (const section of document.querySelectorAll(".ways")) section.hidden = !section.querySelector(".difference:not([hidden])");
    if ($("nothing")) $("nothing").hidden = found > 0;
    return found;
  }
}
