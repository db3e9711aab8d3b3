// Draws one approval. It decides nothing and sends nothing: Approve and Deny open the approval service's own page, in a
// window that no script of this page can read or press. Text is only ever set as text.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function words(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// A browser sends a cookie to every port of a host. So that the approver's is never sent to the notebook's own server,
// the service is opened under loopback's other name where both have the same.
export function elsewhere(link, here) {
  let url;
  try {
    url = new URL(link);
  } catch {
    return "";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "";
  const other = { "127.0.0.1": "localhost", localhost: "127.0.0.1" }[url.hostname];
  if (other && url.hostname === here) url.hostname = other;
  return url.href;
}

function open(event) {
  const link = event.currentTarget;
  const made = window.open(link.href, "toolguard-approval", "popup,width=620,height=860");
  if (made) event.preventDefault(); // where no window may be opened (VS Code) the link does what links do
}

function button(text, kind, href) {
  const link = element("a", { class: `tga-button ${kind}`, href, target: "toolguard-approval" }, text);
  link.addEventListener("click", open);
  return link;
}

function list(rows) {
  const made = element("dl");
  for (const [name, value] of rows) if (value) made.append(element("dt", {}, name), element("dd", {}, value));
  return made;
}

function draw(card) {
  const link = elsewhere(card.link, window.location.hostname);
  const tone = card.open ? "waits" : ["approved", "executing", "executed"].includes(card.state) ? "good" : "over";
  const bold = (rows) => rows.map(([name, value]) => [name, element("strong", {}, value)]);
  const made = element(
    "section",
    { class: `tga ${tone}`, "aria-label": `Approval of ${card.tool}` },
    element(
      "header",
      {},
      element("h3", {}, card.tool),
      element("span", { class: "tga-chip tga-state", role: "status" }, `${card.mark} ${card.word}`),
      element("span", { class: `tga-chip tga-${card.level}` }, card.risk),
      element("p", {}, card.open ? `${card.consequence} Nothing has run.` : card.sentence),
    ),
    card.decisive.length ? list(bold(card.decisive)) : null,
    list([
      ...card.rows,
      ["", card.left_out ? `${card.left_out} more stand in the inbox` : ""],
      ["asked by", `${card.requester} through ${card.agent} (${card.verified ? "verified" : "asserted"})`],
      ["because", card.because],
      ["the agent says", card.says ? `“${card.says}”` : ""],
      ["answers", card.answers.join(" · ")],
    ]),
  );
  if (card.open) made.append(element("p", { class: "tga-left", "data-expires": String(card.expires) }));
  if (card.vetoable && link) {
    const row = element("div", { class: "tga-buttons" });
    if (card.open) row.append(button("Approve …", "tga-yes", link));
    row.append(button(card.open ? "Deny …" : "Take it back …", "tga-no", `${link}#answer-h`));
    const note = card.open
      ? "Opens the approval service, where an approver signs in as themselves and confirms. Compare the digest there."
      : "An approver can still deny it until it runs.";
    made.append(row, element("p", { class: "tga-note" }, note));
  }
  made.append(element("p", { class: "tga-foot" }, "Digest ", element("code", {}, card.digest)));
  return made;
}

function render({ model, el }) {
  const box = element("div", { class: "tga-box" });
  el.append(box);
  const tick = () => {
    const left = box.querySelector("[data-expires]");
    if (!left) return;
    const seconds = Number(left.dataset.expires) - Date.now() / 1000;
    left.textContent = seconds > 0 ? `${words(seconds)} left to answer` : "The time to answer is over.";
    left.classList.toggle("tga-soon", seconds < 300);
  };
  const show = () => {
    const focused = box.contains(document.activeElement) ? document.activeElement.className : "";
    box.replaceChildren(draw(model.get("card")));
    tick();
    if (focused) [...box.querySelectorAll("a")].find((link) => link.className === focused)?.focus();
  };
  model.on("change:card", show);
  show();
  const timer = setInterval(tick, 1000);
  return () => {
    clearInterval(timer);
    model.off("change:card", show);
  };
}

export default { render };
