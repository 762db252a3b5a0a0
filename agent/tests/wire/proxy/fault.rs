//! Faults that a test injects: errors, lost answers, slow answers, each for so many calls.

use std::time::Duration;

use super::call::Call;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// The call is refused with this status and code, and has no effect.
    Error { status: u16, code: String },
    /// The connection ends before the call has any effect.
    DropBefore,
    /// The call takes effect, then the connection ends without an answer.
    DropAfter,
    /// The call waits, then goes on.
    Delay(Duration),
}

/// Which calls a fault hits and how often. `None` fits every account or region; the operation `*` fits every one.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) account: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) effect: Effect,
    /// Whether dry runs are spared.
    pub(crate) real_only: bool,
    /// How many calls are still to be hit; `u32::MAX` is as good as for ever.
    pub(crate) times: u32,
}

impl Fault {
    /// A fault in every account and region.
    pub(crate) fn new(service: &str, operation: &str, effect: Effect, times: u32) -> Self {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        Self { service, operation, account: None, region: None, effect, real_only: false, times }
    }

    /// The same fault in one region only.
    pub(crate) fn in_region(self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self }
    }

    /// The same fault in one account only.
    pub(crate) fn in_account(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// The same fault for calls that mean it: dry runs go through.
    pub(crate) fn sparing_dry_runs(self) -> Self {
        Self { real_only: true, ..self }
    }

    fn hits(&self, call: &Call) -> bool {
        self.times > 0
            && !(self.real_only && call.is_dry_run())
            && self.service == call.service
            && (self.operation == "*" || self.operation == call.operation)
            && self.account.as_ref().is_none_or(|account| *account == call.account)
            && self.region.as_ref().is_none_or(|region| *region == call.region)
    }
}

/// Uses up and returns what the faults do to this call: every delay, and the first of the others.
pub(crate) fn take(faults: &mut [Fault], call: &Call) -> (Duration, Option<Effect>) {
    let (mut delay, mut other) = (Duration::ZERO, None);
    for fault in faults.iter_mut().filter(|fault| fault.hits(call)) {
        if let Effect::Delay(time) = fault.effect {
            delay += time;
        } else if other.is_none() {
            other = Some(fault.effect.clone());
        } else {
            continue;
        }
        fault.times -= 1;
    }
    (delay, other)
}
