// nodemailer: 587 and 465, each mechanism, raw 8-bit text, an attachment, blind copies, refusals.
const { execFileSync } = require("node:child_process");
const nodemailer = require("nodemailer");
const { NAME, SUB, SUBS, USER, PASS, USER2, PASS2, PY, HERE, VERBOSE } = process.env;

let passed = 0;
let failed = 0;
function check(name, good, detail) {
  if (good) {
    passed += 1;
    if (VERBOSE) console.log("ok  ", name);
  } else {
    failed += 1;
    console.log("FAIL", name, String(detail ?? "").slice(0, 400));
  }
}

function transport(port, more = {}) {
  return nodemailer.createTransport({
    host: NAME, port: Number(port), secure: port === SUBS, requireTLS: true,
    auth: { user: USER, pass: PASS }, ...more,
  });
}

async function refused(name, port, code, mail, more) {
  try {
    await transport(port, more).sendMail(mail);
    check(name, false, "was taken");
  } catch (error) {
    check(name, error.responseCode === code, `${error.responseCode} ${error.message}`);
  }
}

async function main() {
  const from = `"Änne Müller" <${USER}>`;
  const letter = { from, to: USER2, subject: "Grüße ☃", text: "hallo ä" };
  for (const port of [SUB, SUBS]) {
    for (const authMethod of ["PLAIN", "LOGIN"]) {
      const sent = await transport(port, { authMethod }).sendMail(letter);
      check(`${port} ${authMethod}`, sent.accepted.length === 1, sent.response);
    }
  }
  const raw = `From: ${USER}\r\nTo: ${USER2}\r\nSubject: raw grüße\r\n\r\nmit ä\r\n.punkt\r\n`;
  await transport(SUB).sendMail({ envelope: { from: USER, to: [USER2] }, raw });
  const blob = Buffer.alloc(300_000, "äöü");
  await transport(SUBS).sendMail({
    ...letter, bcc: USER, subject: "blob", attachments: [{ filename: "ä.bin", content: blob }],
  });
  const pool = transport(SUBS, { pool: true, maxConnections: 2 });
  const many = Array.from({ length: 20 }, (_, n) => pool.sendMail({ ...letter, subject: `p${n}` }));
  check("20 over a pool", (await Promise.all(many)).every((sent) => sent.accepted.length === 1));
  pool.close();

  await refused("another sender", SUB, 553, { ...letter, from: "boss@example.org" });
  await refused("another From", SUBS, 550, {
    ...letter, from: "boss@example.org", envelope: { from: USER, to: [USER2] },
  });
  await refused("a wrong password", SUBS, 535, letter, { auth: { user: USER, pass: "wrong" } });
  await refused("no log-in", SUB, 530, letter, { auth: undefined });

  const wait = (number, who, word) =>
    execFileSync(PY, [`${HERE}/look.py`, "waitcount", "INBOX", number, who, word]);
  try {
    wait("26", USER2, PASS2);
    wait("1", USER, PASS);
    check("all arrived", true);
  } catch (error) {
    check("all arrived", false, error.stdout);
  }
  console.log(`nodemailer: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

main().catch((error) => {
  console.log("FAIL", error);
  process.exit(1);
});
