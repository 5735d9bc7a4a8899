// Puts in place what a stream of events says has changed, and no more, so that scroll
// positions, open details, the focus and selected text outlive it. Without a stream the
// page is fetched anew.
const stale = 10000, poll = 3000;
const asof = document.getElementById("asof"), search = document.getElementById("search");
let heard = performance.now();

// own are attributes that belong to the reader.
const own = ["open", "hidden"];
function attributes(now, next) {
  for (const name of next.getAttributeNames()) {
    if (!own.includes(name) && now.getAttribute(name) !== next.getAttribute(name)) now.setAttribute(name, next.getAttribute(name));
  }
  for (const name of now.getAttributeNames()) {
    if (!own.includes(name) && !next.hasAttribute(name)) now.removeAttribute(name);
  }
}
function put(now, next) {
  if (now.isEqualNode(next)) return;
  if (now.nodeType !== Node.ELEMENT_NODE || now.nodeName !== next.nodeName) return now.replaceWith(document.importNode(next, true));
  attributes(now, next);
  if (now.childNodes.length === next.childNodes.length) return [...now.childNodes].forEach((child, i) => put(child, next.childNodes[i]));
  const open = new Map([...now.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
  now.replaceChildren(...[...next.childNodes].map((child) => document.importNode(child, true)));
  for (const d of now.querySelectorAll("details[id]")) if (open.has(d.id)) d.open = open.get(d.id);
}
function show(elements) {
  const focus = document.activeElement?.id;
  for (const next of elements) {
    const now = next && document.getElementById(next.id);
    if (!now) continue;
    if (next.id === "summary" || next.id === "force") now.hidden = next.hidden;
    put(now, next);
  }
  if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus({ preventScroll: true });
  choose();
}
function fresh(at, clock) {
  heard = performance.now();
  asof.dateTime = at;
  asof.textContent = clock;
  look();
}
function look() {
  document.body.classList.toggle("lost", performance.now() - heard > stale);
}

// choose hides services in which what is searched for does not occur.
function choose() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const d of document.querySelectorAll(".service")) {
    const text = words.length ? d.textContent.toLowerCase() : "";
    d.hidden = !words.every((w) => text.includes(w));
  }
}
search.hidden = false;
search.addEventListener("input", choose);
addEventListener("keydown", (e) => {
  if (e.key === "/" && document.activeElement !== search) {
    e.preventDefault();
    search.focus();
  } else if (e.key === "Escape" && document.activeElement === search) {
    search.value = "";
    choose();
    search.blur();
  }
});

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(stale) });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    show(next.querySelectorAll("main > [id]"));
    const then = next.getElementById("asof");
    if (answer.ok) fresh(then.dateTime, then.textContent);
  } catch { /* look says so */ }
  setTimeout(refresh, poll);
}
function follow() {
  const events = new EventSource("api/v1/stream?after=" + asof.dataset.nanoseconds);
  events.onmessage = (e) => {
    const news = JSON.parse(e.data), parser = new DOMParser();
    show(news.parts.map((html) => parser.parseFromString(html, "text/html").body.firstElementChild));
    if (news.at) fresh(news.at, news.clock);
  };
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return; // it tries again
    setTimeout(refresh, poll);
  };
}
setInterval(look, 1000);
if ("EventSource" in window) follow();
else setTimeout(refresh, poll);
