//! Reads that come in pages, token by token.
//!
//! Not here: CloudWatch's series, whose pages belong together otherwise (`metrics`).

use std::future::Future;

use trimtab_policies::operations::Failure;

use super::{error, rate::Api};

/// Fetches page after page until there is no further token.
///
/// The same token twice is an error: without it a confused endpoint would keep the agent asking for ever.
pub(super) async fn pages<T, F>(
    what: (&Api, &str),
    fetch: impl Fn(Option<String>) -> F,
) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<(Vec<T>, Option<String>), Failure>>,
{
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let (items, next) = fetch(token.clone()).await?;
        all.extend(items);
        let next = next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(all);
        }
        if next == token {
            let (api, target) = what;
            let what = "new page behind its own token";
            return Err(error::incomplete(api.call, target, what));
        }
        token = next;
    }
}
