// Small comforts for every page; each works without it, only less comfortably.

// What was said once is not said again by a reload.
const here = new URL(location.href);
if (here.searchParams.has("said")) {
  here.searchParams.delete("said");
  history.replaceState(null, "", here);
}

// A form that changes something is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});

// Menus close when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.removeAttribute("open");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  }
});

// How strong a passphrase is: length counts most, repetition counts against. A hint, never a rule.
for (const field of document.querySelectorAll("input[data-strength]")) {
  const meter = document.getElementById(field.dataset.strength);
  const hint = document.getElementById(field.dataset.strength + "-hint");
  const first = hint?.textContent ?? "";
  meter.hidden = false;
  field.addEventListener("input", () => {
    const text = field.value;
    const variety = new Set(text.toLowerCase()).size;
    const score = Math.min(100, Math.round(Math.min(text.length, 28) * 2.4 + Math.min(variety, 14) * 2.4));
    meter.value = text.length < 12 ? Math.min(30, score) : score;
    if (!hint) return;
    if (!text) hint.textContent = first;
    else if (text.length < 12) hint.textContent = `${12 - text.length} more character${text.length === 11 ? "" : "s"} to go.`;
    else if (variety < 6) hint.textContent = "Long enough, but it repeats itself a lot.";
    else hint.textContent = score > 80 ? "Strong." : "Good. A word more makes it stronger.";
  });
}
