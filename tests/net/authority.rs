//! The box's own certificates.

use super::toy::{Folder, HOST, NOW, names};
use crate::clock;
use crate::net::authority::Names;
use crate::net::tls::{Tls, ends};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY: i64 = 24 * 3600;

fn der(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).expect("a certificate").to_vec()
}

#[test]
fn the_first_start_makes_an_authority_and_a_certificate_that_mail_programs_accept() {
    let folder = Folder::new();
    let tls = folder.0.join("tls");
    Tls::open(&tls, names(), NOW).expect("made");
    for name in ["ca.pem", "ca.key", "host.pem", "host.key"] {
        let mode = std::fs::metadata(tls.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let ca = der(&tls.join("ca.pem"));
    let (_, ca) = X509Certificate::from_der(&ca).expect("parsed");
    let basic = ca.basic_constraints().expect("read").expect("there").value;
    assert!(basic.ca);
    assert_eq!(basic.path_len_constraint, Some(0));
    assert!(ca.validity().not_after.timestamp() >= NOW + 10 * 365 * DAY);

    let host = der(&tls.join("host.pem"));
    let (_, host) = X509Certificate::from_der(&host).expect("parsed");
    let validity = host.validity();
    let seconds = validity.not_after.timestamp() - validity.not_before.timestamp();
    assert!(seconds <= 397 * DAY, "{} days", seconds / DAY);
    assert!(validity.not_before.timestamp() < NOW);
    let key = host.public_key();
    assert_eq!(key.algorithm.algorithm.to_id_string(), "1.2.840.10045.2.1", "elliptic curve");
    let names = host.subject_alternative_name().expect("read").expect("there");
    let names = format!("{:?}", names.value.general_names);
    for name in [HOST, "localhost", "[127, 0, 0, 1]"] {
        assert!(names.contains(name), "{name} in {names}");
    }
    assert_eq!(ends(&tls).expect("read"), validity.not_after.timestamp());
}

#[test]
fn our_certificate_is_renewed_in_time_with_the_same_key_and_authority() {
    let folder = Folder::new();
    let read = |name: &str| std::fs::read(folder.0.join(name)).expect("read");
    let tls = Tls::open(&folder.0, names(), NOW).expect("made");
    let (ca, key, first) = (read("ca.pem"), read("host.key"), read("host.pem"));

    tls.refresh(NOW + 300 * DAY);
    assert_eq!(read("host.pem"), first, "too early");
    tls.refresh(NOW + 370 * DAY);
    assert_ne!(read("host.pem"), first, "a month before its end");
    assert!(tls.ends() > NOW + 700 * DAY, "and in use");
    assert_eq!(read("ca.pem"), ca);
    assert_eq!(read("host.key"), key);

    // A board whose clock was wrong by years: then the certificate is made for the time it tells.
    let before = read("host.pem");
    let past = Tls::open(&folder.0, names(), NOW - 1000 * DAY).expect("made");
    assert_ne!(read("host.pem"), before);
    assert!(past.ends() < NOW);
}

#[test]
fn a_board_that_starts_in_1970_makes_certificates_for_the_days_of_this_program() {
    let folder = Folder::new();
    Tls::open(&folder.0, names(), clock::not_before_built(0)).expect("made");
    let ca = der(&folder.0.join("ca.pem"));
    let (_, ca) = X509Certificate::from_der(&ca).expect("parsed");
    assert!(ca.validity().not_after.timestamp() >= NOW + 10 * 365 * DAY);
    assert_eq!(clock::not_before_built(i64::MAX), i64::MAX, "a clock that runs is believed");
}

/// A board that started in 1970 under an older program has an authority that ended in 1980.
#[test]
fn an_authority_that_has_ended_is_made_anew_with_its_key_and_name() {
    let folder = Folder::new();
    let read = |name: &str| std::fs::read(folder.0.join(name)).expect("read");
    Tls::open(&folder.0, names(), 0).expect("made");
    let (old, key, host) = (der(&folder.0.join("ca.pem")), read("ca.key"), read("host.pem"));
    let (_, old) = X509Certificate::from_der(&old).expect("parsed");
    assert!(old.validity().not_after.timestamp() < 11 * 365 * DAY);

    let tls = Tls::open(&folder.0, names(), NOW).expect("made");
    let new = der(&folder.0.join("ca.pem"));
    let (_, new) = X509Certificate::from_der(&new).expect("parsed");
    assert!(new.validity().not_after.timestamp() >= NOW + 10 * 365 * DAY);
    assert!(tls.ends() > NOW + 300 * DAY);
    assert_ne!(read("host.pem"), host);
    assert_eq!(read("ca.key"), key);
    assert_eq!(new.subject().as_raw(), old.subject().as_raw());
    assert_ne!(new.serial, old.serial, "else mail programs that saw the old one refuse it");

    // Also while the host's certificate has time left: it ends with its authority.
    let ca = read("ca.pem");
    let near = NOW + 3_600 * DAY;
    tls.refresh(near);
    assert_eq!(read("ca.pem"), ca, "not before its end");
    let host = der(&folder.0.join("host.pem"));
    tls.refresh(NOW + 3_653 * DAY);
    assert_ne!(read("ca.pem"), ca);
    let renewed = der(&folder.0.join("host.pem"));
    let (_, host) = X509Certificate::from_der(&host).expect("parsed");
    let (_, renewed) = X509Certificate::from_der(&renewed).expect("parsed");
    assert_ne!(host.serial, renewed.serial);
}

#[test]
fn another_name_gets_another_certificate() {
    let folder = Folder::new();
    Tls::open(&folder.0, names(), NOW).expect("made");
    let first = der(&folder.0.join("host.pem"));
    let more = Names { host: HOST.to_string(), others: vec!["Mail.Example.org".to_string()] };
    Tls::open(&folder.0, more.clone(), NOW).expect("made");
    let second = der(&folder.0.join("host.pem"));
    assert_ne!(first, second);
    assert!(String::from_utf8_lossy(&second).contains("mail.example.org"));
    Tls::open(&folder.0, more, NOW).expect("kept");
    assert_eq!(der(&folder.0.join("host.pem")), second);
}

#[test]
fn the_owners_own_certificate_is_never_touched() {
    let folder = Folder::new();
    Tls::open(&folder.0, names(), NOW).expect("made");
    let bought = rcgen::generate_simple_self_signed(vec!["mail.example.org".into()]).expect("made");
    std::fs::write(folder.0.join("host.pem"), bought.cert.pem()).expect("written");
    std::fs::write(folder.0.join("host.key"), bought.signing_key.serialize_pem()).expect("written");
    let tls = Tls::open(&folder.0, names(), NOW).expect("taken");
    tls.refresh(NOW + 10_000 * DAY);
    let kept = std::fs::read_to_string(folder.0.join("host.pem")).expect("read");
    assert_eq!(kept, bought.cert.pem());
}
