// The pages of every day: forms with what is wrong and what is right, then every page that a link
// leads to.

import { check } from "./lib.mjs";
import { OWNER } from "./wizard.mjs";

// Files to save, and what is no page.
const FILES = /\/(apple|zone|ca)$|\/openapi\.json$/;

export async function daily(walk, it) {
  if (walk.path === "/login") await login(walk);
  await walk.attempt(person, it.people[0]);
  await walk.attempt(search);
  await walk.attempt(addresses, it.people);
  await walk.attempt(moving);
  await walk.attempt(factor);
  await walk.attempt(tokens);
  await walk.attempt(missing);
  await walk.attempt(ports);
  await walk.attempt(crawl);
  await logout(walk, "/people", "/login");
}

// What each person has: their own page and nothing else.
export async function own(walk, who) {
  await walk.go("/my/login");
  await walk.look("as it comes");
  await walk.fill("name", who.address);
  await walk.fill("password", "not the password");
  await walk.send("/my/login");
  await walk.look("not the password", { status: 422 });
  await walk.fill("name", who.address);
  await walk.fill("password", who.word);
  await walk.send("/my/login");
  check(`${walk.name}: it is the person's own page`, walk.path === "/my", walk.path);
  await walk.look("as it comes");
  await walk.fill("label", "tablet");
  await walk.send("/my/app");
  await walk.look("an app password, shown once");
  await walk.go("/my");
  await walk.send("/my/app/remove");
  await walk.fill("password-now", "not the password");
  await walk.fill("password", "short");
  await walk.fill("password2", "short");
  await walk.send("/my/password");
  await walk.look("a password that cannot be", { status: 422 });
  await crawl(walk);
  for (const path of ["/people", "/trace", "/security", "/tokens", "/backup"]) {
    await walk.go(path);
    check(`${walk.name}: ${path} is the owner's`, walk.path === "/login", walk.path);
  }
  await logout(walk, "/my", "/my/login");
}

async function login(walk) {
  await walk.look("as it comes");
  await walk.fill("password", "not the password");
  await walk.send("/login");
  await walk.look("not the password", { status: 422 });
  await enter(walk);
}

export async function enter(walk) {
  await walk.fill("password", OWNER);
  await walk.send("/login");
}

async function person(walk, who) {
  const path = `/people/${encodeURIComponent(who.address)}`;
  await walk.go(path);
  const at = await walk.page.locator('main form[action$="/quota"]').getAttribute("action");
  const own = at.replace("/quota", "");
  await walk.look("as it comes");
  await walk.fill("label", "phone");
  await walk.send(`${own}/app`);
  await walk.look("an app password, shown once");
  await walk.follow("main a.button");
  await walk.look("with an app password");
  await walk.fill("who", "somebody else");
  await walk.send(`${own}/delete`);
  await walk.look("not deleted", { status: 422 });
  await walk.go(path);
  await walk.fill("quota", "2");
  await walk.send(`${own}/quota`);
  await walk.look("with a quota");
  await walk.send(`${own}/suspend`);
  await walk.look("suspended");
  await walk.send(`${own}/suspend`);
  await walk.send(`${own}/app/remove`);
  await walk.look("as before");
}

async function search(walk) {
  await walk.go("/trace");
  await walk.look("as it comes");
  await walk.page.locator('main [name="text"]').fill("nothing has this in it");
  await walk.leaving(() => walk.click("main form button"));
  await walk.look("nothing found");
  await walk.go("/trace");
  await walk.follow('main a[href^="/trace/"]');
  await walk.look("the story of one");
}

async function addresses(walk, people) {
  await walk.go("/addresses");
  await walk.look("as it comes");
  await walk.fill("address", "sales@office.test");
  await walk.fill("targets", "nobody@office.test");
  await walk.send("/addresses");
  await walk.look("leads nowhere", { status: 422 });
  await walk.fill("targets", people.map((who) => who.address).join("\n"));
  await walk.send("/addresses");
  await walk.look("with an alias");
  await walk.follow('main a[href*="/addresses/edit"]');
  await walk.look("changed");
  await walk.go("/addresses");
  await walk.send("/addresses/remove");
  await walk.look("without it");
}

