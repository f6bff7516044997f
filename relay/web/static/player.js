// Plays a clip from its manifest: init and segments are appended to a media source, so it can be watched while it is
// still being recorded. Times in the manifest are µs on the camera's timeline; the media element runs in seconds from
// the first segment, because the key frame before the clip's exact start must be decoded too.

import { pictures } from "./mp4.js";
import { Track } from "./track.js";
import { exact } from "./times.js";

const Source = window.ManagedMediaSource || window.MediaSource;
const SPEEDS = [1, 2, 4, 0.5];
const AHEAD = 90; // s kept loaded in front of the play head
const BEHIND = 40; // s kept behind it

class Player {
  constructor(root) {
    this.root = root;
    this.url = root.dataset.manifest;
    this.video = root.querySelector("video");
    this.say = root.querySelector("[data-say]");
    this.clock = root.querySelector("[data-clock]");
    this.place = root.querySelector("[data-place]");
    this.track = new Track(root.querySelector("[data-track]"), (at) => this.seek(at));
    this.inits = new Map();
    this.failed = new Map();
    this.frame = 1 / 25;
    this.part = null;
    this.codec = null;
    this.buffer = null;
    this.started = false;
    this.pumping = false;
    this.asked = 0;
    this.manifest = null;
  }

  async start() {
    this.manifest = await this.fetchManifest();
    if (!this.manifest) return;
    if (!Source || !this.playable()) {
      this.say.textContent = this.manifest.segments.length ? "This browser cannot play the clip piece by piece; its own player is used." : "";
      return;
    }
    const video = this.video;
    video.removeAttribute("src");
    video.removeAttribute("controls");
    video.disableRemotePlayback = true;
    video.load();
    this.root.querySelector("[data-panel]").hidden = false;
    this.wire();
    this.apply(this.manifest);
    document.addEventListener("np:change", (event) => {
      if (event.detail.clips.includes(this.manifest.clip)) this.reload();
    });
    document.addEventListener("np:resync", () => this.reload());
    setInterval(() => this.tick(), 250);
  }

  playable() {
    return this.manifest.segments.every((segment) => Source.isTypeSupported(this.type(segment.codec)));
  }

  type(codec) { return `video/mp4; codecs="${codec}"`; }

  async fetchManifest() {
    try {
      const answer = await fetch(this.url, { cache: "no-store" });
      return answer.ok ? await answer.json() : null;
    } catch { return null; }
  }

  async reload() {
    this.asked = Date.now();
    const fresh = await this.fetchManifest();
    if (fresh) this.apply(fresh);
  }

  apply(manifest) {
    this.manifest = manifest;
    const { segments } = manifest;
    if (segments.length && this.base === undefined) this.base = segments[0].start;
    for (const segment of segments) {
      segment.at = (segment.start - this.base) / 1e6;
      segment.until = segment.at + segment.duration / 1e6;
    }
    if (this.base === undefined) { this.tell(); return; }
    this.from = Math.max((manifest.start - this.base) / 1e6, 0);
    this.mark = (manifest.mark - this.base) / 1e6;
    this.last = segments[segments.length - 1].until;
    const planned = this.mark + manifest.post / 1e6;
    this.to = manifest.sealed ? Math.min((manifest.end - this.base) / 1e6, this.last) : Math.max(planned, this.last);
    this.track.layout(this.from, this.to, this.mark, segments);
    if (!this.source && segments.some((segment) => segment.have)) this.open();
    this.tell();
    this.pump();
  }

  open() {
    this.source = new Source();
    this.source.addEventListener("sourceopen", () => {
      this.codec = this.manifest.segments.find((segment) => segment.have).codec;
      this.buffer = this.source.addSourceBuffer(this.type(this.codec));
      this.buffer.timestampOffset = -this.base / 1e6;
      this.extend();
      this.pump();
    }, { once: true });
    this.video.src = URL.createObjectURL(this.source);
  }

  // --- loading -------------------------------------------------------------------------------------------------------

  buffered(at) {
    const ranges = this.video.buffered;
    for (let n = 0; n < ranges.length; n += 1) if (at >= ranges.start(n) - 0.02 && at < ranges.end(n)) return [ranges.start(n), ranges.end(n)];
    return null;
  }

