async function lookForNews() {
  const main = document.querySelector("main[data-state]");
  try {
    const answer = await fetch(main.dataset.watch, { cache: "no-store" });
    const { state } = await answer.json();
    if (state !== main.dataset.state) {
      const text = await (await fetch(location.href, { cache: "no-store" })).text();
      const fresh = new DOMParser().parseFromString(text, "text/html");
      const open = [...document.querySelectorAll("details")].map((d) => d.open);
      for (const selector of ["header.top", "main", "footer"]) {
        document.querySelector(selector).replaceWith(fresh.querySelector(selector));
      }
      document.querySelectorAll("details").forEach((d, i) => { d.open = open[i] || false; });
      addCopyButtons();
    }
    document.getElementById("live").textContent = "";
  } catch {
    document.getElementById("live").textContent = "The explorer does not answer; what you see may be old.";
  }
  setTimeout(lookForNews, 3000);
}
setTimeout(lookForNews, 3000);
