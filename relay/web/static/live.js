// Keeps a page true while it is open. The relay says only *that* something changed; the page then fetches itself and
// swaps the regions that differ, so what is seen live is exactly what a reload would show.

import { clock, refreshTimes } from "./times.js";

const body = document.body;
const lamp = document.querySelector("[data-lamp]");
const CALM = 700; // ms a page waits with what is not an incident
const SPACING = 120; // ms between two looks in a storm
const SILENCE = 40_000; // ms; the relay says something at least every 15 s
const PATIENCE = Number(body.dataset.patience || 15) * 1000; // ms a hidden page keeps its stream

let sources = remember(document);
let stream = null;
let heard = 0;
let since = null;
let state = "";
let retry = 1000;
let timer = 0;
let hiding = 0;
let refreshing = false;
let again = false;
let later = 0;
let lapsing = 0;
let ended = false;

function remember(root) {
  const found = new Map();
  for (const region of root.querySelectorAll("[data-region]")) found.set(region.dataset.region, region.outerHTML);
  for (const item of root.querySelectorAll("[data-key]")) found.set("key " + item.dataset.key, item.outerHTML);
  return found;
}

function show(next, text) {
  if (!lamp || (state === next && !text)) return;
  if (state !== next) since = new Date();
  state = next;
  lamp.dataset.state = next;
  const word = document.createElement("span");
  const small = document.createElement("small");
  small.textContent = ` since ${clock(since)}`;
  word.append("Live", small);
  if (text) lamp.textContent = text;
  else if (next === "live") lamp.replaceChildren(word);
  else lamp.textContent = `Offline since ${clock(since)}`;
  lamp.title = next === "live"
    ? `This page updates by itself, since ${clock(since)}.`
    : "What you see may be old. The page tries again by itself.";
  body.dataset.live = next;
}

function forms(region) {
  const kept = new Map();
  for (const field of region.querySelectorAll("textarea[id], select[id], input[id]:not([type=hidden])")) kept.set(field.id, field.type === "checkbox" ? field.checked : field.value);
  const open = [...region.querySelectorAll("details[open][id]")].map((element) => element.id);
  const focus = region.contains(document.activeElement) ? document.activeElement.id : "";
  return () => {
    for (const [id, value] of kept) {
      const field = document.getElementById(id);
      if (!field || !value) continue;
      if (field.type === "checkbox") field.checked = true;
      else if (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value)) field.value = value;
    }
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  };
}

function swap(old, fresh) {
  const restore = forms(old);
  const focus = old.contains(document.activeElement) ? document.activeElement : null;
  const items = new Map([...old.querySelectorAll("[data-key]")].map((item) => [item.dataset.key, item]));
  const next = document.importNode(fresh, true);
  const arrived = [];
  for (const item of next.querySelectorAll("[data-key]")) {
    const before = items.get(item.dataset.key);
    if (before && ("keep" in before.dataset || sources.get("key " + item.dataset.key) === item.outerHTML)) {
      before.classList.remove("arrives", "changed");
      item.replaceWith(before);
    } else if (items.size || "first" in old.dataset) {
      item.classList.add(before ? "changed" : "arrives");
      if (!before) arrived.push(item);
    }
  }
  old.replaceWith(next);
  restore();
  if (focus?.isConnected && document.activeElement !== focus) focus.focus({ preventScroll: true });
  const told = arrived.map((item) => item.dataset.say).filter(Boolean);
  if (told.length) document.querySelector("[data-tell]").textContent = `New: ${told.join("; ")}`;
}

async function refresh() {
  if (refreshing) { again = true; return; }
  refreshing = true;
  try {
    do {
      if (again) await new Promise((resolve) => setTimeout(resolve, SPACING));
      again = false;
      const answer = await fetch(location.href, { headers: { "X-Requested-For": "live" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || answer.status === 401) { leave(); return; }
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const seen = remember(fresh);
      for (const region of fresh.querySelectorAll("[data-region]")) {
        const name = region.dataset.region;
        if (sources.get(name) === seen.get(name)) continue;
        const old = document.querySelector(`[data-region="${CSS.escape(name)}"]`);
        if (old) swap(old, region);
      }
      sources = seen;
      document.title = fresh.title;
      refreshTimes();
      awaitLapse();
      document.dispatchEvent(new CustomEvent("np:refreshed"));
    } while (again);
  } catch {
    show("off");
  } finally {
    refreshing = false;
  }
}

// An acknowledgement lapses without anybody saying so: the page looks again at that moment.
function awaitLapse() {
  clearTimeout(lapsing);
  const moments = [...document.querySelectorAll("[data-lapses]")].map((region) => Date.parse(region.dataset.lapses));
  const rest = Math.min(...moments) - Date.now();
  if (Number.isFinite(rest)) lapsing = setTimeout(refresh, Math.min(Math.max(rest, 1000) + 200, 2 ** 31 - 1));
}

function soon() {
  if (!later) later = setTimeout(() => { later = 0; refresh(); }, CALM);
}

function leave() {
  ended = true;
  close();
  show("off", "Signed out");
  document.querySelector("[data-ended]")?.removeAttribute("hidden");
}

function close() {
  clearTimeout(timer);
  stream?.close();
  stream = null;
}

function connect() {
  close();
  if (ended) return;
  stream = new EventSource("/events");
  const word = () => { heard = Date.now(); retry = 1000; show("live"); };
  stream.onopen = word;
  stream.addEventListener("beat", word);
  stream.addEventListener("resync", () => {
    word();
    document.dispatchEvent(new CustomEvent("np:resync"));
    refresh();
  });
  stream.addEventListener("change", (event) => {
    word();
    const change = JSON.parse(event.data);
    document.dispatchEvent(new CustomEvent("np:change", { detail: change }));
    const mine = body.dataset.about;
    if (mine ? change.incidents.includes(mine) : change.incidents.length) refresh();
    else if (change.gateways.length) soon(); // states of devices change all the time; incidents cannot wait
  });
  stream.addEventListener("signed-out", leave);
  stream.onerror = () => {
    // The browser's own retry keeps asking at a fixed pace and gives up on an error page; ours backs off and never does.
    close();
    if (document.visibilityState === "hidden" && hiding === 0) return;
    show("off");
    timer = setTimeout(connect, retry + Math.random() * 500);
    retry = Math.min(retry * 1.6, 15_000);
  };
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  hiding = 0;
  // A browser allows six streams to one address: pages nobody looks at give theirs back.
  if (document.visibilityState === "hidden") hiding = setTimeout(() => { hiding = 0; close(); }, PATIENCE);
  else if (!stream) connect();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
addEventListener("online", () => { if (state === "off") connect(); });

setInterval(() => {
  refreshTimes();
  if (stream && heard && Date.now() - heard > SILENCE) { show("off"); connect(); }
}, 5000);

refreshTimes();
awaitLapse();
if ("stream" in body.dataset) connect();