  wanted() {
    const now = this.video.currentTime || this.from;
    const open = this.manifest.segments.filter((segment) => segment.have
      && (this.failed.get(segment.n) || 0) < 3
      && segment.at < now + AHEAD && segment.until > now - BEHIND
      && !this.buffered((segment.at + segment.until) / 2));
    return open.find((segment) => segment.until > now) || open[open.length - 1];
  }

  extend() { // without a duration one could only seek to what is loaded already
    const until = Math.max(this.to, this.last);
    if (this.source.readyState !== "open" || this.buffer.updating || this.source.duration >= until && Number.isFinite(this.source.duration)) return;
    this.source.duration = until;
  }

  async pump() {
    if (this.pumping || !this.buffer) return;
    this.pumping = true;
    try {
      this.extend();
      for (let segment = this.wanted(); segment; segment = this.wanted()) await this.load(segment);
      this.finish();
    } finally { this.pumping = false; }
  }

  async load(segment) {
    try {
      const bytes = await this.bytes(segment.url);
      const count = pictures(bytes);
      if (count) this.frame = segment.duration / 1e6 / count;
      if (this.part !== segment.part) {
        const part = this.manifest.parts.find((one) => one.part === segment.part);
        if (!this.inits.has(part.url)) this.inits.set(part.url, await this.bytes(part.url));
        if (this.codec !== segment.codec && this.buffer.changeType) this.buffer.changeType(this.type(segment.codec));
        this.codec = segment.codec;
        await this.append(this.inits.get(part.url));
        this.part = segment.part;
      }
      await this.append(bytes);
      if (!this.buffered((segment.at + segment.until) / 2)) throw new Error("nothing to see in it");
    } catch {
      this.failed.set(segment.n, (this.failed.get(segment.n) || 0) + 1);
    }
    if (!this.started && this.video.buffered.length) {
      this.started = true;
      const first = this.manifest.segments.find((one) => one.have);
      this.video.currentTime = Math.max(this.from, first.at);
    }
    this.track.loaded((at) => Boolean(this.buffered(at)));
    this.tell();
  }

  async bytes(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.arrayBuffer();
  }

