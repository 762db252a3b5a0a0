//! The command line: what a person or a script asks a running daemon, and what a configuration comes to.
//!
//! People get tables, `--json` gives the same facts. Not here: the daemon's own commands (`run`, `demo`, `once`,
//! `simulate`).

mod answer;
pub mod args;
mod audit;
pub mod backtest;
mod check;
mod client;
mod confirm;
mod connect;
pub mod daemon_commands;
mod exceptions;
pub mod generate;
pub mod out;
mod pinned;
mod replay;
mod report;
mod review;
mod show;
mod swarm;
mod tables;
mod token;

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};
use trimtab_models::resource::{Kind, Resource};
use trimtab_policies::ownership::patch;

pub use client::CliError;

use self::{
    answer::{Answer, Answering},
    args::{
        ChangesCommand, CircuitCommand, ClientCommand, Globals, ListArgs, ModeCommand,
        NotifyCommand, RecommendationsCommand, ReportFormat, Rows, Since,
    },
    client::Client,
    confirm::confirm,
    out::{note, print, print_error, print_json},
};
use crate::{
    api::{
        ChangesBody, CircuitView, ExplainView, InventoryBody, RecommendationsBody, ReportView,
        StatusView,
    },
    notify::TestBody,
    stop::StopSwitch,
    view::{ChangeView, PlanView, RecommendationView},
    words,
};

/// How the stop switch's file names whoever set it without the daemon.
const COMMAND_LINE: &str = "the command line";

