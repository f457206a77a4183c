//! What a provider says it found, and what is believed of it.

use crate::policy::Finding;
use crate::policy::believed::evidence;
use crate::policy::judge::{Reason, Rules, Verdict, judge};

fn looked(header: &str, vouchers: &[&str]) -> crate::policy::Evidence {
    let message = format!("{header}\nFrom: Joe <joe@far.test>\n\ntext\n").replace('\n', "\r\n");
    let vouchers: Vec<String> = vouchers.iter().map(|it| it.to_string()).collect();
    evidence(message.as_bytes(), "imap.provider.test", &vouchers)
}

/// Is the author proven?
fn proven(header: &str, vouchers: &[&str]) -> bool {
    looked(header, vouchers).is_proven()
}

#[test]
fn results_of_the_provider_count_and_those_of_others_do_not() {
    let gmail = "Authentication-Results: mx.google.com;\n       dkim=pass header.i=@far.test \
                 header.s=s header.b=abc;\n       spf=pass (google.com: domain of x) \
                 smtp.mailfrom=joe@far.test;\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) \
                 header.from=far.test";
    assert!(proven(gmail, &["google.com"]));
    assert!(!proven(gmail, &["yandex.ru"]), "of a server that nobody vouches for");
    assert!(!proven(gmail, &[]));
    assert!(!proven(&gmail.replace("mx.google.com", "notgoogle.com"), &["google.com"]));
    let below = format!("Authentication-Results: other.test; dmarc=none\n{gmail}");
    assert!(!proven(&below, &["google.com"]), "only the topmost is the provider's own");
    let outlook = "Authentication-Results: spf=pass (sender IP is 192.0.2.1) \
                   smtp.mailfrom=far.test; dkim=pass header.d=far.test;dmarc=pass action=none \
                   header.from=far.test;compauth=pass reason=100";
    assert!(proven(outlook, &["outlook.com"]));
    assert!(!proven(outlook, &["google.com"]), "without a name only Microsoft's");
    let yandex = "Authentication-Results: mxfront1.mail.yandex.net; spf=pass \
                  smtp.mail=joe@far.test; dkim=pass header.i=@far.test";
    assert!(proven(yandex, &["mail.yandex.net"]), "a signature of the author's own domain");
}

#[test]
fn nothing_is_proven_of_another_author() {
    let results = |text: &str| format!("Authentication-Results: mx.google.com; {text}");
    let google = ["google.com"];
    assert!(!proven(&results("dmarc=pass header.from=bank.test"), &google));
    assert!(!proven(&results("dkim=pass header.d=bank.test"), &google));
    assert!(!proven(
        &results("dkim=pass header.d=far.test (x); dmarc=fail header.from=far.test"),
        &google
    ));
    assert!(!proven(&results("dmarc=\"pass\nheader.from=far.test"), &google), "broken quoting");
    let failed = looked(
        &results("spf=softfail smtp.mailfrom=far.test; dmarc=fail header.from=far.test"),
        &google,
    );
    assert_eq!(failed.dmarc.finding, Finding::Fail);
}

#[test]
fn mail_from_a_provider_is_never_refused_and_nobody_waits() {
    let plain = judge(&looked("X-Nothing: here", &["google.com"]), &Rules::default());
    assert_eq!((plain.verdict, plain.reason), (Verdict::Accept, Reason::Ordinary));
    let forged = "Authentication-Results: mx.google.com; spf=fail smtp.mailfrom=far.test; \
                  dmarc=fail (p=REJECT) header.from=far.test";
    let rules = Rules { greylist: true, ..Rules::default() };
    let judged = judge(&looked(forged, &["google.com"]), &rules);
    assert_eq!(judged.verdict, Verdict::Junk, "{judged:?}");
}
