// A browser as a person has it, and what every page must be: small, without a fault in the console,
// asking nobody else, and without a violation that axe-core finds, in the light and in the dark.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(new URL("../../.tools/node/", import.meta.url));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PAGE_BYTES = 60 * 1024;
const DESKTOP = { viewport: { width: 1180, height: 860 } };
const PHONE = {
  viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
};

export const told = { passed: 0, failed: 0 };

export function check(name, good, detail = "") {
  if (good) {
    told.passed += 1;
  } else {
    told.failed += 1;
    console.log(`FAIL ${name}: ${detail}`);
  }
  return Boolean(good);
}

// `home`: its .pki/nssdb says whom this browser trusts. Nothing but this machine has a name.
export function browser(home, host = "127.0.0.1") {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    env: { ...process.env, HOME: home },
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${host}`,
    ],
  });
}

// One person at one browser.
export class Walk {
  static async begin(browser, name, {
    base, phone = false, script = true, warned = false, trusting = false,
  }) {
    const walk = new Walk();
    const shape = phone ? PHONE : DESKTOP;
    walk.context = await browser.newContext({
      ...shape, javaScriptEnabled: script, locale: "en-GB", timezoneId: "Europe/Berlin",
      ignoreHTTPSErrors: trusting,
    });
    walk.page = await walk.context.newPage();
    Object.assign(walk, { name, base, phone, script, warned, trusting });
    Object.assign(walk, { clicks: 0, fields: 0, begun: Date.now(), faults: [], seen: new Set() });
    walk.page.setDefaultTimeout(30_000);
    walk.listen();
    return walk;
  }

  listen() {
    const host = new URL(this.base).hostname;
    this.context.on("request", (request) => {
      const url = new URL(request.url());
      const own = url.hostname === host || ["data:", "chrome-error:"].includes(url.protocol);
      if (!own) this.faults.push(`asks ${request.url()}`);
    });
    this.page.on("pageerror", (error) => this.faults.push(`script: ${error.message}`));
    this.page.on("console", (message) => {
      // A page that says what is wrong with a form comes with a status that Chromium tells too.
      const status = /Failed to load resource: the server responded with a status of (4\d\d)/;
      const self = message.location().url === this.page.url();
      const fine = message.type() !== "error" || (self && status.test(message.text()));
      const warning = this.warned && /ERR_CERT_AUTHORITY_INVALID/.test(message.text());
      if (!fine && !warning) this.faults.push(`console: ${message.text()}`);
    });
    this.page.on("response", (response) => {
      if (response.request().resourceType() === "document") this.last = response;
    });
  }

  get path() {
    return new URL(this.page.url()).pathname;
  }

  async go(path) {
    await this.page.goto(new URL(path, this.base).href);
  }

  // A click that a person makes.
  async click(selector) {
    this.clicks += 1;
    await this.page.locator(selector).first().click();
  }

  // Sends a form: clicks its button and waits for the page that comes of it.
  async send(action, button = "button:not([type=button])") {
    this.clicks += 1;
    const form = this.page.locator(`main form[action="${action}"]`).first();
    await this.leaving(() => form.locator(button).first().click());
  }

  async follow(selector) {
    await this.leaving(() => this.click(selector));
  }

  // Does what leads to another page, and waits until that is there. A certificate that the browser
  // cannot prove is clicked through, where the walk is about that.
  async leaving(act) {
    const loaded = this.page.waitForEvent("load");
    await act();
    await loaded;
    if (this.warned) await this.proceed();
  }

  // The browser's own warning: "Advanced", then "Proceed".
  async proceed() {
    if (!await this.page.locator("#proceed-link").count()) return;
    this.warnings = (this.warnings ?? 0) + 1;
    await this.click("#details-button");
    await this.leaving(() => this.click("#proceed-link"));
  }

  async fill(name, value) {
    this.fields += 1;
    await this.page.locator(`main [name="${name}"]:not([type=hidden])`).first().fill(value);
  }

  async choose(name, value) {
    this.clicks += 1;
    await this.page.locator(`main [name="${name}"][value="${value}"]`).check();
  }

  // Opens a part that is folded.
  async unfold(inside) {
    const part = this.page.locator("main details", { has: this.page.locator(inside) }).first();
    if (!await part.evaluate((it) => it.open)) {
      this.clicks += 1;
      await part.locator("summary").click();
    }
  }

  // Waits for what is shown when something is done; without script a person looks again.
  async until(selector, seconds = 90) {
    const end = Date.now() + seconds * 1000;
    while (!this.script && Date.now() < end && await this.page.locator("a.again").count()
      && !await this.page.locator(selector).count()) {
      await this.follow("a.again");
    }
    await this.page.locator(selector).first().waitFor({ timeout: seconds * 1000 });
  }

  // A part that breaks off is told, and does not hide the others.
  async attempt(part, ...given) {
    try {
      await part(this, ...given);
    } catch (error) {
      check(`${this.name}: ${part.name} at ${this.path}`, false, error.stack);
    }
  }

  text(selector = "main") {
    return this.page.locator(selector).first().innerText();
  }

  // What must be so of every page. `state`: what of the page is looked at.
  async look(state, { status = 200 } = {}) {
    const what = `${this.name}: ${this.path} ${state}`;
    this.seen.add(this.path);
    const last = this.last;
    if (last) {
      const octets = (await last.body().catch(() => Buffer.alloc(0))).length;
      check(`${what}: at most 60 KiB`, octets <= PAGE_BYTES, octets);
      check(`${what}: status`, last.status() === status, last.status());
    }
    await this.narrow(what);
    if (!this.script) {
      const dead = await this.page.locator("button[type=button]:visible").count();
      check(`${what}: no button that does nothing`, dead === 0, dead);
    }
    if (Walk.gallery) await this.shoot(state);
    await this.axe(what);
    check(`${what}: nothing to complain of`, this.faults.length === 0, this.faults.join("; "));
    this.faults = [];
  }

  // A picture of the whole page, on a phone in the dark too.
  async shoot(state) {
    const words = [this.name, this.path, state].join(" ").replace(/[^a-z0-9@.]+/gi, "-");
    for (const colorScheme of this.phone ? ["light", "dark"] : ["light"]) {
      await this.page.emulateMedia({ colorScheme });
      const path = join(Walk.gallery, `${words}${colorScheme === "dark" ? "-dark" : ""}.png`);
      await this.page.screenshot({ path, scale: "css", fullPage: true });
    }
    await this.page.emulateMedia({ colorScheme: "light" });
  }

  // Nothing is wider than the screen.
  async narrow(what) {
    const wide = await this.page.evaluate(() => {
      const root = document.documentElement;
      return root.scrollWidth > root.clientWidth + 1 ? root.scrollWidth : 0;
    });
    check(`${what}: fits the screen`, wide === 0, `${wide} wide`);
  }

  // By the debugger's way: the page's own policy lets no script in, and rightly.
  async axe(what) {
    const page = this.script ? this.page : await this.double();
    const session = await page.context().newCDPSession(page);
    const run = (expression) => session.send("Runtime.evaluate", {
      expression, awaitPromise: true, returnByValue: true,
    });
    await run(AXE);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const only = colorScheme === "dark" ? '{ runOnly: ["color-contrast"] }' : "{}";
      const { result, exceptionDetails } = await run(`axe.run(document, ${only}).then((found) =>
        found.violations.map((it) => it.id + ": " + it.nodes.map((n) => n.html).join(" ")))`);
      const found = exceptionDetails ? [exceptionDetails.exception.description] : result.value;
      check(`${what}: axe, ${colorScheme}`, found.length === 0, found.join("; "));
    }
    await page.emulateMedia({ colorScheme: null });
    await session.detach();
  }

  // Where no script runs axe-core cannot either: it looks at the same content in another page.
  async double() {
    const content = (await this.page.content())
      .replace(/<script[^>]*><\/script>/g, "").replace(/<\/?noscript>/g, "");
    if (!this.twin) {
      const context = await this.context.browser().newContext({
        ...PHONE, ignoreHTTPSErrors: this.trusting,
      });
      this.twin = await context.newPage();
      await this.twin.route("**/double", (route) => route.fulfill({
        contentType: "text/html; charset=utf-8", body: this.content,
      }));
    }
    this.content = content;
    await this.twin.goto(new URL("/double", this.base).href);
    return this.twin;
  }

  async end() {
    Walk.ended?.(this);
    await this.twin?.context().close();
    await this.context.close();
  }
}
