//! The names of the stages that schedules and signals ask for.
//!
//! Not here: what they do (`cycle`, `verify`) and the queue (`daemon`).

/// A stage of the daemon. The order is the one in which a worker takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Look at every watched change.
    Verify,
    /// Begin what is approved and may begin now.
    Begin,
    /// One whole turn.
    Cycle,
}

impl Stage {
    /// The name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Begin => "begin",
            Self::Cycle => "cycle",
        }
    }
}
