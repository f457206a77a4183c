"""The pages that only a box has, in the emulated box itself, in Debian's Chromium.

    MAILROOM_GALLERY=FOLDER   pictures of every page
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from box import Box
from first import PRESET
from lan import LENT, Lan
from update import bundle, letters, sent, slot_release

HERE = Path(__file__).resolve().parent
VERSION = "9.2.0"


def run(folder, check):
    here = folder / "pages"
    here.mkdir()
    disk, preset = here / "disk", here / "mailroom.toml"
    preset.write_text(PRESET)
    gallery = os.environ.get("MAILROOM_GALLERY")
    if gallery:
        Path(gallery).mkdir(parents=True, exist_ok=True)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        with Box(here / "box", disk, lan=lan, put=preset) as box:
            box.said_ever("box: mail      good")
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            sent(check)
            told = {
                "base": f"https://{LENT}",
                "home": str(here),
                "code": "ABCD-2345",
                "bundle": str(bundle(here, VERSION)),
                "version": VERSION,
                "gallery": gallery,
            }
            walked(told, check)
            versions, state = slot_release(disk)
            check("slot b has what was sent", versions[1] == VERSION, versions)
            check("and is confirmed", all("slot b confirmed" in it for it in state), state)
            check("the earlier mail is there", letters() == ["before"], letters())
    shutil.rmtree(here)


def walked(told, check):
    env = {**os.environ, "MAILROOM_BOX": json.dumps(told)}
    words = ["node", HERE / "pages.mjs"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=1800)
    counted = re.search(r'{"passed":(\d+),"failed":(\d+)}', done.stdout)
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("FAIL")))
    said = done.stdout[-2000:] + done.stderr[-2000:]
    check("the walk came to its end", counted is not None, said)
    if counted:
        print(f"pages: {counted[1]} passed, {counted[2]} failed", flush=True)
        check("every page was good", int(counted[1]) > 40 and counted[2] == "0", counted[0])
