//! Numbers and tokens that name things.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A message's place in its channel: 1, 2, 3 … without a gap; 0 stands before the first.
pub type Seq = u64;

/// The highest [`Seq`]: 2^53 − 1, the last integer that every JSON reader keeps exact (RFC 8259, section 6).
pub const MAX_SEQ: Seq = (1 << 53) - 1;

/// Names one life of a channel's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch(pub Arc<str>);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// "I have everything up to `seq` of the log's life `epoch`."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The life of the log.
    pub epoch: Epoch,
    /// The newest message had, 0 for none.
    pub seq: Seq,
}

/// A connection's number: the server's boot, then a counter. A later connection compares greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn {
    /// Which start of the server.
    pub boot: u64,
    /// Which connection since.
    pub count: u64,
}

impl fmt::Display for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.boot, self.count)
    }
}

/// Which worker's hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(pub u32);

/// A session's credential: its worker's number, and 32 random bytes in hex. It has no `Debug` text, so that it cannot
/// slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Writes random bytes down as a credential of a session on worker `hub`.
    pub fn new(hub: HubId, bytes: [u8; 32]) -> Self {
        Self(format!("{:x}-{}", hub.0, hex::encode(bytes)))
    }

    /// A credential as a client says it.
    pub fn said(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The worker that its session lives on, if it is a credential at all.
    pub fn hub(&self) -> Option<HubId> {
        let (hub, _) = self.0.split_once('-')?;
        u32::from_str_radix(hub, 16).ok().map(HubId)
    }

    /// What it is looked up by: how long that takes tells nothing of the credential.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The credential itself, for the frame that hands it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The public name that stands for it.
    pub fn sid(&self) -> Sid {
        let digest = hex::encode(self.digest());
        Sid(Arc::from(&digest[..12]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A session's public name: the first 12 hex digits of its secret's SHA-256. Safe to log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Sid(pub Arc<str>);

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    #[test]
    fn a_sid_is_twelve_hex_digits_of_the_secrets_hash() {
        let secret = Secret::new(HubId(18), [7; 32]);
        let whole = hex::encode(Sha256::digest(format!("12-{}", "07".repeat(32))));
        assert_eq!(*secret.sid().0, whole[..12]);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_credential_names_its_worker_and_other_texts_name_none() {
        let secret = Secret::new(HubId(18), [7; 32]);
        assert_eq!(Secret::said(secret.reveal()).hub(), Some(HubId(18)));
        for text in ["", "12", "x-07", "-07", "fffffffff-07", "self"] {
            assert_eq!(Secret::said(text).hub(), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_credential_is_told_from_every_other_text(hub: u32, bytes: [u8; 32], seed: u64) {
            let secret = Secret::new(HubId(hub), bytes);
            let text = damaged_text(secret.reveal(), seed);
            let said = Secret::said(&text);
            prop_assert_eq!(said.digest() == secret.digest(), text == secret.reveal());
            prop_assert!(said.hub().is_none() || text.contains('-'));
        }
    }

    #[test]
    fn a_later_boot_outranks_any_count() {
        assert!(Conn { boot: 2, count: 0 } > Conn { boot: 1, count: u64::MAX });
    }
}
