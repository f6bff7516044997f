// The scrubber of a clip: what is loaded, what is still on its way, where nothing was recorded, where the event is.

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 1000;

function shape(name, values, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

export class Track {
  constructor(root, seek) {
    this.svg = root.querySelector("svg");
    this.input = root.querySelector("input");
    this.from = 0;
    this.to = 1;
    this.input.addEventListener("input", () => seek(this.from + Number(this.input.value) / 1000));
  }

  x(at) { return Math.min(Math.max((at - this.from) / Math.max(this.to - this.from, 0.001), 0), 1) * WIDE; }

  bar(name, from, to) {
    const x = this.x(from);
    return shape("rect", { class: name, x, y: 0, width: Math.max(this.x(to) - x, 0), height: 8 }, this.layer);
  }

  layout(from, to, mark, segments) {
    Object.assign(this, { from, to });
    this.input.max = String(Math.round((to - from) * 1000));
    this.svg.replaceChildren();
    const defs = shape("defs", {}, this.svg);
    const pattern = shape("pattern", { id: "waiting", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, defs);
    shape("rect", { width: 8, height: 8, fill: "#1c273b" }, pattern);
    shape("rect", { width: 3, height: 8, fill: "#5a6b88" }, pattern);
    this.layer = shape("g", {}, this.svg);
    this.bar("base", from, to);
    this.bars = segments.map((segment) => [segment, this.bar("wait", segment.at, segment.until)]);
    segments.forEach((segment, n) => {
      const before = segments[n - 1];
      if (before && segment.at - before.until > 0.15) this.bar("gap", before.until, segment.at);
    });
    this.played = this.bar("done", from, from);
    const x = this.x(mark);
    shape("path", { class: "mark", d: `M${x - 1.5} -6h3v20h-3z` }, this.svg);
    this.loaded(this.known ?? (() => false));
    this.head(this.now ?? from);
  }

  loaded(known) {
    this.known = known;
    for (const [segment, bar] of this.bars ?? []) {
      bar.setAttribute("class", segment.have || known((segment.at + segment.until) / 2) ? "have" : "wait");
    }
  }

  head(now) {
    this.now = now;
    this.input.value = String(Math.round((now - this.from) * 1000));
    this.played?.setAttribute("width", this.x(now));
  }

  describe(text) { this.input.setAttribute("aria-valuetext", text); }
}
