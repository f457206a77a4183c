// Walks the pages of servers that nobody owns, as tests/browser/run starts them. What it is told
// comes in MAILROOM_BROWSER; the last line says how it went.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { backups, taken } from "./backup.mjs";
import { browser, check, told, Walk } from "./lib.mjs";
import { daily, enter, own } from "./daily.mjs";
import { elsewhere } from "./elsewhere.mjs";
import { pictures, shot } from "./pictures.mjs";
import { log, updates } from "./updates.mjs";
import { wizard } from "./wizard.mjs";

const given = JSON.parse(process.env.MAILROOM_BROWSER);
const run = promisify(execFile);
const begun = Date.now();

// ---- mail, by clients that know nothing of the pages

// As a mail program is set up: by the authority of the box, its name, an address and a password.
async function letter(server, from, to, subject) {
  await retried(() => run("swaks", [
    "--server", `127.0.0.1:${server.ports.submissions}`, "--tlsc", "--tls-verify",
    "--tls-ca-path", server.ca, "--tls-sni", server.host, "--timeout", "20",
    "--auth", "PLAIN", "--auth-user", from.address, "--auth-password", from.word,
    "--from", from.address, "--to", to.address, "--header", `Subject: ${subject}`,
  ]));
}

async function received(server, who, subject) {
  const port = server.ports.imaps;
  const base = [
    "--silent", "--cacert", server.ca, "--resolve", `${server.host}:${port}:127.0.0.1`,
    "--user", `${who.address}:${who.word}`, "--max-time", "20",
  ];
  return await retried(async () => {
    const url = `imaps://${server.host}:${port}/INBOX`;
    const { stdout } = await run("curl", [...base, `${url};MAILINDEX=*`]);
    if (!stdout.includes(`Subject: ${subject}`)) throw new Error(`not yet: ${stdout}`);
    return stdout;
  });
}

// The units of mail start anew when a setting was changed: not for long.
async function retried(act, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }
}

async function mail(server, people) {
  const [ann, bob] = people;
  await letter(server, ann, bob, "first letter");
  const text = await received(server, bob, "first letter");
  check("the first letter is from Ann", text.includes(`From: ${ann.address}`), text);
}

// ---- walks

// From the address that a new owner types, over the browser's warning, to the first letter.
async function first(chrome, server) {
  const walk = await Walk.begin(chrome, "new owner", {
    base: `http://127.0.0.1:${server.ports.http}`, warned: true,
  });
  await walk.go("/");
  await walk.look("in clear");
  await walk.follow("main a.button");
  check("new owner: the browser warns", walk.warnings === 1, walk.page.url());
  walk.base = walk.page.url();
  const it = { code: server.code, people: [] };
  const steps = await wizard(walk, it);
  await mail(server, it.people);
  await walk.go("/update");
  await walk.look("no box");
  const seconds = Math.round((Date.now() - walk.begun) / 1000);
  console.log(`first letter: ${walk.clicks} clicks, ${walk.fields} fields, ${steps.length} steps, `
    + `${walk.warnings} warning(s), ${seconds} s, each page checked, each mistake made once`);
  await walk.end();
  return it.people;
}

// The authority is known, no script runs, the screen is a phone's.
async function second(chrome, server) {
  const base = `https://127.0.0.1:${server.ports.https}`;
  const name = "phone without script";
  const walk = await Walk.begin(chrome, name, { base, phone: true, script: false });
  await walk.go("/");
  const it = { code: server.code, people: [] };
  await wizard(walk, it);
  await mail(server, it.people);
  await walk.attempt(updates, given.pid1);
  await walk.attempt(log);
  await walk.attempt(backups, it.people[1].address, "first letter");
  await walk.attempt(daily, it);
  await walk.attempt(own, it.people[1]);
  await walk.end();
  return it.people;
}

// The pages of every day on a large screen, with script.
async function third(chrome, server, people) {
  const base = `https://127.0.0.1:${server.ports.https}`;
  const walk = await Walk.begin(chrome, "desk", { base });
  await walk.go("/login");
  await enter(walk);
  await walk.attempt(updates, given.pid1);
  await walk.attempt(log);
  await walk.attempt(backups, people[1].address, "first letter");
  await walk.leaving(() => walk.click('form[action="/logout"] button'));
  await walk.go("/");
  await walk.attempt(daily, { people });
  await walk.attempt(own, people[1]);
  await walk.end();
}

