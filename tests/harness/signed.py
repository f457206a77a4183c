"""The name server of tests/harness/names: a world below a signed root, with DNSSEC."""

import subprocess

from server import ROOT


class SignedNames:
    """`zones`: kinds by name, as {"b.test": "signed"}; `records` as names.Names has them."""

    def __init__(self, folder, at, zones, records):
        self.zones, self.at = zones, at
        folder.mkdir()
        self.world, self.anchor = folder / "world", folder / "anchor"
        self.publish(records)
        command = ["cargo", "build", "--quiet", "--locked", "--offline", "--example", "names"]
        subprocess.run(command, cwd=ROOT, check=True)
        binary = ROOT / "target/debug/examples/names"
        self.process = subprocess.Popen(
            [binary, at, self.world, self.anchor], stdout=subprocess.PIPE, text=True
        )
        said = self.process.stdout.readline().strip()
        if said != at:
            raise SystemExit(f"the name server does not serve {at}: {said!r}")

    def publish(self, records):
        """From now on these records and no others."""
        lines = [f"zone {name}. {kind}" for name, kind in self.zones.items()]
        for name, entries in records.items():
            lines += [f"{name}. {kind} {text}" for kind, text in entries]
        fresh = self.world.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.rename(self.world)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
