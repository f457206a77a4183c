// What helps where there is script; everything works without.
"use strict";

// Buttons that copy the text beside them.
const copies = (within) => {
  for (const button of within.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    const words = button.innerHTML;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = button.dataset.done;
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling);
      }
      setTimeout(() => { button.innerHTML = words; }, 2000);
    });
  }
};
copies(document);

// After a form came back with faults, the reader begins there.
const faults = document.getElementById("faults");
if (faults) faults.focus();

// A form is sent once, however often it is clicked.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 10000);
  });
}

// A part of a page that follows what happens: <section data-live="/path"> is asked for anew until
// it comes without that mark.
const follow = (part, path) => {
  // What never ends is asked for less often, not where nobody looks, and keeps nobody logged in.
  const idle = Boolean(part.dataset.idle);
  const wait = idle ? 4000 : 1500;
  let shown;
  const again = async () => {
    if (idle && document.hidden) { setTimeout(again, wait); return; }
    try {
      const reply = await fetch(path, { headers: { "x-part": idle ? "idle" : "yes" } });
      if (!reply.ok) { setTimeout(again, 5000); return; }
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById(part.id);
      // The page has moved on, such as to the log-in after a restore.
      if (!fresh || reply.redirected) return location.assign(reply.url);
      if (fresh.innerHTML !== shown) {
        part.innerHTML = shown = fresh.innerHTML;
        copies(part);
      }
      if (fresh.dataset.live) setTimeout(again, wait);
      // What is beside it has to do with how it ended.
      else if (part.dataset.over) location.assign(part.dataset.over);
    } catch {
      setTimeout(again, 5000);
    }
  };
  setTimeout(again, wait);
};
for (const part of document.querySelectorAll("[data-live]")) follow(part, part.dataset.live);

// While a large form is on its way the part that it names shows how far it is.
for (const form of document.querySelectorAll("form[data-follow]")) {
  const part = document.getElementById(form.dataset.follow);
  form.addEventListener("submit", () => follow(part, part.dataset.at));
}

// A sheet to print.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Seconds that pass; at the end the page is looked at anew.
for (const place of document.querySelectorAll("[data-countdown]")) {
  const end = Date.now() + Number(place.textContent) * 1000;
  const tick = setInterval(() => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    place.textContent = String(left);
    if (left > 0) return;
    clearInterval(tick);
    // Addresses take a moment to come back.
    setTimeout(() => location.assign(place.dataset.countdown), 8000);
  }, 500);
}

// What the browser knows better than we do, such as its time zone.
for (const field of document.querySelectorAll("[data-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !field.value) field.value = zone;
}
for (const field of document.querySelectorAll("[data-now]")) {
  field.value = String(Math.floor(Date.now() / 1000));
}