// The owner brings a person's mail here, on a large screen; that one does it on a phone, without
// script. The letters of the provider are then in their mailboxes.
async function fourth(chrome, server, people) {
  const [ann, bob] = people;
  const [much, little] = given.provider.users;
  const base = `https://127.0.0.1:${server.ports.https}`;
  const desk = await Walk.begin(chrome, "desk, elsewhere", { base });
  if (given.pictures) desk.shot = (name) => shot(desk, given.pictures, name);
  await desk.go("/login");
  await enter(desk);
  const path = `/people/${encoded(ann.address)}/outside`;
  const arrived = (who) => (subject) => received(server, who, subject);
  await desk.attempt(elsewhere, path, given.provider, much, arrived(ann));
  check("the bar was seen moving", desk.moved > 1, desk.moved);
  await desk.end();
  const phone = await Walk.begin(chrome, "phone, elsewhere", { base, phone: true, script: false });
  await phone.go("/my/login");
  await phone.fill("name", bob.address);
  await phone.fill("password", bob.word);
  await phone.send("/my/login");
  await phone.attempt(elsewhere, "/my/outside", given.provider, little, arrived(bob));
  await phone.end();
}

// Two new servers go on from what the second has written, on a phone without script and on a large
// screen with it; then the office is as it was.
async function fifth(chrome, servers, people) {
  for (const [at, phone] of [true, false].entries()) {
    const base = `https://127.0.0.1:${servers[at].ports.https}`;
    const name = phone ? "phone, brought back" : "desk, brought back";
    // Its authority is a new one, and then that of the backup.
    const walk = await Walk.begin(chrome, name, { base, phone, script: !phone, trusting: true });
    await walk.attempt(taken, servers[at].code);
    await walk.attempt(enter);
    await walk.go("/people");
    const text = await walk.text();
    check(`${name}: people are back`, people.every((who) => text.includes(who.address)), text);
    await walk.look("as it was");
    await walk.end();
  }
}

// As the server writes it: all but letters and digits.
function encoded(text) {
  const code = (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  return text.replace(/[^A-Za-z0-9]/g, code);
}

// Every row of the table of pages was shown in one of the walks.
function all(seen) {
  const table = readFileSync(new URL("../../appliance/admin/routes.rs", import.meta.url), "utf8");
  const rows = [...table.matchAll(/\bget\("([^"]+)"/g)].map((row) => row[1]);
  const files = ["/style.css", "/script.js", "/icon.svg"];
  // They lead elsewhere, or are files to save.
  const others = [
    "/", "/setup", "/setup/domain/zone", "/setup/certificate/ca", "/people/{}/apple", "/my/apple",
    // Of a box alone.
    "/setup/network", "/network/{}",
  ];
  for (const row of rows.filter((row) => ![...files, ...others].includes(row))) {
    const form = new RegExp(`^${row.replaceAll("{}", "[^/]+")}$`);
    check(`${row} was looked at`, [...seen].some((path) => form.test(path)));
  }
  check("the table of pages is read", rows.length > 20, rows.length);
}

const [one, two, ...later] = given.servers;
const seen = new Set();
Walk.gallery = given.gallery;
Walk.ended = (walk) => walk.seen.forEach((path) => seen.add(path));
const unknowing = await browser(given.homes.unknowing);
try {
  await first(unknowing, one);
} finally {
  await unknowing.close();
}
const knowing = await browser(given.homes.knowing);
try {
  const people = await second(knowing, two);
  await third(knowing, two, people);
  await fourth(knowing, two, people);
  await fifth(knowing, later, people);
  all(seen);
  if (given.pictures) await pictures(knowing, two, people, given.pictures);
} finally {
  await knowing.close();
}
const seconds = Math.round((Date.now() - begun) / 1000);
console.log(`browser: ${told.passed} passed, ${told.failed} failed, ${seconds} s`);
process.exit(told.failed || !told.passed ? 1 : 0);
