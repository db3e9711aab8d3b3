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

async function refresh() {
  const live = document.getElementById("live");
  if (!live || !live.dataset.refresh) return;
  if (!document.hidden) {
    try {
      const reply = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      if (reply.ok && !reply.redirected) {
        const page = new DOMParser().parseFromString(await reply.text(), "text/html");
        const next = page.getElementById("live");
        const strip = (node) => node.innerHTML.replace(/(<span data-expires="[^"]*">)[^<]*/g, "$1");
        if (next && strip(next) !== strip(live)) {
          const ended = next.className !== live.className;
          live.replaceWith(next);
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
