// The page of backups, and a new server that goes on from one: each with what is wrong first.

import { check } from "./lib.mjs";

const PASSPHRASE = "oak pine elm ash";
const OVER = 'main form[action="/backup"]';

// Made, tried, opened, searched, brought back; the nightly ones, set up and given up again.
// `whose`: the address of one who has mail with this subject.
export async function backups(walk, whose, subject) {
  await walk.go("/backup");
  await walk.look("as it comes");
  await made(walk);
  await nights(walk);
  await opened(walk, whose, subject);
  await all(walk);
}

async function made(walk) {
  await twice(walk, ["passphrase", "passphrase2"], ["short", "short"]);
  await walk.send("/backup");
  await walk.look("a short passphrase", { status: 422 });
  await twice(walk, ["passphrase", "passphrase2"], [PASSPHRASE, "oak pine elm yew"]);
  await walk.send("/backup");
  await walk.look("two that differ", { status: 422 });
  const kept = await walk.page.content();
  check(`${walk.name}: no passphrase comes back`, !kept.includes(PASSPHRASE), walk.path);
  await twice(walk, ["passphrase", "passphrase2"], [PASSPHRASE, PASSPHRASE]);
  await walk.send("/backup");
  await walk.look("it is being made");
  await walk.until(OVER);
  await walk.look("made and tried");
  const text = await walk.text();
  check(`${walk.name}: it was brought back beside the mail`, text.includes("Nothing is damaged"),
    text);
}

async function nights(walk) {
  await twice(walk, ["night", "night2"], ["short", "short"]);
  await walk.send("/backup/nightly");
  await walk.look("a short passphrase for the nights", { status: 422 });
  // Not now, whatever the zone is.
  const hour = String((new Date().getUTCHours() + 12) % 24);
  await walk.page.locator('main [name="hour"]').selectOption(hour);
  await twice(walk, ["night", "night2"], [PASSPHRASE, PASSPHRASE]);
  await walk.send("/backup/nightly");
  await walk.until(OVER);
  await walk.until('form[action="/backup/nightly/off"]');
  await walk.look("each night");
  await walk.go("/");
  const text = await walk.text();
  check(`${walk.name}: the first page tells of it`, text.includes("Nightly backup"), text);
  await walk.go("/backup");
  await walk.send("/backup/nightly/off");
  await walk.until(OVER);
}

async function opened(walk, whose, subject) {
  await walk.go("/backup");
  await walk.send("/backup/look");
  await walk.until('#name input[type="radio"]');
  await walk.look("which there are");
  await walk.fill("word", PASSPHRASE);
  await walk.send("/backup/open");
  await walk.look("none chosen", { status: 422 });
  await chosen(walk, "oak pine elm yew");
  await walk.send("/backup/open");
  await walk.until('#doing [role="alert"]');
  await walk.look("not its passphrase");
  await chosen(walk, PASSPHRASE);
  await walk.send("/backup/open");
  await walk.until("#login");
  await walk.look("one that is open");
  await walk.page.locator('main [name="login"]').selectOption(whose);
  await walk.fill("text", "nothing has this in it");
  await walk.send("/backup/find");
  await walk.until("#open ~ p.empty");
  await walk.look("nothing found");
  await walk.page.locator('main [name="login"]').selectOption(whose);
  await walk.fill("text", subject);
  await walk.send("/backup/find");
  await walk.until('main li form[action="/backup/bring"]');
  await walk.look("found");
  await walk.send("/backup/bring");
  await walk.until("#doing .good");
  await walk.look("brought back");
  const text = await walk.text("#doing");
  // The second who asks for it has it already.
  const counts = text.match(/\d+/g).slice(0, 2).join();
  check(`${walk.name}: one letter came back`, counts === (walk.phone ? "1,0" : "0,1"), text);
  await walk.send("/backup/close");
  const closed = await walk.page.locator("#login").count();
  check(`${walk.name}: it is closed`, closed === 0, await walk.text());
}

// Nothing is replaced before the name of the server was typed.
async function all(walk) {
  await walk.unfold('[name="host"]');
  await chosen(walk, PASSPHRASE);
  await walk.fill("host", "another.test");
  await walk.send("/backup/open", '[formaction="/backup/restore"]');
  await walk.look("another name was typed", { status: 422 });
}

async function twice(walk, names, values) {
  await walk.fill(names[0], values[0]);
  await walk.fill(names[1], values[1]);
}

async function chosen(walk, word) {
  walk.clicks += 1;
  await walk.page.locator('main #name input[type="radio"]').first().check();
  await walk.fill("word", word);
}

// Nobody owns this server: its first step finds what another has written.
export async function taken(walk, code) {
  await walk.go("/code");
  await walk.fill("code", code);
  await walk.send("/code");
  await walk.look("a new server");
  await walk.send("/setup/begin/look");
  await walk.until('#name input[type="radio"]');
  await walk.look("which backups there are");
  await walk.send("/setup/begin/stick");
  await walk.look("no backup chosen", { status: 422 });
  await chosen(walk, "oak pine elm yew");
  await walk.send("/setup/begin/stick");
  await walk.until('#restoring [role="alert"]');
  await walk.look("not the passphrase of it");
  await chosen(walk, PASSPHRASE);
  await walk.send("/setup/begin/stick");
  await walk.look("it is brought back");
  // It starts anew with what came.
  for (const end = Date.now() + 90_000; walk.path !== "/login" && Date.now() < end;) {
    await walk.page.waitForTimeout(500);
    await walk.go("/").catch(() => null);
  }
  walk.faults = [];
  await walk.look("with what came");
}
