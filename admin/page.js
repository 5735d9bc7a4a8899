// Fetches the page anew and puts what changed in place, so that scroll
// position and selection outlive a refresh.
const every = 3000;
async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (!next) throw new Error("not a status page");
    const now = document.querySelector("main");
    if (now.innerHTML !== next.innerHTML) now.replaceWith(document.adoptNode(next));
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
  }
  setTimeout(refresh, every);
}
setTimeout(refresh, every);
