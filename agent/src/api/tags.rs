//! Entity tags: whether a reader holds this answer already, and whether a decision is about what there is now.
//!
//! A tag is strong: its last part is a hash of the answer's bytes. The parts before it are what decisions depend on, and
//! `If-Match` compares those alone, because a cycle that only confirms what was read changes the rest. Not here: what is
//! decided (`decide`).

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::{
    audit::hex,
    view::{ChangeView, RecommendationView},
};

/// Bytes of the hash in a tag: two answers of one thing do not meet by chance.
const HASH_BYTES: usize = 16;
/// Kept by the reader alone, and asked for again each time.
const REVALIDATED: &str = "private, no-cache";

/// What a decision about a thing depends on, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(Vec<(&'static str, String)>);

impl Mark {
    /// A list's: nobody decides about a list.
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// A recommendation's.
    pub(super) fn recommendation(view: &RecommendationView) -> Self {
        let state = view.state.as_str().to_owned();
        Self(vec![("digest", view.entry.digest.clone()), ("state", state)])
    }

    /// A change's.
    pub(super) fn change(view: &ChangeView) -> Self {
        Self(vec![("state", view.state.to_string())])
    }

    fn tag(&self, bytes: &[u8]) -> String {
        let hash = hex(&Sha256::digest(bytes)[..HASH_BYTES]);
        let parts = self.0.iter().map(|(_, value)| value.as_str()).chain([hash.as_str()]);
        format!("\"{}\"", parts.collect::<Vec<_>>().join("."))
    }

    /// What of it is not as a tag has it, in words; `None` when all is.
    fn changed_since(&self, tag: &str) -> Option<String> {
        let parts: Option<Vec<&str>> = tag
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'))
            .map(|tag| tag.split('.').collect());
        let Some(parts) = parts.filter(|parts| parts.len() == self.0.len() + 1) else {
            return Some(format!("`{tag}` is no tag of it"));
        };
        let changed = self.0.iter().zip(parts).filter(|((_, now), then)| now != then);
        let told = changed.map(|((name, now), then)| format!("its {name} was {then} and is {now}"));
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// Lets a decision through that is about what there is now, or does not say what it is about.
    pub(super) fn require(&self, headers: &HeaderMap, what: &str) -> Result<(), Problem> {
        let given = given(headers, &header::IF_MATCH);
        if given.is_empty() || given.iter().any(|tag| tag == "*") {
            return Ok(());
        }
        let changed: Option<Vec<String>> =
            given.iter().map(|tag| self.changed_since(tag)).collect();
        changed.map_or(Ok(()), |changed| {
            Err(Problem::stale(format!(
                "{what} has changed since it was read: {}; read it again",
                changed.join("; ")
            )))
        })
    }
}

/// An answer with its tag.
pub(super) struct Tagged {
    bytes: Bytes,
    tag: String,
    link: Option<String>,
}

impl Tagged {
    /// A body as JSON.
    pub(super) fn of<T: Serialize>(body: &T, mark: &Mark) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(body).map_err(Problem::internal)?;
        Ok(Self { tag: mark.tag(&bytes), bytes: bytes.into(), link: None })
    }

    /// The same with where the list goes on.
    pub(super) fn linked(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    /// The answer; without a body for a reader who holds it already.
    pub(super) fn respond(self, headers: &HeaderMap) -> Response {
        let held = given(headers, &header::IF_NONE_MATCH);
        let is_held = |tag: &String| tag == "*" || tag.trim_start_matches("W/") == self.tag;
        let mut response = if held.iter().any(is_held) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, "application/json")], self.bytes).into_response()
        };
        let told = response.headers_mut();
        told.insert(header::CACHE_CONTROL, HeaderValue::from_static(REVALIDATED));
        let link = self.link.map(|link| (header::LINK, link));
        for (name, value) in [(header::ETAG, self.tag)].into_iter().chain(link) {
            // Both are made of what came in a URI and of our own words: neither holds what a header may not.
            if let Ok(value) = HeaderValue::try_from(value) {
                told.insert(name, value);
            }
        }
        response
    }
}

/// The tags of a header; ours hold no comma.
fn given(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values
        .flat_map(|value| value.split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<_>>())
        .filter(|tag| !tag.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_decision_is_about_what_there_is_now() {
        let mark = Mark(vec![("digest", "ab".to_owned()), ("state", "approved".to_owned())]);
        for (given, told) in [
            ("\"ab.approved.00\"", None),
            ("\"ab.approved.ff\", \"cd.approved.00\"", None),
            ("*", None),
            ("\"ab.proposed.00\"", Some("its state was proposed and is approved")),
            ("\"cd.proposed.00\"", Some("its digest was cd and is ab, its state was proposed")),
            ("W/\"ab.approved.00\"", Some("is no tag of it")),
            ("\"ab\"", Some("is no tag of it")),
            ("\"", Some("is no tag of it")),
        ] {
            let found = mark.require(&headers(header::IF_MATCH, given), "it");
            match (found, told) {
                (Ok(()), None) => {}
                (Err(problem), Some(told)) => {
                    assert_eq!(problem.status, 412);
                    assert!(problem.detail.contains(told), "{given}: {}", problem.detail);
                }
                (found, told) => panic!("{given}: {found:?}, not {told:?}"),
            }
        }
        assert_eq!(mark.require(&HeaderMap::new(), "it"), Ok(()));
    }

    #[test]
    fn a_reader_who_holds_it_gets_nothing() {
        let answer = || Tagged::of(&["a"], &Mark::none()).expect("plain text");
        let tag: &'static str = answer().tag.leak();
        let weak: &'static str = format!("\"0\", W/{tag}").leak();
        for (given, status) in [(tag, 304), (weak, 304), ("*", 304), ("\"0\"", 200)] {
            let response = answer().respond(&headers(header::IF_NONE_MATCH, given));
            assert_eq!(response.status().as_u16(), status, "{given}");
            assert_eq!(response.headers()[header::ETAG], tag);
        }
        let other = Tagged::of(&["b"], &Mark::none()).expect("plain text");
        assert_ne!(other.tag, tag);
    }
}
