// The table of configs and comparisons: unpacked from the page, and questions about it.

async function unpack(text) {
  const binary = atob(text), packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);  // from() takes 30 times as long
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// A column of which only what is not 0 was kept: where, and what.
function spread([places, values], length) {
  const column = new Int32Array(length);
  places.forEach((place, i) => { column[place] = values[i]; });
  return column;
}

const number = (value) => (value === null ? NaN : value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value));

class Table {
  constructor(data) {
    Object.assign(this, data);
    for (const name of data.sparse) this[name] = spread(data[name], data.verdict.length);
    this.configs = this.count.length;
    this.start = new Uint32Array(this.configs + 1);
    this.count.forEach((count, i) => { this.start[i + 1] = this.start[i] + count; });
    this.backends = [...new Set(this.subjects.map(([backend]) => backend))];
    this.checks = [...new Set(this.subjects.map(([, check]) => check))].sort();
    this.backendOf = this.subjects.map(([backend]) => this.backends.indexOf(backend));
    this.shareStart = new Uint32Array(this.power.length + 1);
    this.power.forEach((kind, i) => { this.shareStart[i + 1] = this.shareStart[i] + this.powers[kind].length; });
    this.places = new Map(this.names.map((name, i) => [name, i]));
    this.overall = this.judge();
  }

  // What the aspect of a config asks, in words.
  about(config) { return this.questions[this.question[config]]; }

  // The names of the known differences that a config shows.
  shows(config) {
    const names = new Set();
    for (let line = this.start[config]; line < this.start[config + 1]; line++) if (this.known[line]) names.add(this.text("known", line));
    return names;
  }

  option(config, field) { return this.tokens[field][this.ids[field][config]]; }

  // The worst verdict of each config for each backend; verdicts stand in that order; -1: not asked.
  judge() {
    return this.backends.map((_, backend) => {
      const worst = new Int8Array(this.configs).fill(-1);
      for (let config = 0; config < this.configs; config++) {
        for (let line = this.start[config]; line < this.start[config + 1]; line++) {
          if (this.backendOf[this.subject[line]] !== backend) continue;
          if (worst[config] < 0 || this.verdict[line] < worst[config]) worst[config] = this.verdict[line];
        }
      }
      return worst;
    });
  }

  // The largest ratio among a config's comparisons for which `counts` holds; -1 where none has one.
  largest(config, counts) {
    let most = -1;
    for (let line = this.start[config]; line < this.start[config + 1]; line++) {
      if (!counts(line)) continue;
      const ratio = this.ratio[line] === null ? -1 : number(this.ratio[line]);
      if (!(ratio <= most)) most = Number.isNaN(ratio) ? Infinity : ratio;
    }
    return most;
  }

  some(config, counts) {
    for (let line = this.start[config]; line < this.start[config + 1]; line++) if (counts(line)) return true;
    return false;
  }

  text(column, line) { return this.texts[this[column][line]]; }

  command(config, line) { return this.text("replay", line).replaceAll("\0", this.names[config]); }

  // [fault, share] of everything that a comparison could have seen.
  seen(line) {
    return this.powers[this.power[line]].map((name, i) => [name, this.shares[this.shareStart[line] + i]]);
  }

  place(line) {
    const where = this.wheres[this.where[line]];
    if (!where) return "";
    const [output, layer, direction] = where;
    const parts = [output ?? ""];
    if (layer !== null) parts.push(`layer ${layer} ${direction ?? ""}`.trim());
    for (const [axis, word] of [["step", "step"], ["batch", "row"], ["unit", "unit"]]) {
      if (this[axis][line] >= 0) parts.push(`${word} ${this[axis][line]}`);
    }
    return parts.join(", ");
  }
}
