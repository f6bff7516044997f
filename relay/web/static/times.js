// Says how long ago a moment was, in every <time data-ago>. The exact time stands beside it, from the server.

const word = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(then, now = Date.now()) {
  const seconds = Math.round((now - then) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return word.format(-Math.floor(seconds / 86400), "day");
}

export function refreshTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-ago]")) {
    const text = ago(Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

const zone = document.documentElement.dataset.timezone || "UTC";
const parts = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 2, hourCycle: "h23",
});
const short = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// Both take milliseconds since the epoch and answer in the relay's time zone, like the pages.
export const exact = (moment) => parts.format(moment);
export const clock = (moment) => short.format(moment);
