//! The list of providers that is compiled in.

use crate::collect::providers::{self, Login, Tls, User};
use crate::wire::address::check_domain;
use std::collections::HashSet;

#[test]
fn the_list_can_be_read_and_each_entry_is_whole() {
    assert_eq!(providers::fault(), None);
    let all = providers::all();
    assert!(all.len() >= 30, "{}", all.len());
    let roles = ["All", "Archive", "Drafts", "Flagged", "Important", "Junk", "Sent", "Trash"];
    let (mut ids, mut domains) = (HashSet::new(), HashSet::new());
    for provider in all {
        let id = &provider.id;
        assert!(ids.insert(id), "{id} twice");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        assert!(provider.imap.is_some() && provider.smtp.is_some(), "{id}: it has no servers");
        assert!(provider.switch_on.ends_with('.') && provider.source.len() > 10, "{id}");
        assert!(!provider.vouchers.is_empty() || !provider.mx.is_empty(), "{id}");
        assert!(!provider.domains.is_empty() || !provider.mx.is_empty(), "{id}: whose is it?");
        for domain in provider.domains.iter().chain(&provider.mx).chain(&provider.vouchers) {
            assert_eq!(check_domain(domain).as_ref(), Ok(domain), "{id}: {domain}");
        }
        for domain in &provider.domains {
            assert!(domains.insert(domain), "{id}: {domain} is another's too");
        }
        let servers = [(&provider.imap, 993), (&provider.pop3, 995), (&provider.smtp, 465)];
        for (server, implicit) in servers {
            let Some(server) = server else { continue };
            assert_eq!(check_domain(&server.host).as_ref(), Ok(&server.host), "{id}");
            let right = (server.tls == Tls::Implicit) == (server.port == implicit);
            assert!(right, "{id}: port {} and {:?}", server.port, server.tls);
        }
        for folder in &provider.folders {
            assert!(roles.contains(&folder.role.as_str()), "{id}: {}", folder.role);
        }
        if let Some(oauth) = &provider.oauth {
            let urls = oauth.device_url.iter().chain([&oauth.token_url]);
            urls.for_each(|url| assert!(url.starts_with("https://"), "{id}: {url}"));
        }
        let codes = provider.oauth.as_ref().is_some_and(|it| it.device_url.is_some());
        assert!(provider.password != Login::No || codes, "{id}: nobody could log in");
    }
}

#[test]
fn a_provider_is_known_by_the_address_and_by_the_mx_of_a_company() {
    let id = |domain: &str| providers::of_domain(domain).map(|it| it.id.as_str());
    assert_eq!(id("gmail.com"), Some("gmail"));
    assert_eq!(id("YANDEX.RU"), Some("yandex"));
    assert_eq!(id("bk.ru"), Some("mailru"));
    assert_eq!(id("notgmail.com"), None);
    let mx = |hosts: &[&str]| {
        let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
        providers::of_mx(&hosts).map(|it| it.id.as_str())
    };
    assert_eq!(mx(&["ASPMX.L.GOOGLE.COM"]), Some("google-workspace"));
    assert_eq!(mx(&["firm-de.mail.protection.outlook.com"]), Some("microsoft365"));
    assert_eq!(mx(&["mx.yandex.net"]), Some("yandex360"));
    assert_eq!(mx(&["emx.mail.ru"]), Some("vk-workspace"));
    assert_eq!(mx(&["mx.evilgoogle.com", "mx.firm.example"]), None);
    let laposte = providers::by_id("laposte").expect("a provider");
    assert_eq!(laposte.user, User::Local);
    assert_eq!(laposte.login_of("jean.valjean@laposte.net"), "jean.valjean");
}
