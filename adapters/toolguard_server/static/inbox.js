// The pages work without this: it fills in the sign-in code, counts down, and refreshes what is shown.
"use strict";

const code = document.getElementById("code");
if (code && location.hash.length > 1) {
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname); // the secret leaves the address bar
  document.getElementById("signin-text").textContent = "Your link is ready. It works once.";
  code.form.querySelector("button").focus();
}

function words(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function countDown() {
  for (const element of document.querySelectorAll("[data-expires]")) {
    const left = (Date.parse(element.dataset.expires) - Date.now()) / 1000;
    const text = words(left);
    if (element.textContent !== text) element.textContent = text;
    element.parentElement.classList.toggle("soon", left < 300);
  }
}
setInterval(countDown, 1000);

// Where the focus was in what is replaced, it stays on the same link.
function replaceWith(old, next) {
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceWith(next);
  if (focused) {
    for (const link of next.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) {
        link.focus({ preventScroll: true });
        break;
      }
    }
  }
}

// The page at an address as it is now; null where the service is away, or nobody is signed in any more.
async function pageAt(address) {
  try {
    const reply = await fetch(address, { headers: { Accept: "text/html" } });
    if (reply.redirected) location.assign(address.split("?")[0]);
    if (!reply.ok || reply.redirected) return null;
    return new DOMParser().parseFromString(await reply.text(), "text/html");
  } catch {
    return null; // the page stays, and the next try may find it again
  }
}

const plain = (node) => node.innerHTML.replace(/(<span data-expires="[^"]*">)[^<]*/g, "$1");

// What may have changed is fetched and put in its place; what somebody is typing stays.
async function refresh() {
  const live = document.getElementById("live");
  if (!live || !live.dataset.refresh) hush(); // nothing changes any more
  if (!live || !live.dataset.refresh || document.hidden) return;
  const address = live.dataset.page || location.pathname;
  const page = await pageAt(address + (live.dataset.part || ""));
  const next = page && page.getElementById("live");
  if (!next) return;
  const talk = document.getElementById("talk");
  const said = page.getElementById("talk");
  if (talk && said && plain(said) !== plain(talk)) talk.replaceChildren(...said.childNodes);
  if (plain(next) === plain(live)) return;
  const ended = next.className !== live.className;
  replaceWith(live, next);
  document.title = page.title;
  const news = document.getElementById("news");
  const told = page.getElementById("news");
  if (news && told && news.textContent !== told.textContent) news.textContent = told.textContent;
  countDown();
  // A form for a request that has moved on must not be sent: what can be answered now takes its place.
  const forms = document.querySelectorAll(".answer, .propose");
  if (ended && forms.length) {
    const whole = await pageAt(address);
    for (const old of forms) {
      const now = whole && whole.querySelector(old.matches(".answer") ? ".answer" : ".propose");
      if (now) replaceWith(old, now);
      else if (whole) old.remove();
      else old.querySelectorAll("button").forEach((button) => (button.disabled = true));
    }
  }
}

// The service tells of changes as they happen; every hint is only a reason to look. Without hints the page looks often,
// with them now and then, as one may get lost. While it is hidden a page listens to nothing.
let source = null;
let due = 0;

function look(after) {
  clearTimeout(due);
  due = setTimeout(async () => {
    await refresh();
    look(document.documentElement.dataset.live ? 30000 : 4000);
  }, after);
}

function deaf() {
  delete document.documentElement.dataset.live;
}

function hush() {
  if (source) source.close();
  source = null;
  deaf();
}

function listen() {
  const live = document.getElementById("live");
  if (source || !window.EventSource || !live || !live.dataset.refresh || document.hidden) return;
  const only = (live.dataset.page || "").split("/")[2]; // a request's own page looks only when that one changes
  source = new EventSource("/inbox/stream");
  const hint = (event) => {
    if (!only || JSON.parse(event.data).id === only) look(80);
  };
  source.onopen = () => {
    document.documentElement.dataset.live = "on";
    look(80);
  };
  source.onerror = () => {
    deaf();
    if (source && source.readyState === 2) source = null; // refused: the page goes on looking by itself
    look(4000);
  };
  source.addEventListener("approval", hint);
  source.addEventListener("comment", hint);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    hush();
  } else {
    countDown();
    look(0);
    listen();
  }
});
look(4000);
listen();

// Arrow keys go from card to card while one has the focus. No key decides anything.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !document.activeElement.matches("a.row")) return;
  const cards = [...document.querySelectorAll("a.row")];
  const next = cards[cards.indexOf(document.activeElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
