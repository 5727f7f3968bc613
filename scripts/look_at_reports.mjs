// Opens pages in Chromium, and writes screenshots, a print and what axe-core finds.
//   node scripts/look_at_reports.mjs FOLDER AXE_SCRIPT PAGE...
// FOLDER holds the pages. It needs Debian's chromium and npm's axe-core; scripts/look_at_reports.py calls it.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, axePath] = process.argv.slice(2, 4).map((each) => resolve(each));
const names = process.argv.slice(4);
const axe = readFileSync(axePath, "utf8");
const SHOTS = [
  [1280, "light"],
  [1280, "dark"],
  [400, "light"],
  [400, "dark"],
];
const TALLEST = 16000;

const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "about:blank"];
const browser = spawn("chromium", flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
const waiting = new Map();
const listeners = [];
let number = 0;
let rest = "";
browser.stdio[4].on("data", (chunk) => {
  const parts = (rest + chunk).split("\0");
  rest = parts.pop();
  for (const part of parts) {
    const message = JSON.parse(part);
    if (message.id) {
      const { done, failed } = waiting.get(message.id);
      message.error ? failed(new Error(JSON.stringify(message.error))) : done(message.result);
    } else {
      listeners.forEach((listener) => listener(message));
    }
  }
});

function send(method, params = {}, sessionId = undefined) {
  number += 1;
  const id = number;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((done, failed) => waiting.set(id, { done, failed }));
}

const { targetId } = await send("Target.createTarget", { url: "about:blank" });
const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
const call = (method, params) => send(method, params, sessionId);
await call("Page.enable");
await call("Network.enable");
await call("Runtime.enable");
// The page forbids scripts; axe-core is one.
await call("Page.setBypassCSP", { enabled: true });

async function load(url) {
  const loaded = new Promise((done) => {
    listeners.push((message) => message.method === "Page.loadEventFired" && done());
  });
  await call("Page.navigate", { url });
  await loaded;
}

const findings = {};
for (const name of names) {
  const url = pathToFileURL(join(folder, name)).href;
  const stem = join(folder, name.replace(/\.html$/, ""));
  const requests = [];
  const watch = (message) => {
    const asked = message.method === "Network.requestWillBeSent" && message.params.request.url;
    if (asked && asked !== url && !asked.startsWith("data:")) requests.push(asked);
  };
  listeners.push(watch);
  const violations = [];
  let overflow = 0;
  for (const [width, scheme] of SHOTS) {
    await call("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
    await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await load(url);
    const { cssContentSize: size } = await call("Page.getLayoutMetrics");
    if (size.width > width) overflow = Math.max(overflow, size.width - width);
    const clip = { x: 0, y: 0, width, height: Math.min(size.height, TALLEST), scale: 1 };
    const shot = await call("Page.captureScreenshot", { clip, captureBeyondViewport: true });
    writeFileSync(`${stem}-${width}-${scheme}.png`, shot.data, "base64");
    // What is folded is checked too.
    const open = "document.querySelectorAll('details').forEach((each) => { each.open = true; });";
    await call("Runtime.evaluate", { expression: open + axe });
    const { result } = await call("Runtime.evaluate", {
      expression: "axe.run().then((found) => JSON.stringify(found.violations.map((each) => ({ id: each.id, " +
        "impact: each.impact, help: each.help, nodes: each.nodes.length, first: each.nodes[0].html.slice(0, 200), " +
        "why: each.nodes[0].failureSummary }))))",
      awaitPromise: true,
    });
    for (const each of JSON.parse(result.value)) violations.push({ width, scheme, ...each });
  }
  // The page as it came: axe-core's look has opened what is folded.
  await load(url);
  const print = await call("Page.printToPDF", { printBackground: true });
  writeFileSync(`${stem}.pdf`, print.data, "base64");
  listeners.splice(listeners.indexOf(watch), 1);
  findings[name] = { requests, overflow, violations };
  writeFileSync(join(folder, "findings.json"), JSON.stringify(findings, null, 2));
}
await send("Browser.close").catch(() => {});
browser.kill();
process.exit(0);
