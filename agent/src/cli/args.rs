//! The command line: every command with its arguments.
//!
//! Not here: what the commands do.

mod daemon;
mod values;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use trimtab_config::LogFormat;
use trimtab_models::{recommendation::Action, resource::Kind};
use trimtab_policies::circuit::Circuit;

pub use self::daemon::{AccountArgs, DemoArgs, SimulateArgs};
pub use self::values::Since;
pub(super) use self::values::{action, date_or_time, kind, reason, tag};
use self::values::{circuit, filter, since};
use super::{
    backtest::args::BacktestCommand, connect::ConnectCommand, exceptions::ExceptionsCommand,
    token::TokenCommand,
};

/// Examples of `approve`.
const APPROVE_EXAMPLES: &str = "Examples:
  trimtab approve 3f2a9c01b7de --reason 'seen with the team'
  trimtab approve 3f2a9c01b7de --at 2027-01-31T02:00:00Z --auto-undo
  trimtab approve --filter 'kind=ebs-volume account=prod saving>=10 risk<=0.1'

What will happen is shown, and asked for; --yes answers for a script. Each
approval is bound to what was shown: what has changed meanwhile is refused.
Exit codes: 3 where any was refused by policy, 1 where any failed.";
/// Examples of `reject`.
const REJECT_EXAMPLES: &str = "Examples:
  trimtab reject 3f2a9c01b7de --reason 'launch next week' --until 2027-02-08
  trimtab reject --filter 'tag.team=data' --reason 'they are moving away' --yes";
/// Examples of `recommendations`.
const RECOMMENDATIONS_EXAMPLES: &str = "Examples:
  trimtab recommendations list --state awaiting_approval
  trimtab recommendations list --filter 'saving>=100 risk<=5% tag.team=web'
  trimtab recommendations show 3f2a9c01b7de
  trimtab recommendations show 3f2a9c01b7de --patch";
/// Examples of `changes`.
const CHANGES_EXAMPLES: &str = "Examples:
  trimtab changes
  trimtab changes show chg-3f2a9c01b7de
  trimtab changes undo chg-3f2a9c01b7de";
/// Examples of `report`.
const REPORT_EXAMPLES: &str = "Examples:
  trimtab report --since 2w
  trimtab report --since 2027-01-01 --format html > january.html
  trimtab report --json | jq .saving";
/// Where packages install the configuration.
const DEFAULT_CONFIG: &str = "/etc/trimtab/trimtab.toml";
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
    /// A daemon's address, instead of the configuration's; the demo's needs no token.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub address: Option<SocketAddr>,
    /// The file with your token, instead of the operator's; TRIMTAB_TOKEN_FILE names it too.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// JSON for machines instead of tables for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour in tables; `auto` is on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// The form of the log on standard error.
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub log: Option<LogChoice>,
}

