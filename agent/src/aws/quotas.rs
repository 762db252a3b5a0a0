//! Service Quotas: how many vCPUs may run at once.
//!
//! Not here: how many do (`trimtab_policies::vcpus`).

use trimtab_models::catalog::VcpuQuota;
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, rate};

/// EC2's name at Service Quotas.
const SERVICE: &str = "ec2";

/// The account's quota in the region of `clients`, as applied to it.
pub(super) async fn vcpu_limit(clients: &Clients, quota: VcpuQuota) -> Result<u32, Failure> {
    let api = &rate::GET_QUOTA;
    let call = clients.quotas.get_service_quota().service_code(SERVICE).quota_code(quota.code());
    let answer =
        clients.call(api, quota.code(), |watch| call.customize().interceptor(watch).send()).await?;
    let value = answer.quota.and_then(|quota| quota.value);
    value.filter(|value| value.is_finite() && *value >= 0.0).map(|value| value as u32).ok_or_else(
        || Failure {
            kind: FailureKind::Rejected,
            call: api.call.to_owned(),
            target: quota.code().to_owned(),
            message: format!("the answer has no usable value: {value:?}"),
        },
    )
}
