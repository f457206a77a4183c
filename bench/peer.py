"""Postfix and Dovecot from Debian as one private mail server: configurations, queue, mail and
sockets in a folder of their own, ports of their own, nothing of the system's instance touched.

Postfix receives on port 25 and hands over by LMTP to Dovecot, which stores and serves; with a port
for submission it takes mail of people whom Dovecot knows. The bench measures against it;
tests/clients can be proven against it (`tests/clients/run --peer`). Needs root, as both switch
users.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

POSTFIX = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {state}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydomain = {domain}
mydestination =
mynetworks = {host}/32
inet_interfaces = {interfaces}
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = texthash:{config}/people
virtual_transport = lmtp:unix:{run}/lmtp
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_recipient_restrictions = reject_unlisted_recipient
smtpd_tls_security_level = {tls_level}
smtpd_tls_chain_files = {key}, {certificate}
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_exclude_ciphers = aNULL
smtpd_sasl_type = dovecot
smtpd_sasl_path = {run}/auth-client
smtputf8_enable = yes
message_size_limit = 52428800
maillog_file = {log}/postfix.log
maillog_file_prefixes = {log}
# As many at once as the load opens, and none of its connections held back.
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
{more}
"""

SUBMISSION = """\
{host}:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
"""

MASTER = """\
{host}:{smtp} inet n - n - - smtpd
{listeners}\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """\
protocols = imap pop3 lmtp
base_dir = {run}
state_dir = {run}/state
instance_name = {run}
listen = {host}
log_path = {log}/dovecot.log
mail_location = {location}
mail_fsync = {fsync}
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
mail_plugins = quota
default_internal_user = dovecot
default_login_user = dovenull
default_client_limit = 6000
default_process_limit = 1200
auth_mechanisms = plain login scram-sha-256
disable_plaintext_auth = yes
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
hostname = {name}
postmaster_address = postmaster@{domain}
recipient_delimiter = +
mail_max_userip_connections = 2000
imap_idle_notify_interval = 9 mins
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {config}/passwords
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
  mailbox Archive {{
    special_use = \\Archive
    auto = subscribe
  }}
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

LOCATIONS = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox"}


class Peer:
    """`folder` holds queue and mail (the disk that is measured), `scratch` logs and sockets."""

    def __init__(self, folder, scratch, flavour, people, ports, tls, **options):
        self.flavour = flavour
        self.ports = ports
        self.people = people
        folder, scratch = Path(folder), Path(scratch)
        self.paths = {
            "queue": folder / "queue",
            "state": folder / "state",
            "mail": folder / "mail",
            "config": scratch / "config",
            "log": scratch / "log",
            "run": scratch / "run",
        }
        self.values = {
            "host": options.get("host", "127.0.0.1"),
            "name": options.get("name", "mail.office.test"),
            "domain": options.get("domain", "office.test"),
            "interfaces": options.get("interfaces", options.get("host", "127.0.0.1")),
            "domains": options.get("domains", options.get("domain", "office.test")),
            "tls_level": options.get("tls_level", "may"),
            "more": options.get("postfix", ""),
            "listeners": options.get("listeners", ""),
            "fsync": "always",
            "location": LOCATIONS[flavour],
            "certificate": tls[0],
            "key": tls[1],
            **self.paths,
            **ports,
        }
        if "submission" in ports:
            self.values["listeners"] += SUBMISSION.format(**self.values)
        self.dovecot = None
        self.master = None

    def start(self):
        self.folders()
        config = self.paths["config"]
        self.write(config / "main.cf", POSTFIX)
        self.write(config / "master.cf", MASTER)
        self.write(config / "dovecot.conf", DOVECOT)
        users = "".join(f"{address} {address}\n" for address in self.people)
        (config / "people").write_text(users)
        secrets = "".join(f"{user}:{{PLAIN}}{word}\n" for user, word in self.people.items())
        (config / "passwords").write_text(secrets)
        self.dovecot = subprocess.Popen(
            ["dovecot", "-F", "-c", config / "dovecot.conf"], stdin=subprocess.DEVNULL
        )
        subprocess.run(["postfix", "-c", config, "start"], check=True, capture_output=True)
        self.master = int((self.paths["queue"] / "pid/master.pid").read_text())
        wait_for(lambda: (self.paths["run"] / "lmtp").exists(), "Dovecot's LMTP socket")
        return self

    def folders(self):
        for path in self.paths.values():
            path.mkdir(parents=True, exist_ok=True)
            # Postfix' daemons walk to their queue as another user.
            for folder in [path, *path.parents]:
                if folder.owner() == "root" and str(folder) not in ("/", "/tmp"):
                    folder.chmod(folder.stat().st_mode | 0o055)
        postfix, mail = pwd.getpwnam("postfix"), pwd.getpwnam("mail")
        os.chown(self.paths["state"], postfix.pw_uid, postfix.pw_gid)
        os.chown(self.paths["mail"], mail.pw_uid, mail.pw_gid)

    def write(self, path, template):
        path.write_text(template.format(**self.values))

    def pids(self):
        """The two masters: all else of the peer descends from them."""
        return [self.dovecot.pid, self.master]

    def stop(self):
        if self.master:
            stop = ["postfix", "-c", self.paths["config"], "stop"]
            subprocess.run(stop, capture_output=True, timeout=60)
            wait_for(lambda: not Path(f"/proc/{self.master}").exists(), "Postfix' end")
            self.master = None
        if self.dovecot:
            self.dovecot.send_signal(signal.SIGTERM)
            self.dovecot.wait(30)
            self.dovecot = None

    def remove(self):
        self.stop()
        for path in self.paths.values():
            shutil.rmtree(path, ignore_errors=True)


def wait_for(true, what, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def certificate(folder, name="mail.office.test", when=None, by=None):
    """A host certificate (P-256) for one name or several, for 30 days from now or from `when`, as
    "60 days ago", and the CA that signed it: a new one, or `by`. Paths of ca, certificate, key."""
    folder = Path(folder)
    ca, ca_key = by or authority(folder, when)
    names = [name] if isinstance(name, str) else name
    folder.mkdir(parents=True, exist_ok=True)
    key, request, signed = folder / "host.key", folder / "host.csr", folder / "host.pem"
    extensions = folder / "extensions"
    listed = ",".join(f"DNS:{name}" for name in names)
    extensions.write_text(f"subjectAltName={listed}\n")
    openssl(when, "req", *CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}")
    openssl(when, "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
            "-days", "30", "-extfile", extensions, "-out", signed)
    return ca, signed, key


def authority(folder, when=None):
    """A CA: paths of certificate and key."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ca, key = folder / "ca.pem", folder / "ca.key"
    openssl(when, "req", "-x509", *CURVE, "-keyout", key, "-out", ca, "-days", "30",
            "-subj", f"/CN=bench CA {folder.name}")
    return ca, key


CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(when, *words):
    command = ["openssl"] if when is None else ["faketime", when, "openssl"]
    done = subprocess.run([*command, *map(str, words)], check=True, capture_output=True)
    return done.stdout
