// The setting up, step by step, as a new owner goes through it: each step is looked at as it comes,
// with what is wrong, and as it is left.

import { check } from "./lib.mjs";

export const OWNER = "correct horse battery";
const DOMAIN = "office.test";

// What is done at each address of the setting up. `it.people` gets who was made, with passwords.
const STEPS = {
  "/code": async (walk, it) => {
    await walk.look("as it comes");
    await walk.fill("code", "ZZZZ-9999");
    await walk.send("/code");
    await walk.look("a wrong code", { status: 422 });
    await walk.fill("code", it.code);
    await walk.send("/code");
  },
  "/setup/begin": async (walk) => {
    await walk.look("as it comes");
    await walk.page.locator('[name="file"]').setInputFiles({
      name: "no.backup", mimeType: "application/octet-stream", buffer: Buffer.from("no backup"),
    });
    await walk.send("/setup/begin/restore");
    await walk.until("#restoring .bad, #file-fault");
    await walk.look("no backup", { status: walk.last.status() });
    await walk.send("/setup/begin");
  },
  "/setup/time": async (walk) => {
    const zone = await walk.page.locator('[name="zone"]').inputValue();
    const own = walk.script ? "Europe/Berlin" : "";
    check(`${walk.name}: the zone of the browser is offered`, zone === own, zone);
    await walk.look("as it comes");
    await walk.fill("zone", "Europe/Atlantis");
    await walk.send("/setup/time");
    await walk.look("no such zone", { status: 422 });
    await walk.fill("zone", "Europe/Berlin");
    await walk.send("/setup/time");
  },
  "/setup/owner": async (walk) => {
    await walk.look("as it comes");
    await walk.fill("password", OWNER);
    await walk.fill("password2", "another one altogether");
    await walk.send("/setup/owner");
    await walk.look("two that differ", { status: 422 });
    await walk.fill("password", OWNER);
    await walk.fill("password2", OWNER);
    await walk.send("/setup/owner");
  },
  "/setup/way": async (walk) => {
    await walk.look("as it comes");
    await walk.send("/setup/way/look");
    await walk.look("the tests run, or ran");
    await walk.until("#findings .finding");
    await walk.look("with findings");
    await walk.choose("way", "relay");
    await walk.fill("host", "not a host");
    await walk.fill("port", "70000");
    await walk.send("/setup/way");
    await walk.look("a relay that cannot be", { status: 422 });
    // On the phone mail stays at its provider.
    await walk.choose("way", walk.phone ? "collect" : "direct");
    await walk.send("/setup/way");
  },
  "/setup/domain": async (walk) => {
    await walk.look("as it comes");
    await walk.fill("domain", "not a domain");
    await walk.send("/setup/domain");
    await walk.look("no domain", { status: 422 });
    await walk.fill("domain", DOMAIN);
    await walk.send("/setup/domain");
    await walk.look("with records");
    if (walk.phone) {
      const text = await walk.text();
      check(`${walk.name}: nothing is changed at the domain`, text.includes("stays"), text);
      await walk.unfold('form[action="/setup/domain/look"]');
    }
    await walk.send("/setup/domain/look");
    if (walk.phone) await walk.unfold('form[action="/setup/domain/look"]');
    await walk.until("#records .state");
    if (walk.phone) await walk.unfold('form[action="/setup/domain/look"]');
    await walk.look("the world is asked");
    await walk.send("/setup/domain/next");
  },
  "/setup/certificate": async (walk) => {
    await walk.look("as it comes");
    await walk.choose("method", "dns-01");
    await walk.unfold('[name="server"]');
    await walk.fill("server", "no server");
    await walk.send("/setup/certificate");
    await walk.look("a way that cannot be", { status: 422 });
    await walk.send("/setup/certificate/next");
  },
  "/setup/people": async (walk, it) => {
    if (it.people.length === 0) {
      await walk.look("as it comes");
      await walk.fill("name", "Ann Archer");
      await walk.fill("address", "ann");
      await walk.send("/people");
      await noted(walk, it);
      await walk.look("with Ann");
      await walk.fill("name", "Ann again");
      await walk.fill("address", "ann");
      await walk.send("/people");
      await walk.look("the same again", { status: 422 });
      await walk.unfold('[name="list"]');
      await walk.fill("list", "Name;Address\nBob Baker;bob\nnobody");
      await walk.send("/people/list");
      await walk.look("a list with a fault", { status: 422 });
      await walk.fill("list", "Bob Baker;bob\nEve Evans;eve");
      await walk.send("/people/list");
      await noted(walk, it);
    }
    await walk.look("with people");
    await walk.send("/setup/people");
  },
  "/setup/bring": async (walk, it) => {
    await walk.look("as it comes");
    await walk.follow('main a[href$="/outside"]');
    await walk.look("the mailboxes of one");
    await walk.follow('main a[href="/setup/bring"]');
    check(`${walk.name}: and back`, it.people.length > 0, walk.path);
    await walk.send("/setup/bring");
  },
  "/setup/clients": async (walk) => {
    await walk.look("as it comes");
    await walk.send("/setup/clients");
  },
  "/setup/letter": async (walk) => {
    await walk.look("as it comes");
    await walk.fill("to", "friend@far.example");
    await walk.send("/setup/letter/send");
    await walk.until("#letters section.card");
    await walk.look("a letter on its way");
    await walk.send("/setup/letter/wait");
    await walk.look("one is waited for");
    await walk.send("/setup/letter");
  },
  "/setup/done": async (walk) => {
    await walk.look("as it comes");
    await walk.send("/setup/done");
  },
};

// The page that shows passwords once: noted, as a person would.
async function noted(walk, it) {
  await walk.look("passwords, shown once");
  for (const card of await walk.page.locator("main section.card").all()) {
    const [address, word] = [card.locator("h2"), card.locator("code")];
    it.people.push({ address: await address.innerText(), word: await word.innerText() });
  }
  await walk.follow("main a.button");
}

// Goes on until the setting up is over.
export async function wizard(walk, it) {
  const done = [];
  while (STEPS[walk.path]) {
    const path = walk.path;
    await STEPS[path](walk, it);
    done.push(path);
    if (done.filter((it) => it === path).length > 2) {
      throw new Error(`${walk.name} does not get on from ${path}: ${await walk.text()}`);
    }
  }
  return done;
}
