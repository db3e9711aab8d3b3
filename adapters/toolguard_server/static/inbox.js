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
function replaceLive(live, next) {
  const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  live.replaceWith(next);
  if (focused) {
    for (const link of next.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) {
        link.focus({ preventScroll: true });
        break;
      }
    }
  }
}

async function refresh() {
  const live = document.getElementById("live");
  if (!live || !live.dataset.refresh) return;
  if (!document.hidden) {
    try {
      const reply = await fetch(location.pathname + (live.dataset.part || ""), { headers: { Accept: "text/html" } });
      if (reply.ok && !reply.redirected) {
        const page = new DOMParser().parseFromString(await reply.text(), "text/html");
        const next = page.getElementById("live");
        const strip = (node) => node.innerHTML.replace(/(<span data-expires="[^"]*">)[^<]*/g, "$1");
        if (next && strip(next) !== strip(live)) {
          const ended = next.className !== live.className;
          replaceLive(live, next);
          document.title = page.title;
          const news = document.getElementById("news");
          const told = page.getElementById("news");
          if (news && told && news.textContent !== told.textContent) news.textContent = told.textContent;
          countDown();
          // A form for a request that has moved on must not be sent: show the page as it is now.
          if (ended && document.querySelector(".answer form")) location.reload();
        }
      } else if (reply.redirected) {
        location.reload();
      }
    } catch {
      // The service is away; the page stays, and the next try may find it again.
    }
  }
  setTimeout(refresh, 4000);
}
setTimeout(refresh, 4000);
document.addEventListener("visibilitychange", () => document.hidden || countDown());

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