/// When the output is in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
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
    /// Print completions for a shell.
    #[command(
        after_help = "Example, for bash:\n  trimtab completions bash > /etc/bash_completion.d/trimtab"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print a manual page, or write those of all commands.
    #[command(
        after_help = "Examples:\n  trimtab man approve | man -l -\n  trimtab man --dir /usr/local/share/man/man1"
    )]
    Man {
        /// The command; the program itself by default.
        #[arg(value_name = "COMMAND", conflicts_with = "dir")]
        path: Vec<String>,
        /// Write the pages of all commands into this folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// What a running daemon or a file is asked.
    #[command(flatten)]
    Client(ClientCommand),
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
    #[command(visible_alias = "recs", after_help = RECOMMENDATIONS_EXAMPLES)]
    Recommendations {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<RecommendationsCommand>,
    },
    /// Let recommendations be carried out.
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve {
        /// Which.
        #[command(flatten)]
        picked: Picked,
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
        #[arg(long, value_parser = reason)]
        reason: Option<String>,
        /// Do not ask: for scripts.
        #[arg(long, short)]
        yes: bool,
    },
    /// Say no to recommendations.
    #[command(after_help = REJECT_EXAMPLES)]
    Reject {
        /// Which.
        #[command(flatten)]
        picked: Picked,
        /// Why, for the record.
        #[arg(long, value_parser = reason)]
        reason: String,
        /// Recommend nothing for it by the same action before this date (midnight UTC) or time, at most a year away; without
        /// it this size is not proposed for as long as the settings say.
        #[arg(long, value_parser = date_or_time, value_name = "DATE")]
        until: Option<Timestamp>,
        /// Do not ask, where a filter says which: for scripts.
        #[arg(long, short)]
        yes: bool,
        /// Nor for anything else with this tag, which it must carry.
        #[arg(long, value_parser = tag, value_name = "KEY=VALUE")]
        for_tag: Option<(String, String)>,
    },
    /// What is left alone until when, and which of it is due for review.
    Exceptions {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<ExceptionsCommand>,
    },
    /// What is being and was changed.
    #[command(after_help = CHANGES_EXAMPLES)]
    Changes {
        /// What to do; `list` by default.
        #[command(subcommand)]
        command: Option<ChangesCommand>,
    },
    /// Every resource that the last cycle saw.
    Inventory {
        /// Only what has this in its ARN, tags or configuration.
        #[arg(value_name = "TEXT")]
        search: Option<String>,
        /// Only this kind of resource.
        #[arg(long, value_parser = kind)]
        kind: Option<Kind>,
        /// How many.
        #[command(flatten)]
        rows: Rows,
    },
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
    Resume {
        /// Do not ask: for scripts.
        #[arg(long, short)]
        yes: bool,
    },
    /// What was found, done, saved, withheld and decided in a time.
    #[command(after_help = REPORT_EXAMPLES)]
    Report {
        /// How far to look back: 30d, 2w, or a date.
        #[arg(long, default_value = "30d", value_parser = since, value_name = "TIME")]
        since: Since,
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
    /// Who is told of state changes.
    Notify {
        /// What to do.
        #[command(subcommand)]
        command: NotifyCommand,
    },
}

/// What to do with notifications.
#[derive(Debug, Clone, Subcommand)]
pub enum NotifyCommand {
    /// Send a test message, and say whether it arrived.
    Test {
        /// The name of a receiver, instead of all.
        receiver: Option<String>,
    },
}

/// Which recommendations are meant: these, or all that a filter takes.
#[derive(Debug, Clone, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct Picked {
    /// Ids of recommendations.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All that this takes, such as 'kind=ebs-volume saving>=10 tag.team=web'.
    ///
    /// Keys: state, account (name or id), region, kind, action, mode, tag.KEY, tag, q (a search), saving (dollars a month)
    /// and risk (0 to 1, or with %); the last two also take >= <= > <. Everything given must hold. An empty filter is
    /// refused; one that takes nothing does nothing, with exit code 0.
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub filter: Option<String>,
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
    /// Only what this takes; see `trimtab approve --help` for its keys.
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub filter: Option<String>,
    /// How many.
    #[command(flatten)]
    pub rows: Rows,
}

/// How many rows a list shows.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct Rows {
    /// At most so many; a table shows 50, JSON everything.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

impl Rows {
    /// Rows of a table: a screen or two, so that a long list does not run away.
    const IN_TABLE: usize = 50;

    /// How many rows a table shows.
    #[must_use]
    pub fn in_table(self) -> usize {
        self.limit.map_or(Self::IN_TABLE, |limit| limit as usize)
    }

    /// How many JSON holds.
    #[must_use]
    pub fn in_json(self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit as usize)
    }
}

/// What to do with changes.
#[derive(Debug, Clone, Subcommand)]
pub enum ChangesCommand {
    /// All of them, newest first.
    List(Rows),
    /// One of them, with its steps.
    Show {
        /// Its id.
        id: String,
    },
    /// Take one back.
    Undo {
        /// Its id.
        id: String,
        /// Do not ask: for scripts.
        #[arg(long, short)]
        yes: bool,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Args::command().debug_assert();
    }
}
