// Fetches the page anew and puts in place what changed and no more, so that
// scroll positions, open details and selected text outlive a refresh.
const every = 3000;
function put(now, next) {
  if (now.isEqualNode(next)) return;
  const alike = now.nodeType === Node.ELEMENT_NODE && now.nodeName === next.nodeName &&
    now.childNodes.length === next.childNodes.length;
  if (!alike) return now.replaceWith(document.importNode(next, true));
  if (now.className !== next.className) now.className = next.className;
  [...now.childNodes].forEach((child, i) => put(child, next.childNodes[i]));
}
async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    put(document.querySelector("main"), next);
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
  }
  setTimeout(refresh, every);
}
setTimeout(refresh, every);
