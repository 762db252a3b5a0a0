//! Where people's words have brought a kept proposal: who has said yes, who is missing, and what speaks against it.
//!
//! Not here: which words count (`trimtab_policies::approval`) and making a decision (`decide`).

use jiff::Timestamp;
use trimtab_policies::{
    approval::{Heard, Standing, standing},
    book::Book,
    exception::{Exception, Proposed, about},
    settings::Approvals,
};

/// What people's words come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// Whether as many as it takes have said yes.
    pub(crate) is_approved: bool,
    /// Whether an exception about it is in force.
    pub(crate) is_rejected: bool,
    /// The same in words; `None` where nobody said anything.
    pub(crate) words: Option<String>,
}

/// Which words count for a kept proposal.
pub(crate) fn standing_of<'a>(
    book: &'a Book,
    approvals: &'a Approvals,
    proposed: Proposed<'_>,
    now: Timestamp,
) -> Standing<'a> {
    let (said, exceptions) = (book.said(proposed.digest), book.exceptions());
    standing(proposed, Heard { said, exceptions, approvals, now })
}

/// The exception in force about a kept proposal that ends last.
pub(crate) fn excepted<'a>(
    book: &'a Book,
    proposed: Proposed<'a>,
    now: Timestamp,
) -> Option<&'a Exception> {
    about(book.exceptions(), proposed)
        .filter(|exception| exception.is_in_force(now))
        .max_by_key(|exception| (exception.until, &exception.id))
}

/// Where people's words have brought a kept proposal.
pub(crate) fn told(
    book: &Book,
    approvals: &Approvals,
    proposed: Proposed<'_>,
    now: Timestamp,
) -> Told {
    if let Some(exception) = excepted(book, proposed, now) {
        return Told { is_approved: false, is_rejected: true, words: Some(exception.words()) };
    }
    // Of nearly all proposals nobody has said anything.
    if book.said(proposed.digest).is_empty() {
        return Told::default();
    }
    let standing = standing_of(book, approvals, proposed, now);
    let is_approved = standing.is_approved();
    let words = if is_approved {
        Some(format!("approved by {}", standing.names().join(" and ")))
    } else {
        lacking(&standing)
    };
    Told { is_approved, is_rejected: false, words }
}

/// Who has said yes and who is missing, and whose yes does not count any more.
fn lacking(standing: &Standing<'_>) -> Option<String> {
    let lapsed = standing.lapsed.iter();
    let lapsed = lapsed.map(|it| format!("the approval of {} {}", it.decision.by, it.why));
    let quorum = standing.quorum().filter(|_| !standing.yes.is_empty());
    let words: Vec<String> =
        quorum.map(|quorum| quorum.words()).into_iter().chain(lapsed).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
