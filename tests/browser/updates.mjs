// The page of updates in every state that a box can be in, told by a PID 1 that is this suite; the
// page of the log, and the file for support.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { check } from "./lib.mjs";

const FILE = 'main form[action="/update/file"]';
const WORK = {
  way: "upload", file: "update.mru", version: "0.5.0", step: "checking", done: 12, of: 128,
};
const REFUSED = {
  way: "stick", file: "mailroom-0.3.0-qemu-virt.mru", version: "0.3.0", consent: true,
  why: "the update file has version 0.3.0, older than 0.4.0, which is running",
};
const HISTORY = ["back", "kept", "refused"].map((result, days) => ({
  at: 1793600000 - days * 86400, version: result === "refused" ? null : "0.5.0", from: "0.4.0",
  way: ["stick", "hand", "upload"][days], result,
  why: result === "kept" ? "" : "no letter came back",
}));

// `state`: where PID 1 tells how updates stand, as tests/harness/pid1.py does.
export async function updates(walk, state) {
  const quiet = JSON.parse(readFileSync(state, "utf8"));
  const tells = (changed) => {
    writeFileSync(`${state}.new`, JSON.stringify({ ...quiet, ...changed }));
    renameSync(`${state}.new`, state);
  };
  rmSync(`${state}.asked`, { force: true });
  await walk.go("/update");
  await walk.look("nothing is under way");
  await when(walk);
  await wrong(walk);
  await sent(walk, tells);
  tells({ refused: REFUSED });
  await walk.until('[name="consent"]');
  await walk.look("a file was refused");
  await walk.send("/update/consent");
  await walk.look("without the tick", { status: 422 });
  await walk.page.locator('main [name="consent"]').check();
  await walk.send("/update/consent");
  tells({ work: { ...WORK, step: "installed", done: 1, of: 1 } });
  await walk.until('form[action="/update/now"]');
  await walk.look("installed");
  await walk.send("/update/now");
  await walk.look("it restarts");
  tells({ standing: "on-trial", history: HISTORY });
  await walk.go("/update");
  await walk.look("on trial");
  tells({ other: { version: "0.3.0", epoch: 1 }, history: HISTORY });
  await walk.until('form[action="/update/back"]');
  await walk.look("with an older system and a past");
  await walk.fill("version", "0.4.0");
  await walk.send("/update/back");
  await walk.look("another version was typed", { status: 422 });
  await walk.fill("version", "0.3.0");
  await walk.send("/update/back");
  await walk.look("it goes back");
  tells({ history: HISTORY });
  await walk.until(FILE);
  await walk.go("/");
  await walk.look("an update went back");
  const said = existsSync(`${state}.asked`) ? readFileSync(`${state}.asked`, "utf8") : "";
  check(`${walk.name}: PID 1 heard it`, said === "Take\nConsent\nNow\nBack\n", said);
  tells({});
}

// Not now, whatever the zone is: the server would restart the box before anybody looked.
async function when(walk) {
  const hour = String((new Date().getUTCHours() + 12) % 24).padStart(2, "0");
  await walk.page.locator('main [name="when"]').selectOption(`${hour}:00`);
  await walk.send("/update/when");
  await walk.look("the hour is kept");
}

async function choose(walk, buffer) {
  walk.fields += 1;
  const [name, mimeType] = ["mailroom-0.5.0-qemu-virt.mru", "application/octet-stream"];
  await walk.page.locator('main [name="file"]').setInputFiles({ name, mimeType, buffer });
}

async function wrong(walk) {
  await choose(walk, Buffer.from("Dear Bob, here is the update."));
  await walk.send("/update/file");
  await walk.look("no update file", { status: 422 });
}

// Slowly, so that the page is seen to follow where script runs; a page beside it shows it too.
async function sent(walk, tells) {
  await walk.go("/update");
  const bundle = Buffer.alloc(12 << 20);
  bundle.write("MROOMUP1");
  await choose(walk, bundle);
  const session = await walk.context.newCDPSession(walk.page);
  await session.send("Network.enable");
  const slow = (uploadThroughput) => session.send("Network.emulateNetworkConditions", {
    offline: false, latency: 0, downloadThroughput: -1, uploadThroughput,
  });
  await slow(2 << 20);
  // A page that is about to leave answers no debugger: it notes what it shows.
  if (walk.script) {
    await walk.page.evaluate(() => {
      const note = () => {
        const bar = document.querySelector("#update progress");
        if (bar) sessionStorage.shares = `${sessionStorage.shares ?? ""} ${bar.value}`;
      };
      new MutationObserver(note).observe(document.getElementById("update"), { childList: true });
    });
  }
  const beside = await walk.context.newPage();
  const seen = { beside: new Set() };
  let done = false;
  const watch = (async () => {
    while (!done) {
      await beside.goto(new URL("/update", walk.base).href);
      const bars = await beside.locator("#update progress").evaluateAll((all) =>
        all.map((bar) => bar.value));
      bars.forEach((share) => seen.beside.add(share));
      await beside.waitForTimeout(300);
    }
  })();
  await walk.send("/update/file");
  done = true;
  await watch;
  await beside.close();
  await slow(-1);
  await session.detach();
  if (walk.script) {
    const noted = await walk.page.evaluate(() => sessionStorage.shares ?? "");
    seen.here = new Set(noted.trim().split(" "));
  }
  for (const [where, shares] of Object.entries(seen)) {
    const all = [...shares].join();
    check(`${walk.name}: the share is seen moving ${where}`, shares.size > 1, all);
  }
  await walk.look("the box looks at the file");
  tells({ work: WORK });
  await walk.until("#update progress");
  await walk.look("it is being checked");
}

export async function log(walk) {
  await walk.go("/log");
  await walk.look("as it comes");
  await walk.fill("text", "nothing has this in it");
  await walk.leaving(() => walk.click("main form[action='/log'] button"));
  await walk.look("nothing found");
  await walk.go("/log?level=warn");
  await walk.look("what warns");
  const saved = walk.page.waitForEvent("download");
  await walk.click('main form[action="/log/support"] button');
  const file = await saved;
  const text = readFileSync(await file.path(), "utf8");
  const named = /^mailroom-support-\d{4}-\d\d-\d\d\.txt$/.test(file.suggestedFilename());
  check(`${walk.name}: the support file`, named && text.includes("==== Log"), text.slice(0, 300));
}
