// Looks at pages in a real browser. Reads a job from stdin, writes what it saw to stdout, as JSON.
//
// job: {chromium, pages: [{url, views: [{name, width, height, scheme}], waitFor?, picture?, clip?}]}
// seen: for each page and view console messages, requests, axe's violations, sizes, focus order.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

async function look(context, page, view) {
  const tab = await context.newPage();
  const seen = { url: page.url, view: view.name, console: [], requests: [] };
  tab.on("console", (message) => seen.console.push(`${message.type()}: ${message.text()}`));
  tab.on("pageerror", (error) => seen.console.push(`error: ${error.message}`));
  // Every request is seen here; what leaves this machine is stopped as well as reported.
  await tab.route("**/*", (route) => {
    const url = new URL(route.request().url());
    seen.requests.push(route.request().url().slice(0, 200));
    const local = ["file:", "data:"].includes(url.protocol) || url.hostname === "127.0.0.1";
    return local ? route.continue() : route.abort();
  });
  await tab.goto(page.url, { waitUntil: "load" });
  if (page.waitFor) await tab.getByText(page.waitFor).first().waitFor({ timeout: 60000 });
  await tab.waitForTimeout(200);
  seen.sizes = await tab.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    shown: innerWidth,
    height: document.documentElement.scrollHeight,
    cut: [...document.querySelectorAll("svg text")].filter((text) => {
      const picture = text.closest("svg").getBoundingClientRect();
      const box = text.getBoundingClientRect();
      return box.width > 0 && (box.left < picture.left - 1 || box.right > picture.right + 1
        || box.top < picture.top - 2 || box.bottom > picture.bottom + 2);
    }).map((text) => text.textContent),
  }));
  await tab.keyboard.press("Tab");
  seen.firstFocus = await tab.evaluate(() => document.activeElement.className);
  seen.landmarks = await tab.evaluate(() => ["header", "nav", "main", "footer", "h1"].filter(
    (name) => document.querySelector(name)));
  await tab.evaluate(() => document.activeElement.blur());
  await tab.evaluate(axe);
  const found = await tab.evaluate(() => globalThis.axe.run());
  seen.violations = found.violations.map((v) => ({
    id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)),
  }));
  seen.passes = found.passes.length;
  if (page.picture) {
    const path = `${page.picture}-${view.name}.png`;
    await tab.screenshot(page.clip
      ? { path, clip: { x: 0, y: 0, width: view.width, height: page.clip }, fullPage: true }
      : { path, fullPage: true });
  }
  await tab.close();
  return seen;
}

const job = JSON.parse(readFileSync(0, "utf8"));
const everything = [];
for (const page of job.pages) {
  for (const view of page.views) {
    const profile = mkdtempSync(join(tmpdir(), "zkdescent-browser-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: job.chromium, args: flags, headless: true,
      viewport: { width: view.width, height: view.height }, colorScheme: view.scheme ?? "light",
    });
    try {
      everything.push(await look(context, page, view));
    } finally {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    }
  }
}
process.stdout.write(JSON.stringify(everything));
