"""The pages that only a box has, in the emulated box itself, in Debian's Chromium: an update that
is sent, and the mail moved to another disk.

    MAILROOM_GALLERY=FOLDER   pictures of every page
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from backup import NAME
from box import Box
from first import PRESET
from lan import LENT, Lan
from storage import blank
from update import bundle, letters, sent, slot_release

HERE = Path(__file__).resolve().parent
VERSION = "9.2.0"
NEIGHBOUR = "10.9.0.20"


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
        lan.names()
        # The router is not near: the whole world may stand behind it.
        lan.neighbour(NEIGHBOUR, there=True)
        lan.run("ip", "route", "replace", f"{LENT}/32", "dev", "lan0", "src", NEIGHBOUR)
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
                "data": NAME,
            }
            blank(here / "data")
            walked(told, lambda: box.insert("data", here / "data"), check)
            versions, state = slot_release(disk)
            check("slot b has what was sent", versions[1] == VERSION, versions)
            check("and is confirmed", all("slot b confirmed" in it for it in state), state)
            check("the earlier mail is there", letters() == ["before"], letters())
    shutil.rmtree(here)


def walked(told, put_in, check):
    env = {**os.environ, "MAILROOM_BOX": json.dumps(told)}
    words, said = ["node", HERE / "pages.mjs"], ""
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as node:
        for line in node.stdout:
            said += line
            if line == "put in\n":
                put_in()
            if line.startswith("FAIL"):
                print(line, end="", flush=True)
    counted = re.search(r'{"passed":(\d+),"failed":(\d+)}', said)
    check("the walk came to its end", counted is not None, said[-3000:])
    if counted:
        print(f"pages: {counted[1]} passed, {counted[2]} failed", flush=True)
        check("every page was good", int(counted[1]) > 40 and counted[2] == "0", counted[0])
