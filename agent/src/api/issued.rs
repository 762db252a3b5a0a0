//! The text of an issued token: a mark for secret scanners, random digits, and a checksum that tells a slip from a wrong token.
//!
//! Not here: whose it is (`trimtab_policies::token`), and the local token (`token`).

use super::token::{digest, new_secret};

/// Marks a person's token; the local one begins otherwise.
const MARK: &str = "ttp_";
/// Hex digits of the random part: 32 bytes, beyond guessing for as long as anybody may try.
const SECRET_CHARS: usize = 64;
/// Hex digits of the CRC-32C over the random part.
const CHECK_CHARS: usize = 8;
/// Hex digits of the random part that stay visible: they tell a thousand tokens apart, and leave 224 bits to guess.
const SHOWN_CHARS: usize = 8;

/// A new token; its text is shown once and kept nowhere.
pub(crate) struct Issued {
    pub(crate) text: String,
    /// The visible part in front.
    pub(crate) id: String,
    pub(crate) sha256: String,
}

/// A token as somebody gave it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) id: String,
    pub(crate) sha256: String,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It does not look like one.
    Foreign,
    /// It looks like one, but something is missing or mistyped.
    Slip,
}

/// Makes a token.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn issue() -> Result<Issued, getrandom::Error> {
    let secret = new_secret("")?;
    let text = format!("{MARK}{secret}{:08x}", crc32c::crc32c(secret.as_bytes()));
    Ok(Issued { id: visible(&text), sha256: hex(&digest(&text)), text })
}

/// Reads a token.
///
/// # Errors
/// When it is none, or not whole.
pub(crate) fn read(text: &str) -> Result<Given, Misread> {
    let digits = text.strip_prefix(MARK).ok_or(Misread::Foreign)?;
    if digits.len() != SECRET_CHARS + CHECK_CHARS || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(Misread::Slip);
    }
    let (secret, check) = digits.split_at(SECRET_CHARS);
    if u32::from_str_radix(check, 16) != Ok(crc32c::crc32c(secret.as_bytes())) {
        return Err(Misread::Slip);
    }
    Ok(Given { id: visible(text), sha256: hex(&digest(text)) })
}

fn visible(text: &str) -> String {
    text.chars().take(MARK.len() + SHOWN_CHARS).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_a_wrong_token() {
        let Issued { text, id, sha256 } = issue().expect("random bytes");
        assert_eq!((text.len(), id.len()), (76, 12));
        assert!(text.starts_with(&id) && text.starts_with("ttp_"));
        assert_eq!(read(&text), Ok(Given { id, sha256 }));
        for cut in 4..text.len() {
            assert_eq!(read(&text[..cut]), Err(Misread::Slip), "cut to {cut}");
        }
        for at in 4..text.len() {
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let typo = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(read(&typo), Err(Misread::Slip), "a wrong digit at {at}");
        }
        for foreign in ["", "ttp", "tt_0123", "Bearer", "ghp_0123"] {
            assert_eq!(read(foreign), Err(Misread::Foreign), "{foreign}");
        }
        let other = issue().expect("random bytes").text;
        assert!(read(&other).is_ok_and(|given| read(&text).is_ok_and(|own| own != given)));
    }
}