/// How long `stop` waits for the daemon: the switch takes effect within five seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Runs a command that asks a daemon or a file.
pub async fn run_client(command: ClientCommand, globals: &Globals) -> ExitCode {
    match dispatch(command, globals).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints the plan of one cycle.
///
/// # Errors
/// When the output cannot be written.
pub fn print_plan(plan: &PlanView, json: bool) -> std::io::Result<()> {
    if json { print_json(plan) } else { print(&tables::plan(plan)) }
}

async fn dispatch(command: ClientCommand, globals: &Globals) -> Result<u8, CliError> {
    let json = globals.json;
    match command {
        ClientCommand::Check { file } => return check::run(&file, json),
        ClientCommand::Connect { command } => return connect::run(command, globals).await,
        ClientCommand::Audit { command } => return audit::run(command, globals),
        ClientCommand::Replay { id, state } => return replay::run(&id, state, globals),
        ClientCommand::Recommendations { command } => {
            recommendations(command, &Client::new(globals)?, json).await?
        }
        ClientCommand::Approve { picked, now, at, auto_undo, reason, yes } => {
            let body = json!({ "now": now, "at": at, "auto_undo": auto_undo, "reason": reason });
            let answering = Answering { answer: Answer::Approve, picked, body, yes };
            return answer::run(&Client::new(globals)?, &answering, json).await;
        }
        ClientCommand::Reject { picked, reason, until, for_tag, yes } => {
            let tag = for_tag.map(|(key, value)| json!({ "key": key, "value": value }));
            let body = json!({ "reason": reason, "until": until, "for_tag": tag });
            let answering = Answering { answer: Answer::Reject, picked, body, yes };
            return answer::run(&Client::new(globals)?, &answering, json).await;
        }
        ClientCommand::Exceptions { command } => {
            exceptions::run(command, &Client::new(globals)?, json).await?
        }
        ClientCommand::Changes { command } => {
            changes(command, &Client::new(globals)?, json).await?
        }
        ClientCommand::Inventory { search, kind, rows } => {
            let resources = inventory(&Client::new(globals)?, (search.as_deref(), kind)).await?;
            show_inventory(resources, search.is_some() || kind.is_some(), (&rows, json))?
        }
        ClientCommand::Mode { command: ModeCommand::Explain { arn } } => {
            let view: ExplainView =
                Client::new(globals)?.get(&["modes", "explain"], &[("arn", arn)]).await?;
            if json { print_json(&view)? } else { print(&tables::explain(&view))? }
        }
        ClientCommand::Circuit { command } => {
            circuit(command, &Client::new(globals)?, json).await?
        }
        ClientCommand::Stop { reason } => stop(&Client::new(globals)?, &reason, json).await?,
        ClientCommand::Resume { yes } => resume(&Client::new(globals)?, yes, json).await?,
        ClientCommand::Report { since, format } => {
            let format =
                format.unwrap_or(if json { ReportFormat::Json } else { ReportFormat::Text });
            show_report(&Client::new(globals)?, since, format).await?
        }
        ClientCommand::Token { command } => {
            token::run(command, &Client::new(globals)?, json).await?
        }
        ClientCommand::Status => {
            let view: StatusView = Client::new(globals)?.get(&["status"], &[]).await?;
            if json { print_json(&view)? } else { print(&tables::status(&view))? }
        }
        ClientCommand::Notify { command: NotifyCommand::Test { receiver } } => {
            return notify_test(&Client::new(globals)?, receiver, json).await;
        }
    }
    Ok(0)
}

/// What the last cycle saw, of a kind and with some words.
async fn inventory(
    client: &Client,
    (search, kind): (Option<&str>, Option<Kind>),
) -> Result<Vec<Resource>, CliError> {
    let split = |body: InventoryBody| (body.resources, body.next);
    let mut resources = client.get_pages(&["inventory"], &[], split).await?;
    let sought = search.unwrap_or_default().trim().to_lowercase();
    resources.retain(|one| {
        kind.is_none_or(|kind| kind == one.reference.kind) && words::mentions(one, &sought)
    });
    Ok(resources)
}

fn show_inventory(
    mut resources: Vec<Resource>,
    narrowed: bool,
    (rows, json): (&Rows, bool),
) -> std::io::Result<()> {
    if !json {
        return print(&tables::inventory(&resources, narrowed, rows.in_table()));
    }
    resources.truncate(rows.in_json());
    print_json(&InventoryBody { resources, next: None })
}

async fn show_report(client: &Client, since: Since, format: ReportFormat) -> Result<(), CliError> {
    let query = [match since {
        Since::Days(days) => ("since_days", days.to_string()),
        Since::At(at) => ("since", at.to_string()),
    }];
    let view: ReportView = client.get(&["report"], &query).await?;
    match format {
        ReportFormat::Text => print(&report::text(&view))?,
        ReportFormat::Md => print(&report::markdown(&view))?,
        ReportFormat::Html => print(&report::html(&view))?,
        ReportFormat::Json => print_json(&view)?,
    }
    Ok(())
}

async fn recommendations(
    command: Option<RecommendationsCommand>,
    client: &Client,
    json: bool,
) -> Result<(), CliError> {
    match command.unwrap_or(RecommendationsCommand::List(ListArgs::default())) {
        RecommendationsCommand::List(ListArgs { state, kind, account, action, filter, rows }) => {
            let query = [
                ("state", state),
                ("kind", kind.map(|kind| kind.to_string())),
                ("account", account),
                ("action", action.map(|action| action.to_string())),
                ("filter", filter),
            ];
            let query: Vec<_> =
                query.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let recommendations = client.recommendations(&query).await?;
            let mut body = RecommendationsBody { recommendations, next: None };
            if json {
                body.recommendations.truncate(rows.in_json());
                print_json(&body)?
            } else {
                let narrowed = !query.is_empty();
                print(&tables::recommendations(&body.recommendations, narrowed, rows.in_table()))?
            }
        }
        RecommendationsCommand::Show { id, patch: false } => {
            let view: RecommendationView = client.get(&["recommendations", &id], &[]).await?;
            if json { print_json(&view)? } else { print(&show::recommendation(&view))? }
        }
        RecommendationsCommand::Show { id, patch: true } => {
            let view: RecommendationView = client.get(&["recommendations", &id], &[]).await?;
            let recommendation = &view.entry.recommendation;
            let patches =
                ["cloudformation", "terraform"].map(|owner| (owner, patch(recommendation, owner)));
            if json {
                let patches: serde_json::Map<_, _> = patches
                    .into_iter()
                    .map(|(owner, lines)| (owner.to_owned(), json!(lines)))
                    .collect();
                print_json(
                    &json!({ "id": view.entry.id, "arn": recommendation.resource.arn, "patch": patches }),
                )?;
            } else {
                print(&show::patch(&view, &patches))?;
            }
        }
    }
    Ok(())
}

async fn changes(
    command: Option<ChangesCommand>,
    client: &Client,
    json: bool,
) -> Result<(), CliError> {
    match command.unwrap_or(ChangesCommand::List(Rows::default())) {
        ChangesCommand::List(rows) => {
            let split = |body: ChangesBody| (body.changes, body.next);
            let changes = client.get_pages(&["changes"], &[], split).await?;
            let mut body = ChangesBody { changes, next: None };
            if json {
                body.changes.truncate(rows.in_json());
                print_json(&body)?
            } else {
                print(&tables::changes(&body.changes, rows.in_table()))?
            }
        }
        ChangesCommand::Show { id } => {
            let view: ChangeView = client.get(&["changes", &id], &[]).await?;
            if json { print_json(&view)? } else { print(&show::change(&view))? }
        }
        ChangesCommand::Undo { id, yes } => {
            let view: ChangeView = client.get(&["changes", &id], &[]).await?;
            shown(&review::undo(&view), json)?;
            confirm("Take this change back?", yes)?;
            let view: ChangeView = client.post(&["changes", &id, "undo"], &Value::Null).await?;
            if json { print_json(&view)? } else { print(&show::change(&view))? }
        }
        ChangesCommand::Adopt { id } => {
            let view: ChangeView = client.post(&["changes", &id, "adopt"], &Value::Null).await?;
            if json { print_json(&view)? } else { print(&show::change(&view))? }
        }
    }
    Ok(())
}

async fn circuit(
    command: Option<CircuitCommand>,
    client: &Client,
    json: bool,
) -> Result<(), CliError> {
    let view: CircuitView = match command.unwrap_or(CircuitCommand::List) {
        CircuitCommand::List => client.get(&["circuit"], &[]).await?,
        CircuitCommand::Reset { scope } => {
            client.post(&["circuit", "reset"], &json!({ "scope": scope })).await?
        }
    };
    if json {
        print_json(&view)?
    } else {
        print(&tables::circuits(&view))?
    }
    Ok(())
}

/// Sends a test message; one that did not arrive is a failure.
async fn notify_test(
    client: &Client,
    receiver: Option<String>,
    json: bool,
) -> Result<u8, CliError> {
    let asked = json!({ "receiver": receiver });
    let body: TestBody = client.post(&["notify", "test"], &asked).await?;
    if json {
        print_json(&body)?;
    } else {
        print(&tables::notify_test(&body))?;
    }
    Ok(u8::from(body.receivers.iter().any(|one| one.error.is_some())))
}

/// Shows what a person is asked about; JSON is for whoever reads the output, and stays alone there.
fn shown(text: &str, json: bool) -> std::io::Result<()> {
    if json {
        note(text);
        return Ok(());
    }
    print(text)
}

async fn resume(client: &Client, yes: bool, json: bool) -> Result<(), CliError> {
    if !yes {
        let status: StatusView = client.get(&["status"], &[]).await?;
        let Some(reason) = &status.stopped else {
            shown("the stop switch is not set: there is nothing to release", json)?;
            return if json { Ok(print_json(&json!({ "stopped": null }))?) } else { Ok(()) };
        };
        shown(&review::resume(reason, &status), json)?;
    }
    confirm("Release the stop switch?", yes)?;
    let body: Value = client.post(&["resume"], &Value::Null).await?;
    if json {
        print_json(&body)?;
    } else {
        print("the stop switch is released: changes may begin again")?;
    }
    Ok(())
}

/// Sets the stop switch through the daemon; writes the file itself where the daemon is silent or will not.
///
/// The file is the switch: whoever may write it may stop, whatever became of the daemon or its token.
async fn stop(client: &Client, reason: &str, json: bool) -> Result<(), CliError> {
    let asked =
        client.post_within::<Value>(STOP_TIMEOUT, &["stop"], &json!({ "reason": reason })).await;
    let (through, text) = match (asked, client.state_dir()) {
        (Ok(_), _) => {
            ("daemon", "the stop switch is set: no change begins until `trimtab resume`".to_owned())
        }
        (Err(error), Some(state_dir)) => {
            print_error(&error);
            let switch = StopSwitch::of(state_dir);
            switch.set(COMMAND_LINE, reason)?;
            let text = format!(
                "the stop switch was written to `{}` without the daemon; it holds for the next start too",
                switch.path().display()
            );
            ("file", text)
        }
        (Err(error), None) => return Err(error),
    };
    if json {
        print_json(&json!({ "stopped": reason, "through": through }))?;
    } else {
        print(&text)?;
    }
    Ok(())
}
