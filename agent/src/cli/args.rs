//! The command line: every command with its arguments.
//!
//! Not here: what the commands do.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use trimtab_config::LogFormat;
use trimtab_models::{recommendation::Action, resource::Kind};
use trimtab_policies::{
    circuit::{Circuit, NoCircuit},
    mode::Mode,
};

use super::{backtest::args::BacktestCommand, connect::ConnectCommand, token::TokenCommand};

/// Where packages install the configuration.
const DEFAULT_CONFIG: &str = "/etc/trimtab/trimtab.toml";
/// The seed of the demo; the same account at each start.
const DEMO_SEED: u64 = 7;
/// The port of the API and the page.
const DEFAULT_PORT: u16 = 8470;
/// The demo's pace: an hour a second.
const DEMO_SPEED: f64 = 3_600.0;

/// Keeps AWS accounts trimmed: measures, recommends, and changes what it may.
#[derive(Debug, Parser)]
#[command(
    name = "trimtab",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad arguments or configuration, 3 refused by policy."
)]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, ClapArgs)]
pub struct Globals {
    /// The configuration; commands find the daemon and its token by it.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// A daemon's address, instead of the configuration's and without a token: the demo's.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub address: Option<SocketAddr>,
    /// JSON for machines instead of tables for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// The form of the log on standard error.
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub log: Option<LogChoice>,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogChoice {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal.
    Text,
    /// Markdown.
    Md,
    /// A page that needs nothing else.
    Html,
    /// For machines.
    Json,
}

impl From<LogChoice> for LogFormat {
    fn from(choice: LogChoice) -> Self {
        match choice {
            LogChoice::Auto => Self::Auto,
            LogChoice::Human => Self::Human,
            LogChoice::Json => Self::Json,
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon.
    Run,
    /// Run the whole daemon on a simulated account with time sped up.
    Demo(DemoArgs),
    /// Run one full cycle and print its plan; never changes anything.
    Once,
    /// Serve a simulated account in a process of its own, for a daemon whose `[cloud] socket` names it.
    Account(AccountArgs),
    /// Rehearse a scenario in virtual time.
    Simulate(SimulateArgs),
    /// Score models on recorded series, beside published rules.
    #[command(subcommand)]
    Backtest(BacktestCommand),
    /// What a running daemon or a file is asked.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Arguments of `demo`.
#[derive(Debug, Clone, ClapArgs)]
pub struct DemoArgs {
    /// The seed of the simulated account.
    #[arg(long, default_value_t = DEMO_SEED)]
    pub seed: u64,
    /// The port of the page; 0 takes a free one.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Simulated seconds in a real one, 1 to 604800.
    #[arg(long, default_value_t = DEMO_SPEED, value_parser = speed)]
    pub speed: f64,
}

/// Arguments of `account`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AccountArgs {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// The socket to serve at; nothing may be there yet.
    #[arg(long)]
    pub socket: PathBuf,
    /// The seed of the account.
    #[arg(long, default_value_t = DEMO_SEED)]
    pub seed: u64,
    /// Simulated seconds in a real one, 1 to 604800.
    #[arg(long, default_value_t = DEMO_SPEED, value_parser = speed)]
    pub speed: f64,
}

/// Arguments of `simulate`.
#[derive(Debug, Clone, ClapArgs)]
pub struct SimulateArgs {
    /// The scenario's file; a swarm draws fleets and settings of its own without one.
    #[arg(required_unless_present = "swarm")]
    pub scenario: Option<PathBuf>,
    /// Run so many short rehearsals from the seed on, each with faults drawn from its own seed.
    #[arg(long, value_name = "SEEDS", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "mode")]
    pub swarm: Option<u64>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Days to simulate, instead of the scenario's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: Option<u32>,
    /// The default mode, instead of the scenario's.
    #[arg(long, value_parser = mode)]
    pub mode: Option<Mode>,
}

/// The commands that ask a running daemon, `check`, `audit` and `replay`, which ask files, and `connect`, which asks nobody.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientCommand {
    /// Validate a configuration; show accounts, effective modes and limits.
    Check {
        /// The configuration.
        file: PathBuf,
    },
    /// The audit log: the journal's files, without a daemon.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// The IAM side of an account: policies to give to its owner.
    Connect {
        /// What to print.
        #[command(subcommand)]
        command: ConnectCommand,
    },
    /// Make a recorded decision again, from its record alone, and compare it bit for bit.
    Replay {
        /// A recommendation's id, a change's id, or the first digits of a record's digest.
        id: String,
        /// The state folder, instead of the configuration's: a copy or a backup will do.
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// What should change, and why.
    #[command(visible_alias = "recs")]
    Recommendations {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<RecommendationsCommand>,
    },
    /// Let recommendations be carried out.
    Approve {
        /// Ids of recommendations.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Do not wait for a quiet time.
        #[arg(long)]
        now: bool,
        /// Begin at this date (midnight UTC) or time, which must lie in a window, instead of a quiet time.
        #[arg(long, value_parser = date_or_time, value_name = "TIME", conflicts_with = "now")]
        at: Option<Timestamp>,
        /// Take it back without asking again, should it turn out badly.
        #[arg(long)]
        auto_undo: bool,
        /// Why, for the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say no to recommendations.
    Reject {
        /// Ids of recommendations.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why, for the record.
        #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// Recommend nothing like it before this date (midnight UTC) or time.
        #[arg(long, value_parser = date_or_time, value_name = "DATE")]
        until: Option<Timestamp>,
    },
    /// What is being and was changed.
    Changes {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<ChangesCommand>,
    },
    /// Every resource that the last cycle saw.
    Inventory,
    /// Modes: who may do what.
    Mode {
        /// What to do.
        #[command(subcommand)]
        command: ModeCommand,
    },
    /// Circuits: where too much went wrong, and less is done by itself since.
    Circuit {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<CircuitCommand>,
    },
    /// Set the stop switch: no change begins until `resume`.
    Stop {
        /// Why, for whoever finds it set.
        #[arg(long, default_value = "no reason given")]
        reason: String,
    },
    /// Release the stop switch.
    Resume,
    /// What was found and done in a time.
    Report {
        /// How far to look back, such as 30d.
        #[arg(long, default_value = "30d", value_parser = days, value_name = "DAYS")]
        since: u32,
        /// The form: text for a terminal by default.
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
    },
    /// Tokens of people: who comes in as what.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// What the daemon is doing.
    Status,
}

/// What to do with recommendations.
#[derive(Debug, Clone, Subcommand)]
pub enum RecommendationsCommand {
    /// All of them, open ones first.
    List(ListArgs),
    /// One of them, with everything it rests on.
    Show {
        /// Its id.
        id: String,
        /// Only the patch for whoever owns the resource: property, old and new value.
        #[arg(long)]
        patch: bool,
    },
}

/// What `recommendations list` shows.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct ListArgs {
    /// Only this state, such as awaiting_approval.
    #[arg(long)]
    pub state: Option<String>,
    /// Only this kind of resource.
    #[arg(long, value_parser = kind)]
    pub kind: Option<Kind>,
    /// Only this account, by id.
    #[arg(long)]
    pub account: Option<String>,
    /// Only this action.
    #[arg(long, value_parser = action)]
    pub action: Option<Action>,
}

/// What to do with changes.
#[derive(Debug, Clone, Subcommand)]
pub enum ChangesCommand {
    /// All of them, newest first.
    List,
    /// One of them, with its steps.
    Show {
        /// Its id.
        id: String,
    },
    /// Take one back.
    Undo {
        /// Its id.
        id: String,
    },
    /// Bring back the machine of a change whose agent is lost, by the mark that it carries.
    Adopt {
        /// The change's id, as the tag `trimtab:change` names it after the slash.
        id: String,
    },
}

/// What to do with modes.
#[derive(Debug, Clone, Subcommand)]
pub enum ModeCommand {
    /// Which rule decides the mode of a resource.
    Explain {
        /// The resource's ARN.
        arn: String,
    },
}

/// What to do with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Walk the chain of hashes; name the first record that is not what was written.
    Verify {
        /// The journal's folder, instead of that of the configuration's state folder.
        #[arg(long, value_name = "DIR")]
        journal: Option<PathBuf>,
        /// A head that was noted earlier: it must be one of the records.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Write every record as a line of JSON.
    Export {
        /// The journal's folder, instead of that of the configuration's state folder.
        #[arg(long, value_name = "DIR")]
        journal: Option<PathBuf>,
    },
}

/// What to do with circuits.
#[derive(Debug, Clone, Subcommand)]
pub enum CircuitCommand {
    /// The open ones.
    List,
    /// Close one, after looking at what went wrong.
    Reset {
        /// `overall` or ACCOUNT/REGION/ACTION, as listed.
        #[arg(value_parser = circuit)]
        scope: Circuit,
    },
}

fn circuit(text: &str) -> Result<Circuit, String> {
    text.parse().map_err(|error: NoCircuit| error.to_string())
}

fn one_of<T: Copy>(text: &str, all: &[T], name: fn(&T) -> String) -> Result<T, String> {
    let found = all.iter().find(|one| name(one) == text).copied();
    found.ok_or_else(|| {
        format!("not one of {}", all.iter().map(name).collect::<Vec<_>>().join(", "))
    })
}

fn mode(text: &str) -> Result<Mode, String> {
    one_of(text, &[Mode::Datapilot, Mode::Copilot, Mode::Autopilot], Mode::to_string)
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    one_of(text, &Kind::ALL, Kind::to_string)
}

fn action(text: &str) -> Result<Action, String> {
    one_of(text, &Action::ALL, Action::to_string)
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (1.0..=604_800.0).contains(speed));
    speed.ok_or_else(|| "not a number from 1 to 604800".to_owned())
}

fn days(text: &str) -> Result<u32, String> {
    let days = text
        .strip_suffix('d')
        .unwrap_or(text)
        .parse::<u32>()
        .ok()
        .filter(|days| (1..=3_650).contains(days));
    days.ok_or_else(|| "not a number of days from 1d to 3650d".to_owned())
}

fn date_or_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let midnight = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    midnight.map(|midnight| midnight.timestamp()).ok_or_else(|| {
        "neither a date such as 2027-01-31 nor a time such as 2027-01-31T12:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_in_words() {
        assert_eq!([days("30d"), days("7")], [Ok(30), Ok(7)]);
        assert!(days("0d").is_err() && days("30h").is_err());
        let midnight = "2027-01-31T00:00:00Z".parse().expect("a time");
        assert_eq!(date_or_time("2027-01-31"), Ok(midnight));
        assert!(date_or_time("tomorrow").is_err());
        assert!(mode("auto").is_err() && speed("0.5").is_err() && speed("nan").is_err());
    }
}