async function moving(walk) {
  await walk.go("/move");
  await walk.look("as it comes");
  await walk.send("/move");
  await walk.look("no domain chosen", { status: 422 });
  await walk.choose("domain", "office.test");
  await walk.send("/move");
  await walk.until('main article:not(:has([data-live]))');
  await walk.look("begun, and no name server answers");
  await walk.send("/move/office.test/look");
  await walk.until('main article:not(:has([data-live]))');
  await walk.look("looked at again");
  await walk.unfold('form[action$="/end"]');
  await walk.send("/move/office.test/end");
  await walk.look("forgotten");
}

async function factor(walk) {
  await walk.go("/security");
  await walk.look("as it comes");
  await walk.fill("password-totp", "not the password");
  await walk.send("/security/totp");
  await walk.look("no second factor without the password", { status: 422 });
  await walk.fill("password-totp", OWNER);
  await walk.send("/security/totp");
  await walk.look("a second factor, not confirmed yet");
  await walk.fill("code", "000000");
  await walk.send("/security/totp/confirm");
  await walk.look("not its code", { status: 422 });
}

async function tokens(walk) {
  await walk.go("/tokens");
  await walk.look("as it comes");
  await walk.fill("name", "a script");
  await walk.send("/tokens");
  await walk.look("a token, shown once");
  await walk.fill("name", "a script");
  await walk.send("/tokens");
  await walk.look("one is enough", { status: 422 });
  await walk.send("/tokens/remove");
  await walk.look("without it");
}

async function missing(walk) {
  await walk.go("/people/nobody%40office.test");
  await walk.look("nobody", { status: 404 });
}

// A look finds the ports that are served, whatever they are, and says that nobody answers here.
async function ports(walk) {
  const records = async () => {
    await walk.go("/setup/domain");
    // Where mail stays at its provider they are for later.
    if (await walk.page.locator("main details #records").count()) await walk.unfold("#records");
  };
  await records();
  await walk.send("/setup/domain/look");
  const over = walk.page.locator("#records:not([data-live])");
  for (const end = Date.now() + 90_000; !await over.count() && Date.now() < end;) {
    await walk.go("/setup/domain");
  }
  await records();
  const text = await walk.text();
  check(`${walk.name}: nobody could be asked`, text.includes("did not answer"), text);
  const blank = await walk.page.locator('#records button[data-copy^="("]').count();
  check(`${walk.name}: what is to be filled in is not copied`, blank === 0, blank);
  await walk.go("/");
  const home = await walk.text();
  check(`${walk.name}: the ports take connections`, !home.includes("takes no connection"), home);
}

// Every page that links lead to from the first, each once.
async function crawl(walk) {
  const known = new Set(["/"]);
  const open = ["/"];
  while (open.length) {
    await walk.go(open.shift());
    if (!walk.seen.has(walk.path)) await walk.look("found by a link");
    const links = await walk.page.locator("a[href]").evaluateAll((all) => all.map((a) => a.href));
    for (const link of links) {
      const url = new URL(link);
      const path = url.pathname + url.search;
      if (url.origin !== new URL(walk.base).origin) {
        check(`${walk.name}: ${walk.path} leads elsewhere`, false, link);
      } else if (!known.has(path) && !FILES.test(url.pathname)) {
        known.add(path);
        open.push(path);
      }
    }
  }
  check(`${walk.name}: pages were found`, known.size > 2, [...known].join(" "));
}

async function logout(walk, page, login) {
  await walk.leaving(() => walk.click('form[action="/logout"] button'));
  await walk.look("logged out");
  await walk.go(page);
  check(`${walk.name}: nothing is shown after it`, walk.path === login, walk.path);
}
