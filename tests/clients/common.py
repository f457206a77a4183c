"""The parameters of the scripts here (see lib.sh), and their counting of checks."""

import os
import ssl
import sys

environment = os.environ
HOST = environment.get("HOST", "127.0.0.1")
NAME = environment["NAME"]
DOMAIN = environment["DOMAIN"]
USER, PASS = environment["USER"], environment["PASS"]
USER2, PASS2 = environment["USER2"], environment["PASS2"]


def port(name):
    return int(environment.get(name) or 0)


SMTP, SUB, SUBS = port("SMTP"), port("SUB"), port("SUBS")
IMAP, IMAPS, POP3, POP3S = port("IMAP"), port("IMAPS"), port("POP3"), port("POP3S")

passed = failed = 0


def context():
    return ssl.create_default_context(cafile=environment["CA"])


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        if environment.get("VERBOSE"):
            print("ok  ", name)
    else:
        failed += 1
        print("FAIL", name, str(detail)[:400], flush=True)
    return bool(good)


def attempt(name, function, *arguments, **named):
    """A check that the call neither raises nor returns False; gives back what it returned."""
    try:
        result = function(*arguments, **named)
    except Exception as error:
        check(name, False, repr(error))
        return None
    check(name, result is not False, "returned False")
    return result


def finish():
    print(f"{os.path.basename(sys.argv[0])}: {passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)
