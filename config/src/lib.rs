//! From the file a user wrote, and the environment, to settings that the rest of the program may trust.
//!
//! One direction: text -> [`raw`] (what may be written) -> validation (everything that is wrong, at once, each with
//! its place) -> [`Settings`]. Not here: what the settings are used for, and any reading of the network or the clock.
//! This is the only member that reads the environment, in [`environment`] and [`surroundings`].
#![deny(missing_docs)]

mod explain;
mod layer;
mod load;
mod notify;
mod places;
mod problem;
pub mod raw;
mod report;
mod salvage;
mod settings;
mod validate;

#[cfg(test)]
mod tests;

pub use explain::{AccountView, ActionView, Explanation, RuleView};
pub use load::{
    Surroundings, environment, from_scenario, load, parse, parse_layered, surroundings,
};
pub use notify::{
    Channel, MailEncryption, MailSettings, NotifyEvent, NotifySettings, Receiver, Severity,
};
pub use problem::{ConfigError, Problem};
pub use salvage::{Salvaged, salvage};
pub use settings::{
    Account, AgentSettings, ApiSettings, Cloud, CollectSettings, LogFormat, LogLevel, OidcSettings,
    PricingSettings, Rate, ScheduleSettings, Settings, StoreSettings, TelemetrySettings, TlsFiles,
    Trust,
};
pub use validate::is_unread_on_the_way;
