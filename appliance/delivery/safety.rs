//! How safe a connection to another server must be before mail goes over it.
//!
//! ```text
//! what its domain says                         TLS         certificate          else
//! nothing                                      if offered  any                  in clear
//! TLSA records that can be used (RFC 7672)     must        fits one of them     next host, later
//! TLSA records, none of which can be used      must        any                  next host, later
//! MTA-STS enforce (RFC 8461), no TLSA          must        public, right name   next host, later
//! MTA-STS testing                              if offered  any; faults counted  in clear
//! DNSSEC says that an answer is forged         the host is not used; later
//! ```
//!
//! DANE is looked at only where MX, address and TLSA records are all proven with DNSSEC; where it
//! is, MTA-STS is not (RFC 8461 2).

use super::connection::Network;
use super::route::Reach;
use super::tls_counts::{policy, result};
use crate::net::dane::Tlsa;
use crate::net::dial::{CertificateFault, Seen, Trust, Unproven};
use crate::net::resolver::NoAnswer;
use std::sync::Arc;

/// What is asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Safety {
    Opportunistic,
    /// One of these records fits. `names`: whom the certificate may be for, where that matters.
    Dane {
        records: Arc<[Tlsa]>,
        names: Arc<[String]>,
    },
    /// RFC 7672 2.2: there are TLSA records, and none of use: TLS, with any certificate.
    Encrypted,
    /// RFC 8461 5: a public certificate for the host's name.
    Sts,
    /// The same, only to see whether it would be so; is the host one of those in the policy?
    StsTesting {
        allowed: bool,
    },
}

impl Safety {
    /// Nothing goes in clear.
    pub(super) fn needs_tls(&self) -> bool {
        matches!(self, Self::Dane { .. } | Self::Encrypted | Self::Sts)
    }

    /// Whose certificates are good.
    pub(super) fn trust(&self, anyone: &Trust) -> Trust {
        match self {
            Self::Opportunistic | Self::Encrypted | Self::StsTesting { .. } => anyone.clone(),
            Self::Dane { records, names } => anyone.dane(records.clone(), names.clone()),
            Self::Sts => anyone.strictly(),
        }
    }

    /// Who asks for it, to stand in a sentence.
    pub(super) fn who(&self) -> &'static str {
        match self {
            Self::Opportunistic => "nobody",
            Self::Dane { .. } | Self::Encrypted => "DANE",
            Self::Sts | Self::StsTesting { .. } => "MTA-STS",
        }
    }

    /// How a connection is secured, for the trace.
    pub(super) fn words(&self, seen: &Seen) -> String {
        let Seen { version, fault } = seen;
        let worth = match (fault, self) {
            (None, Self::Dane { .. }) => "DANE".to_string(),
            (None, Self::Sts) => "MTA-STS".to_string(),
            (None, _) => "certificate good".to_string(),
            (Some(why), Self::Encrypted) => {
                format!("DANE without a record of use, certificate not proven: {why}")
            }
            (Some(why), _) => format!("certificate not proven: {why}"),
        };
        let testing = match self {
            Self::StsTesting { .. } => "; the MTA-STS policy is in testing and asks for nothing",
            _ => "",
        };
        format!("encrypted with {version}, {worth}{testing}")
    }

    /// RFC 8460 4.4: the kind of policy.
    pub(super) fn policy(&self) -> &'static str {
        match self {
            Self::Opportunistic => policy::NONE,
            Self::Dane { .. } | Self::Encrypted => policy::TLSA,
            Self::Sts | Self::StsTesting { .. } => policy::STS,
        }
    }

    /// What a connection under TLS counts as, and in which words.
    pub(super) fn result(&self, seen: &Seen) -> (&'static str, String) {
        match (self, &seen.fault) {
            (Self::Encrypted, _) => {
                (result::TLSA_INVALID, "none of the TLSA records can be used".to_string())
            }
            (Self::StsTesting { .. }, Some(fault)) => (of_fault(fault), fault.to_string()),
            (Self::StsTesting { allowed: false }, None) => {
                (result::VALIDATION_FAILURE, "the policy does not name this host".to_string())
            }
            _ => (result::SUCCESS, String::new()),
        }
    }
}

/// What a handshake that failed counts as.
pub(super) fn of_unproven(unproven: &Unproven) -> &'static str {
    unproven.certificate.as_ref().map_or(result::VALIDATION_FAILURE, of_fault)
}

fn of_fault(fault: &CertificateFault) -> &'static str {
    match fault {
        CertificateFault::Expired => result::CERTIFICATE_EXPIRED,
        CertificateFault::OtherName => result::CERTIFICATE_HOST_MISMATCH,
        CertificateFault::UnknownIssuer => result::CERTIFICATE_NOT_TRUSTED,
        CertificateFault::NotInDns | CertificateFault::Other(_) => result::VALIDATION_FAILURE,
    }
}

/// What the TLSA records of a host ask for; `None`: there are none. `Err`: why the host is not
/// used.
pub(super) async fn dane(
    network: &Network,
    domain: &str,
    host: &str,
    reach: &Reach,
) -> Result<Option<Safety>, NoAnswer> {
    // RFC 7672 2.2.2: the name after all aliases first, then the one before
    let mut bases = vec![reach.name.as_str()];
    if reach.name != host {
        bases.push(host);
    }
    for base in bases {
        let found = match network.resolver.tlsa(base, network.outgoing.port).await {
            Ok(found) if found.secure => found.records,
            Ok(_) | Err(NoAnswer::NoName | NoAnswer::NoRecord) => continue,
            // RFC 7672 2.1.2: whoever keeps the answer from us must gain nothing by it
            Err(unknown) => return Err(unknown),
        };
        let records: Vec<Tlsa> = found.into_iter().filter(Tlsa::is_usable).collect();
        if records.is_empty() {
            return Ok(Some(Safety::Encrypted));
        }
        // RFC 7672 3.2.2: names that a certificate below a DANE-TA authority may have
        let names = vec![base.to_string(), domain.to_string()];
        return Ok(Some(Safety::Dane { records: records.into(), names: names.into() }));
    }
    Ok(None)
}
