// Lighthouse judges pages of the demo: one line a page and category, and an exit code that says whether all are good enough.
//
//   node lighthouse.mjs NODE_MODULES MUSTER
//
// `cargo xtask lighthouse` installs what it needs and runs it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const LEAST = 95;
const CATEGORIES = ["accessibility", "best-practices"];
const PASSWORD = "a heron stands in the rain";

const [modules, muster] = process.argv.slice(2).map((path) => resolve(path));
const folders = process.env.PATH.split(delimiter);
const chromium = folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path));
const require = createRequire(join(modules, "judge.js"));
const { default: lighthouse } = await import(
  pathToFileURL(join(modules, "lighthouse", "core", "index.js")).href
);
const puppeteer = require("puppeteer-core");

const demo = spawn(muster, ["demo", "--json", "--people", "12"], { stdio: ["ignore", "pipe", "inherit"] });
const ended = new Promise((done) => demo.once("close", done));
let browser;
let poor = 0;
try {
  const { url, owner, owner_link } = await serving();
  browser = await puppeteer.launch({
    executablePath: chromium,
    args: ["--disable-dev-shm-usage", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])],
  });
  const page = await browser.newPage();
  await page.goto(owner_link);
  await fill(page, { password: PASSWORD, again: PASSWORD });
  await judge(page, "sign-in", `${url}/sign-in`);
  await page.goto(`${url}/sign-in`);
  await page.click("summary");
  await fill(page, { email: owner, password: PASSWORD });
  await judge(page, "home", `${url}/`);
  await judge(page, "Okta", `${url}/integrations/okta`);
  await judge(page, "not found", `${url}/no/such/page`);
} finally {
  await browser?.close();
  demo.kill();
  await ended;
}
if (poor > 0) {
  console.error(`under ${LEAST}: ${poor}`);
  process.exitCode = 1;
}

// What the demo says when it begins to serve.
async function serving() {
  for await (const line of createInterface({ input: demo.stdout })) {
    const act = JSON.parse(line);
    if (act.act === "serving") return act;
  }
  throw new Error("the demo ended before it served");
}

// Fills the form of a page and sends it.
async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.type(`#${name}`, value);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

async function judge(page, name, url) {
  const flags = {
    logLevel: "silent",
    onlyCategories: CATEGORIES,
    // Who is signed in stays so.
    disableStorageReset: true,
    // A page that says that there is nothing answers 404.
    ignoreStatusCode: true,
  };
  const { lhr } = await lighthouse(url, flags, undefined, page);
  if (lhr.runtimeError) throw new Error(`${name}: ${lhr.runtimeError.message}`);
  if (lhr.finalDisplayedUrl !== url) throw new Error(`${name}: led to ${lhr.finalDisplayedUrl}`);
  for (const id of CATEGORIES) {
    const category = lhr.categories[id];
    const score = Math.round(category.score * 100);
    console.log(`${String(score).padStart(3)}  ${id.padEnd(14)}  ${name}`);
    for (const { id: audit, weight } of category.auditRefs) {
      const { score: one, title } = lhr.audits[audit];
      if (weight > 0 && one !== null && one < 1) console.log(`       ${audit}: ${title}`);
    }
    if (score < LEAST) poor += 1;
  }
}
