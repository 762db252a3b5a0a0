//! Which words of a person count, at both sides of each moment.

use trimtab_models::recommendation::Action;

use super::*;
use crate::fixtures::{approval, candidate, days_ago, in_days, instance, now, policy};

fn counts(change: impl FnOnce(&mut Decision)) -> &'static str {
    let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
    let mut decision = approval(&candidate);
    change(&mut decision);
    candidate.decision = Some(decision);
    match word(&candidate, &policy().approvals, now()) {
        Word::None => "none",
        Word::Approved(_) => "approved",
        Word::Expired(..) => "expired",
        Word::Rejected(_) => "rejected",
    }
}

#[test]
fn an_approval_means_one_digest_and_ends() {
    assert_eq!(counts(|_| {}), "approved");
    assert_eq!(counts(|d| d.digest = "other".to_owned()), "none");
    assert_eq!(counts(|d| d.at = in_days(0.1)), "none");
    assert_eq!(counts(|d| d.at = days_ago(6)), "approved");
    assert_eq!(counts(|d| d.at = days_ago(7)), "expired");
    assert_eq!(counts(|d| d.until = Some(in_days(0.1))), "approved");
    assert_eq!(counts(|d| d.until = Some(now())), "expired");
    let long = |d: &mut Decision| {
        d.at = days_ago(8);
        d.until = Some(in_days(30.0));
    };
    assert_eq!(counts(long), "expired");
}

#[test]
fn a_rejection_means_its_digest_or_until_its_date_any() {
    let reject = |digest: Option<&str>, until: Option<Timestamp>| {
        counts(|d| {
            d.verdict = Verdict::Rejected;
            d.until = until;
            if let Some(digest) = digest {
                d.digest = digest.to_owned();
            }
        })
    };
    assert_eq!(reject(None, None), "rejected");
    assert_eq!(reject(Some("other"), None), "none");
    assert_eq!(reject(Some("other"), Some(in_days(1.0))), "rejected");
    assert_eq!(reject(None, Some(in_days(1.0))), "rejected");
    assert_eq!(reject(None, Some(now())), "none");
}
