//! STS: whose credentials these are.
//!
//! Not here: taking a role (`credentials`).

use trimtab_policies::operations::Failure;

use super::{Clients, error, rate};

/// The account that the credentials belong to.
pub(super) async fn caller(clients: &Clients) -> Result<String, Failure> {
    let api = &rate::GET_CALLER;
    let answer = clients
        .call(api, &clients.target, |watch| {
            let call = clients.sts.get_caller_identity();
            call.customize().interceptor(watch).send()
        })
        .await?;
    let missing = || error::incomplete(api.call, &clients.target, "account");
    answer.account.ok_or_else(missing)
}
