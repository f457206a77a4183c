// Mailboxes that people have elsewhere, at Debian's Dovecot: added with what is wrong and what is
// right, all of their mail brought here while the page follows, and a letter that comes there seen
// here.

import { chownSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check } from "./lib.mjs";

const RUNNING = "#trying";

// `at`: the provider, as tests/browser/run starts it. `user`: whose mailbox there it is.
export async function elsewhere(walk, base, at, user, arrived) {
  await walk.go(base);
  await walk.look("as it comes");
  await begin(walk, base, user);
  await tried(walk, base, at, user);
  const own = walk.path;
  await brought(walk, own);
  const subject = `come to ${walk.name} ${Date.now()}`;
  deliver(at, user, subject);
  await walk.send(`${own}/look`);
  await walk.look("it is looked at");
  const text = await arrived(subject);
  check(`${walk.name}: the letter that came there is here`, text.includes(subject), text);
  await walk.go(own);
  await walk.until("#how .state.good");
  await walk.look("a letter was taken over");
  await walk.go(base);
  await walk.look("with a mailbox");
  await changed(walk, own);
  await walk.attempt(signed, base, at);
}

async function begin(walk, base, user) {
  await walk.fill("address", user);
  await walk.send(`${base}/find`);
  await walk.until(`main form[action="${base}/add"]`);
  await walk.look("its servers are not known");
}

// By hand, with a wrong password first: nothing is saved. Then the right one.
async function tried(walk, base, at, user) {
  const named = async (password) => {
    await walk.fill("password", password);
    await walk.unfold('[name="host"]');
    await walk.fill("host", "127.0.0.1");
    await walk.fill("port", String(at.imaps));
    await walk.page.locator('main [name="out"]').uncheck();
    await walk.send(`${base}/add`);
  };
  await named("not the password");
  await walk.until("#faults");
  const text = await walk.text();
  check(`${walk.name}: nothing was saved`, text.includes("nothing was saved"), text);
  check(`${walk.name}: no password is shown`, !text.includes("not the password"), text);
  await walk.look("a wrong password");
  await walk.choose("after", "delete");
  await walk.fill("days", "99999");
  await walk.page.locator('main [name="days"]').evaluate((it) => it.form.noValidate = true);
  await named(at.word);
  await walk.look("so many days cannot be", { status: 422 });
  await walk.choose("after", "keep");
  await walk.fill("days", "14");
  await named(at.word);
  await walk.until("#import");
  await walk.look("connected");
}

// Seen moving, paused and gone on with, until all is here; a second run brings nothing.
async function brought(walk, own) {
  const bar = walk.page.locator("#import progress");
  const seen = new Set();
  const over = walk.page.locator("#import .state.good");
  let paused = false;
  for (const end = Date.now() + 240_000; Date.now() < end && !await over.count();) {
    if (await bar.count()) {
      const value = await bar.evaluate((it) => it.value).catch(() => null);
      if (value) seen.add(value);
      if (seen.size > 2 && !paused) {
        paused = true;
        await walk.look("all of it is on its way");
        await walk.shot?.("page-import");
        if (await over.count()) break;
        await walk.send(`${own}/import`);
        await walk.until("#import .state.warn, #import .state.good");
        await walk.look("paused");
        if (await walk.page.locator("#import .state.warn").count()) {
          await walk.send(`${own}/import`);
        }
      }
    }
    if (!walk.script && await walk.page.locator("a.again").count()) await walk.follow("a.again");
    else await walk.page.waitForTimeout(200);
  }
  await walk.go(own);
  await walk.until("#import .state.good");
  console.log(`${walk.name}: the bar stood at ${[...seen].join(", ")}`);
  walk.moved = seen.size;
  await walk.look("all of it is here");
  const came = Number((await walk.text("#import strong")));
  check(`${walk.name}: letters came`, came > 0, came);
  await walk.send(`${own}/import`);
  await walk.until("#import .state.good");
  const again = Number((await walk.text("#import strong")));
  check(`${walk.name}: once more brings nothing`, again === 0, again);
}

function deliver(at, user, subject) {
  const root = join(at.mail, user);
  for (const part of ["cur", "new", "tmp"]) {
    mkdirSync(join(root, part), { recursive: true });
    for (const path of [root, join(root, part)]) chownSync(path, at.uid, at.gid);
  }
  const name = `${Math.floor(Date.now() / 1000)}.M${process.pid}P9.provider`;
  const letter = [
    "From: someone@far.test", `To: ${user}`, `Subject: ${subject}`,
    `Message-ID: <${Date.now()}@far.test>`, "", "hello", "",
  ].join("\r\n");
  writeFileSync(join(root, "tmp", name), letter);
  chownSync(join(root, "tmp", name), at.uid, at.gid);
  renameSync(join(root, "tmp", name), join(root, "new", name));
}

async function changed(walk, own) {
  await walk.go(own);
  await walk.choose("after", "move");
  await walk.fill("move-to", "");
  await walk.send(`${own}/change`);
  await walk.look("moved where?", { status: 422 });
  await walk.fill("move-to", "Fetched");
  await walk.send(`${own}/change`);
  await walk.look("changed");
  await walk.fill("password", "not the password");
  await walk.send(`${own}/password`);
  await walk.until("#faults");
  await walk.look("a new password that is wrong");
  await walk.go(own);
  await walk.send(`${own}/pause`);
  await walk.look("paused");
}

// A mailbox that wants tokens, whose token server does not answer.
async function signed(walk, base, at) {
  const user = "tokens@provider.test";
  await walk.go(base);
  await begin(walk, base, user);
  await walk.choose("way", "code");
  await walk.unfold('[name="client-id"]');
  await walk.fill("client-id", "our client");
  for (const field of ["device-url", "token-url"]) await walk.fill(field, "https://127.0.0.1:1/x");
  await walk.unfold('[name="host"]');
  await walk.choose("what", "collect");
  await walk.fill("host", "127.0.0.1");
  await walk.fill("port", String(at.imaps));
  await walk.send(`${base}/add`);
  await walk.until('main form[action$="/sign-in"]');
  await walk.look("to be signed in");
  const own = walk.path.replace("/sign-in", "");
  await walk.send(`${own}/sign-in`);
  await walk.until("#faults");
  await walk.look("no code came");
  await walk.go(own);
  await walk.until("#how .state.bad");
  await walk.look("nobody has signed in");
  await walk.send(`${own}/remove`);
  await walk.look("removed");
}
