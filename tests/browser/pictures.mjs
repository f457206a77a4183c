// Pictures of chosen pages, for people who have not seen them yet.

import { statSync } from "node:fs";
import { join } from "node:path";
import { check, Walk } from "./lib.mjs";
import { OWNER } from "./wizard.mjs";

const PICTURE_BYTES = 100 * 1024;

// Name, path, and how it is looked at.
const CHOSEN = [
  ["page-welcome", "http:/", {}],
  ["page-records", "/setup/domain", {}],
  ["page-people", "/people", {}],
  ["page-person-phone", "/people/ann%40office.test", { phone: true }],
  ["page-clients", "/people/ann%40office.test/clients", { dark: true }],
  ["page-certificate", "/setup/certificate", {}],
  ["page-mailboxes", "/people/ann%40office%2Etest/outside", {}],
  ["page-mailbox", "/people/ann%40office%2Etest/outside/carl%40provider%2Etest", {}],
  ["page-trace", "/trace", { first: "main a[href^='/trace/']" }],
];

export async function pictures(chrome, server, people, folder) {
  const { http, https } = server.ports;
  for (const [name, path, { phone = false, dark = false, first }] of CHOSEN) {
    const base = `https://127.0.0.1:${https}`;
    const walk = await Walk.begin(chrome, name, { base, phone });
    if (path.startsWith("/")) {
      await walk.go("/login");
      await walk.fill("password", OWNER);
      await walk.send("/login");
    }
    if (!phone) await walk.page.setViewportSize({ width: 960, height: 640 });
    await walk.page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await walk.go(path.replace("http:", `http://127.0.0.1:${http}`));
    if (first) await walk.follow(first);
    await shot(walk, folder, name);
    await walk.end();
  }
}

// What is on the screen now.
export async function shot(walk, folder, name) {
  const file = join(folder, `${name}.png`);
  await walk.page.screenshot({ path: file, scale: "css" });
  const octets = statSync(file).size;
  check(`${file}: small`, octets < PICTURE_BYTES, octets);
  console.log(`picture ${file}: ${octets} octets`);
}