  async append(bytes) {
    try { await this.update(() => this.buffer.appendBuffer(bytes)); }
    catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      const now = this.video.currentTime;
      if (now > 12) await this.update(() => this.buffer.remove(0, now - 10));
      await this.update(() => this.buffer.appendBuffer(bytes));
    }
  }

  update(act) {
    return new Promise((resolve, reject) => {
      const done = () => { this.buffer.removeEventListener("error", broken); resolve(); };
      const broken = () => { this.buffer.removeEventListener("updateend", done); reject(new Error("the segment cannot be decoded")); };
      this.buffer.addEventListener("updateend", done, { once: true });
      this.buffer.addEventListener("error", broken, { once: true });
      try { act(); } catch (error) {
        this.buffer.removeEventListener("updateend", done);
        this.buffer.removeEventListener("error", broken);
        reject(error);
      }
    });
  }

  finish() {
    const { sealed, segments } = this.manifest;
    const all = segments.every((segment) => this.buffered((segment.at + segment.until) / 2));
    if (sealed && all && this.source.readyState === "open" && !this.buffer.updating) this.source.endOfStream();
  }

  // --- what a person sees and does ----------------------------------------------------------------------------------

  waiting() { return this.manifest.segments.filter((segment) => !segment.have).length; }

  tell(note = "") {
    const { sealed, segments, reason } = this.manifest;
    const waiting = this.waiting();
    let text = note;
    if (!text && !segments.length) text = sealed ? "There is no footage for this clip." : "Waiting for the first pictures";
    else if (!text && waiting) text = `Waiting for ${waiting} of ${segments.length} segments`;
    else if (!text && [...this.failed.values()].some((times) => times >= 3)) text = "A segment cannot be played. Download the clip to look at it.";
    else if (!text && !sealed) text = "Still recording";
    else if (!text && reason && reason !== "complete") text = reason;
    if (this.say.textContent !== text) this.say.textContent = text;
    this.root.dataset.state = sealed ? (waiting ? "waiting" : "whole") : "growing";
    this.root.dataset.loaded = String(segments.length - waiting);
  }

  tick() {
    const { sealed } = this.manifest;
    if ((!sealed || this.waiting()) && document.visibilityState === "visible" && Date.now() - this.asked > 3000) this.reload();
    if (!this.buffer) return;
    this.pump();
    const now = this.video.currentTime;
    if (sealed && now >= this.to && !this.video.paused) { this.video.pause(); this.video.currentTime = this.to; }
    if (this.video.paused || this.video.readyState > 2) { if (!this.video.paused) this.tell(); return; }
    // A browser stalls up to a picture before the end of what it has.
    const edge = this.buffered(now)?.[1] ?? now;
    if (edge - now > 0.3) return;
    const coming = this.manifest.segments.find((segment) => segment.until > edge + 0.05);
    if (!coming) return; // the end of what is recorded so far
    if (coming.at <= edge + 0.1) return; // it is on its way, or not synced yet: wait for it
    this.tell(`No footage for ${(coming.at - edge).toFixed(1)} s`);
    if (this.buffered(coming.at + 0.02)) this.video.currentTime = coming.at + 0.02;
  }

  wall(at) {
    const { segments } = this.manifest;
    let nearest = segments[0];
    for (const segment of segments) if (segment.at <= at + 0.001) nearest = segment;
    return nearest.wall_start / 1000 + (at - nearest.at) * 1000;
  }

  paint() {
    if (this.base === undefined) return;
    const now = this.video.currentTime;
    this.track.head(now);
    this.clock.textContent = exact(this.wall(now));
    const off = now - this.mark;
    this.place.textContent = Math.abs(off) < 0.05 ? "the event" : `event ${off < 0 ? "\u2212" : "+"}${Math.abs(off).toFixed(1)} s`;
    this.track.describe(`${this.clock.textContent}, ${this.place.textContent}`);
  }

  seek(at) {
    this.video.currentTime = Math.min(Math.max(at, this.from), Math.max(this.from, Math.min(this.to, this.last) - 0.001));
    this.paint();
  }

  toggle() {
    if (this.video.paused) {
      if (this.manifest.sealed && this.video.currentTime >= this.to - 0.05) this.seek(this.from);
      this.video.play().catch(() => this.tell("The browser would not start; press play once more."));
    } else this.video.pause();
  }

  step(frames) { this.video.pause(); this.seek(this.video.currentTime + frames * this.frame); }

  speed(to) {
    const index = SPEEDS.indexOf(this.video.playbackRate);
    this.video.playbackRate = to ?? SPEEDS[(index + 1) % SPEEDS.length];
    this.root.querySelector("[data-speed]").textContent = `${this.video.playbackRate}\u00d7`;
  }

  full() { if (document.fullscreenElement) document.exitFullscreen(); else this.root.requestFullscreen?.(); }

  act(name) {
    const acts = {
      play: () => this.toggle(), back: () => this.seek(this.video.currentTime - 5), on: () => this.seek(this.video.currentTime + 5),
      before: () => this.step(-1), after: () => this.step(1), mark: () => this.seek(this.mark), start: () => this.seek(this.from),
      end: () => this.seek(this.to), speed: () => this.speed(), full: () => this.full(),
    };
    acts[name]?.();
  }

  wire() {
    const { video, root } = this;
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do);
      else if (event.target === video) this.toggle();
    });
    const keys = { " ": "play", k: "play", ArrowLeft: "back", ArrowRight: "on", ",": "before", ".": "after", m: "mark", Home: "start", End: "end", s: "speed", f: "full" };
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      if (event.key === " " && event.target.closest("button, summary, a")) return;
      event.preventDefault();
      this.act(keys[event.key]);
    };
    root.addEventListener("keydown", press);
    if (root.matches("[data-player]:first-of-type")) document.addEventListener("keydown", (event) => { if (event.target === document.body) press(event); });
    const playing = () => {
      const on = !video.paused;
      root.dataset.playing = String(on);
      const button = root.querySelector("[data-do=play]");
      button.setAttribute("aria-label", on ? "Pause" : "Play");
    };
    video.addEventListener("play", () => { playing(); this.loop(); });
    video.addEventListener("pause", playing);
    for (const name of ["seeked", "timeupdate", "loadeddata"]) video.addEventListener(name, () => this.paint());
    video.addEventListener("seeking", () => this.pump());
  }

  loop() {
    this.paint();
    if (!this.video.paused) requestAnimationFrame(() => this.loop());
  }
}

function find() {
  for (const root of document.querySelectorAll("[data-player]:not([data-begun])")) {
    root.dataset.begun = "yes";
    new Player(root).start();
  }
}

document.addEventListener("np:refreshed", find);
find();
