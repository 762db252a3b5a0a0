//! The signed webhook: a message as JSON, with a signature over its time and body.
//!
//! Not here: when it is sent and tried again (`courier`, `outbox`).

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::notice::{Message, Notice, link};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Trimtab-Signature";
/// The header with the message's id, the same at each attempt.
pub const EVENT_HEADER: &str = "X-Trimtab-Event";

/// The body of a message.
pub(super) fn body(message: &Message, page_url: Option<&str>) -> Value {
    let notices: Vec<Value> = message.notices.iter().map(|one| notice(one, page_url)).collect();
    json!({
        "id": message.id,
        "event": message.event,
        "severity": message.severity(),
        "at": message.at,
        "title": message.title(),
        "count": message.count,
        "notices": notices,
        "dropped_before": message.dropped_before,
    })
}

fn notice(notice: &Notice, page_url: Option<&str>) -> Value {
    let details: Vec<Value> = notice
        .details
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "at": notice.at,
        "title": notice.title,
        "details": details,
        "url": link(page_url, notice.path.as_ref()),
    })
}

/// The signature header's value: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 with `key` over `SECONDS.BODY`.
#[must_use]
pub fn signature(key: &[u8], at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let mut text = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // printf '1772409600.{"a":1}' | openssl dgst -sha256 -hmac key
        let at = Timestamp::from_second(1_772_409_600).expect("a time");
        assert_eq!(
            signature(b"key", at, b"{\"a\":1}"),
            "t=1772409600,v1=0a13ee800065d794e078023695aa0bf893a6cf8c1cca2e6f65042e8dc643cebe"
        );
    }
}
