// What helps where there is script; everything works without.
"use strict";

// Buttons that copy the text beside them.
for (const button of document.querySelectorAll("button[data-copy]")) {
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
for (const part of document.querySelectorAll("[data-live]")) {
  const again = async () => {
    try {
      const reply = await fetch(part.dataset.live, { headers: { "x-part": "yes" } });
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById(part.id);
      if (!fresh) return;
      if (part.innerHTML !== fresh.innerHTML) part.innerHTML = fresh.innerHTML;
      if (fresh.dataset.live) setTimeout(again, 1500);
    } catch {
      setTimeout(again, 5000);
    }
  };
  setTimeout(again, 1500);
}

// What the browser knows better than we do, such as its time zone.
for (const field of document.querySelectorAll("[data-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !field.value) field.value = zone;
}
for (const field of document.querySelectorAll("[data-now]")) {
  field.value = String(Math.floor(Date.now() / 1000));
}
