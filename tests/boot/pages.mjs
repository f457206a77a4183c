// The pages of a box in the emulated box itself: an owner sends it an update and follows it over
// the restart, moves all of the mail to a disk that is put in, and has the old copy removed; then
// the pages that only a box has, on a large screen and on a phone.

import { browser, check, told, Walk } from "../browser/lib.mjs";

const { base, home, code, bundle, version, gallery, data } = JSON.parse(process.env.MAILROOM_BOX);
const PASSWORD = "correct horse battery";
const PAGES = ["/update", "/storage", "/backup", "/reset", "/log", "/"];
const SECONDS = 600;

const chromium = await browser(home, new URL(base).hostname);
Walk.gallery = gallery;

// The first time the browser warns: the page is behind it.
async function over(walk, path) {
  try {
    await walk.go(path);
  } catch (error) {
    if (!String(error).includes("ERR_CERT")) throw error;
    await walk.page.locator("#proceed-link").waitFor({ state: "attached" });
    await walk.proceed();
  }
}

async function login(walk) {
  await over(walk, "/login");
  if (walk.path !== "/login") return;
  await walk.fill("password", PASSWORD);
  await walk.send("/login");
}

async function owns(walk) {
  await over(walk, "/code");
  await walk.fill("code", code);
  await walk.send("/code");
  await over(walk, "/setup/owner");
  await walk.fill("password", PASSWORD);
  await walk.fill("password2", PASSWORD);
  await walk.send("/setup/owner");
}

// By its page, from the first octet to the new system's own words.
async function updates(walk) {
  await over(walk, "/update");
  await walk.look("before");
  await walk.page.locator('main [name="file"]').setInputFiles(bundle);
  await walk.send("/update/file");
  await walk.look("the file has arrived");
  await walk.page.reload();
  await walk.until("#update progress, #waits", SECONDS);
  await walk.look("after a reload");
  const there = (text) => text.includes(version) && text.includes("Proven");
  const text = await comes(walk, "/update", "#runs + dl", there);
  check("the new system runs and is kept", there(text), text);
  await walk.look("the new system");
}

// Over a restart, until the page says so. What it said last.
async function comes(walk, path, part, is) {
  const end = Date.now() + SECONDS * 1000;
  let text = "";
  while (Date.now() < end && !is(text)) {
    await walk.page.waitForTimeout(2_000);
    try {
      await login(walk);
      await over(walk, path);
      text = await walk.text(part);
    } catch {
      // It restarts.
    }
  }
  walk.faults = [];
  return text;
}

// To a disk without a file system, which is put in by whoever reads these lines.
async function moves(walk) {
  console.log("put in");
  await comes(walk, "/storage", "main", (text) => text.includes(data));
  await walk.look("a disk is in");
  await over(walk, "/backup");
  await walk.look("a disk is in");
  await over(walk, "/storage");
  await walk.fill("disk", "another");
  await walk.fill("password", PASSWORD);
  await walk.send("/storage/move");
  await walk.look("another name", { status: 422 });
  await walk.fill("disk", data);
  await walk.fill("password", PASSWORD);
  await walk.send("/storage/move");
  await walk.look("the mail moves");
  const moved = (text) => text.includes("old copy") && text.includes("All of the mail; the box");
  let text = await comes(walk, "/storage", "[aria-labelledby=disks]", moved);
  check("the mail is on the disk", moved(text), text);
  await walk.look("the mail has moved");
  await walk.send("/storage/measure");
  await walk.until("[aria-labelledby=speed] .state", SECONDS);
  await walk.look("the disk is measured");
  await walk.fill("password-old", PASSWORD);
  await walk.send("/storage/forget");
  const gone = (text) => !text.includes("old copy") && text.includes("The system; the mail is on");
  text = await comes(walk, "/storage", "[aria-labelledby=disks]", gone);
  check("the old copy is gone", gone(text), text);
  await walk.look("the old copy is gone");
}

async function pages(walk) {
  await login(walk);
  for (const path of PAGES) {
    await over(walk, path);
    await walk.look("as it comes");
  }
}

// With script on both: the browser's own warning cannot be passed without it.
for (const shape of [{}, { phone: true }]) {
  const name = shape.phone ? "phone" : "desktop";
  const walk = await Walk.begin(chromium, name, { base, warned: true, ...shape });
  walk.page.setDefaultTimeout(20_000);
  if (!shape.phone) {
    await walk.attempt(owns);
    await walk.attempt(updates);
    await walk.attempt(moves);
  }
  await walk.attempt(pages);
  await walk.end();
}
await chromium.close();
console.log(JSON.stringify(told));
