//! The validated settings: what the program runs by.
//!
//! They come only out of validation ([`crate::load`], [`crate::parse`], [`crate::from_scenario`]). Not here: how they
//! are written, and what is wrong with them.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use trimtab_models::sizing::settings::SizingSettings;
use trimtab_policies::{authority::Approvers, mode::Mode, settings::Policy};

use crate::notify::NotifySettings;

/// Everything that a configuration decides. A value of this type has passed validation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The daemon itself.
    pub agent: AgentSettings,
    /// The accounts, in the file's order. Empty only for a simulated account, whose scenario names them.
    pub accounts: Vec<Account>,
    /// Where resources live.
    pub cloud: Cloud,
    /// When cycles run.
    pub schedule: ScheduleSettings,
    /// Which metrics are read, and how fast.
    pub collect: CollectSettings,
    /// How much room a size must leave.
    pub sizing: SizingSettings,
    /// What things cost.
    pub pricing: PricingSettings,
    /// What the gate needs to know.
    pub policy: Policy,
    /// The people who may decide and run things, by name. Empty: whoever holds the local token.
    pub approvers: Approvers,
    /// The API and the page.
    pub api: ApiSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
    /// What is kept on disk.
    pub store: StoreSettings,
    /// Who is told of what.
    pub notify: NotifySettings,
}

impl Settings {
    /// The same settings with the accounts of a simulation allowed every mode: nothing real can be written there.
    ///
    /// An account that the file lists keeps the ceiling that its roles give it, so that a file can be rehearsed.
    #[must_use]
    pub fn with_simulated_accounts(mut self, ids: &[String]) -> Self {
        for id in ids {
            self.policy.modes.ceilings.entry(id.clone()).or_insert(Mode::Autopilot);
        }
        self
    }

    /// Whether anything may ever be written: whether some rule, or the default, goes beyond datapilot in an account that
    /// allows it.
    #[must_use]
    pub fn may_write(&self) -> bool {
        let modes = &self.policy.modes;
        let asked = std::iter::once(modes.default)
            .chain(modes.rules.iter().map(|rule| rule.mode))
            .any(|mode| mode > Mode::Datapilot);
        asked && modes.ceilings.values().any(|ceiling| *ceiling > Mode::Datapilot)
    }

    /// The account with this id, if the file lists it.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }
}

/// The daemon itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    /// Where everything that must survive a restart lives; absolute.
    pub state_dir: PathBuf,
    /// Address and port of the API and the page; loopback alone unless there is TLS.
    pub listen: SocketAddr,
}

/// One AWS account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name in reports; unique.
    pub name: String,
    /// Its 12-digit id; unique.
    pub id: String,
    /// The role that reads; `None` means the daemon's own credentials.
    pub role_arn: Option<String>,
    /// The role that writes.
    pub apply_role_arn: Option<String>,
    /// The external id to send with every role.
    pub external_id: Option<String>,
    /// Why the roles trust the daemon.
    pub trust: Trust,
    /// The regions that are looked at; never empty.
    pub regions: Vec<String>,
}

impl Account {
    /// The highest mode that the account's credentials allow: datapilot where a role only reads.
    #[must_use]
    pub const fn ceiling(&self) -> Mode {
        if self.role_arn.is_some() && self.apply_role_arn.is_none() {
            Mode::Datapilot
        } else {
            Mode::Autopilot
        }
    }
}

/// Why an account's roles trust the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// They demand an external id, so that nobody can make the daemon act for a stranger.
    ExternalId,
    /// They demand that the caller belongs to the same AWS organization.
    Organization,
}

/// Where resources live.
#[derive(Debug, Clone, PartialEq)]
pub enum Cloud {
    /// AWS.
    Aws {
        /// An emulator's address instead of AWS's own endpoints.
        endpoint_url: Option<String>,
    },
    /// A simulated account.
    Simulated {
        /// The scenario file; relative paths are taken from the configuration's folder.
        scenario: PathBuf,
        /// The seed of everything random in it.
        seed: u64,
        /// Simulated seconds in a real second.
        time_factor: f64,
    },
    /// A simulated account that another process serves, so that it outlives this one: for rehearsals of crashes.
    Served {
        /// Its Unix socket; relative paths are taken from the configuration's folder.
        socket: PathBuf,
    },
}

/// When cycles run.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSettings {
    /// Six cron fields, seconds first, in UTC.
    pub cycle: String,
    pub(crate) cron: Cron,
}

impl ScheduleSettings {
    /// When the next cycle begins, strictly after `after`; `None` beyond the calendar's end.
    #[must_use]
    pub fn next_cycle(&self, after: Timestamp) -> Option<Timestamp> {
        let civil = TimeZone::UTC.to_datetime(after);
        let next = self.cron.find_next_occurrence(&civil, false).ok()?;
        TimeZone::UTC.to_timestamp(next).ok()
    }
}

/// Which metrics are read, and how fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollectSettings {
    /// Days of metrics that are looked at.
    pub lookback_days: u32,
    /// The period of the metrics, seconds.
    pub step_s: u32,
    /// The longest time between two cycles of the schedule, seconds; derived from it.
    pub interval_s: u32,
    /// The share of an AWS API's documented rate that is used at most, 0–1.
    pub max_rate_ratio: f64,
}

/// What things cost.
#[derive(Debug, Clone, PartialEq)]
pub struct PricingSettings {
    /// A price file instead of the embedded catalogue; relative paths are taken from the configuration's folder.
    pub file: Option<PathBuf>,
    /// What commitments take off the list price, 0–1.
    pub discount_ratio: f64,
}

/// The API and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Where the local token is kept.
    pub token_file: PathBuf,
    /// Certificate and key of the listener; `None` serves HTTP, on loopback alone.
    pub tls: Option<TlsFiles>,
    /// Who else knows people.
    pub oidc: Option<OidcSettings>,
    /// How often one caller may read.
    pub requests: Rate,
    /// How often one caller may change something.
    pub writes: Rate,
    /// How often one address may try to sign in.
    pub logins: Rate,
}

/// An identity provider, and which of its people are whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// What the provider calls this client.
    pub client_id: String,
    /// Where the client's secret is kept.
    pub client_secret_file: PathBuf,
    /// Where the provider sends people back to.
    pub redirect_url: String,
    /// Names of people by what the provider calls them.
    pub subjects: BTreeMap<String, String>,
    /// Names of people by their address in lower case, where the provider has verified it.
    pub emails: BTreeMap<String, String>,
}

/// Certificate and key of the listener, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How often something may be asked: so many at once, and one more after each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one more is allowed; above zero.
    pub period: Duration,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

/// Logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Their form.
    pub log: LogFormat,
    /// The least important lines that are logged.
    pub level: LogLevel,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// Decisions and their reasons.
    Info,
    /// What led to them.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word used in the file and in log filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Days for which points are kept; at least the look-back.
    pub retention_days: u32,
    /// Free space below which nothing more is written, bytes.
    pub min_free_bytes: u64,
    /// The store's cache, bytes.
    pub cache_bytes: u64,
}
