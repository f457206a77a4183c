// imapflow: ordinary use, IDLE events, CONDSTORE and QRESYNC resynchronisation, special use, quota.
const { ImapFlow } = require("imapflow");
const { NAME, IMAP, IMAPS, USER, PASS, VERBOSE } = process.env;

let passed = 0;
let failed = 0;
function check(name, good, detail) {
  if (good) {
    passed += 1;
    if (VERBOSE) console.log("ok  ", name);
  } else {
    failed += 1;
    console.log("FAIL", name, JSON.stringify(detail, plain)?.slice(0, 400) ?? "");
  }
}
function plain(_, value) {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Map || value instanceof Set) return [...value];
  return value;
}

function client(more = {}) {
  return new ImapFlow({
    host: NAME, port: Number(IMAPS), secure: true, auth: { user: USER, pass: PASS },
    logger: false, ...more,
  });
}

function event(source, name, seconds, wanted = () => true) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), seconds * 1000);
    source.on(name, (value) => {
      if (!wanted(value)) return;
      clearTimeout(timer);
      resolve(value);
    });
  });
}

function letter(subject) {
  return Buffer.from(
    `From: x@example.org\r\nTo: ${USER}\r\nSubject: ${subject}\r\n` +
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
    "Grüße\r\n" +
    "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n" +
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.bin\r\n\r\nAAECAwQF\r\n--b--\r\n",
  );
}

async function reading(flow) {
  const all = await flow.fetchAll("1:*", {
    uid: true, flags: true, envelope: true, internalDate: true, size: true, bodyStructure: true,
  });
  check("fetch", all.length === 20, all.length);
  check("envelope", all[3].envelope.subject === "fill 3", all[3].envelope);
  check("flags", all[3].flags.has("\\Seen") && !all[4].flags.has("\\Seen"), all[3].flags);
  check("size", all[0].size > 100, all[0].size);
  const one = await flow.fetchOne(5, { source: true });
  check("source", one.source.toString().includes("Body 4"), one);
  const found = await flow.search({ subject: "fill 1" });
  check("search", found.length === 11, found);
  const seen = await flow.search({ seen: true }, { uid: true });
  check("search seen", seen.length === 7, seen);
}

async function folders(flow) {
  const list = await flow.list({ statusQuery: { messages: true, uidNext: true } });
  const uses = new Set(list.map((box) => box.specialUse));
  for (const use of ["\\Inbox", "\\Sent", "\\Drafts", "\\Junk", "\\Trash", "\\Archive"]) {
    check(`special use ${use}`, uses.has(use), [...uses]);
  }
  const inbox = list.find((box) => box.specialUse === "\\Inbox");
  check("status in list", inbox.status?.messages === 20, inbox);
  const made = await flow.mailboxCreate("Büro/日本 & Co");
  check("create", made.created, made);
  const put = await flow.append("Büro/日本 & Co", letter("appended ü"), ["\\Seen", "$Label"]);
  check("append tells uid", put.uid === 1, put);
  const status = await flow.status("Büro/日本 & Co", { messages: true, uidNext: true });
  check("status", status.messages === 1 && status.uidNext === 2, status);
  const renamed = await flow.mailboxRename("Büro/日本 & Co", "Büro/Zwei");
  check("rename", renamed.newPath === "Büro/Zwei", renamed);
  const lock = await flow.getMailboxLock("Büro/Zwei");
  const part = await flow.download("1", "1");
  let text = "";
  for await (const piece of part.content) text += piece;
  check("download of a part", text.includes("Grüße"), text);
  const file = await flow.download("1", "2");
  const bytes = [];
  for await (const piece of file.content) bytes.push(piece);
  check("download of an attachment", Buffer.concat(bytes).equals(Buffer.from([0, 1, 2, 3, 4, 5])));
  check("its name", file.meta.filename === "ä.bin", file.meta);
  lock.release();
  const gone = await flow.mailboxDelete("Büro/Zwei");
  check("delete", gone.path === "Büro/Zwei", gone);
}

async function changing(flow) {
  const before = flow.mailbox.highestModseq;
  check("highest modseq", typeof before === "bigint", before);
  await flow.messageFlagsAdd({ uid: "1:3" }, ["\\Flagged", "$Work"], { uid: true });
  const changed = await flow.fetchAll("1:*", { flags: true, modseq: true },
    { changedSince: before });
  check("changed since", changed.length === 3, changed);
  check("keyword", changed[0]?.flags.has("$Work"), changed);
  const moved = await flow.messageMove("1:2", "Archive");
  check("move tells uids", moved.uidMap?.size === 2, moved);
  const copied = await flow.messageCopy("1:4", "Archive");
  check("copy tells uids", copied.uidMap?.size === 4, copied);
  check("delete", await flow.messageDelete("1:3"));
  const status = await flow.status("INBOX", { messages: true });
  check("15 left", status.messages === 15, status);
  const quota = await flow.getQuota("INBOX");
  check("quota", quota === false || quota.path === "INBOX", quota);
}

// Another session appends, flags and expunges while this one waits in IDLE.
async function idling(flow) {
  const other = client();
  await other.connect();
  const lock = await other.getMailboxLock("INBOX");
  flow.idle();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const exists = event(flow, "exists", 5);
  await other.append("INBOX", letter("while idle"));
  check("IDLE: exists", (await exists)?.count === 16, await exists);
  const flags = event(flow, "flags", 5);
  await other.messageFlagsAdd("4", ["\\Answered"]);
  check("IDLE: flags", (await flags)?.flags?.has("\\Answered"), await flags);
  const expunge = event(flow, "expunge", 5);
  await other.messageDelete("5");
  check("IDLE: expunge", (await expunge)?.seq === 5 || (await expunge)?.uid, await expunge);
  lock.release();
  await other.logout();
}

// With QRESYNC on, another session's expunge is told by uid (VANISHED).
async function resynchronising() {
  const flow = client({ qresync: true });
  await flow.connect();
  check("QRESYNC enabled", flow.enabled.has("QRESYNC"), [...flow.enabled]);
  const lock = await flow.getMailboxLock("INBOX");
  const vanished = event(flow, "expunge", 5);
  const other = client();
  await other.connect();
  const otherLock = await other.getMailboxLock("INBOX");
  const first = await other.fetchOne("1", { uid: true });
  await other.messageDelete("1");
  await flow.noop();
  const told = await vanished;
  check("VANISHED", told?.vanished && told.uid === first.uid, told);
  otherLock.release();
  lock.release();
  await other.logout();
  await flow.logout();
}

async function main() {
  const clear = client({ port: Number(IMAP), secure: false });
  await clear.connect();
  check("STARTTLS", clear.secureConnection, clear.authenticated);
  await clear.logout();

  const flow = client();
  await flow.connect();
  check("log-in", flow.usable && flow.authenticated);
  let lock = await flow.getMailboxLock("INBOX");
  await reading(flow);
  lock.release();
  await folders(flow);
  lock = await flow.getMailboxLock("INBOX");
  await changing(flow);
  await idling(flow);
  lock.release();
  await flow.logout();
  await resynchronising();

  try {
    const wrong = client({ auth: { user: USER, pass: "wrong" } });
    await wrong.connect();
    check("wrong password refused", false);
  } catch (error) {
    check("wrong password refused", error.authenticationFailed, String(error));
  }
}

main()
  .catch((error) => check("no exception", false, String(error.stack)))
  .finally(() => {
    console.log(`imapflow: ${passed} passed, ${failed} failed`);
    process.exit(failed || !passed ? 1 : 0);
  });
