//! Exceptions on the command line: listed, made, renewed and ended through the daemon.
//!
//! Not here: what an exception withholds (`trimtab_policies::exception`).

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_models::recommendation::Action;

use super::{
    args::{action, date_or_time, reason, tag},
    client::{CliError, Client},
    out::{print, print_json},
    tables::table,
};
use crate::{api::ExceptionsBody, except::ExceptionView, words};

/// What to do with exceptions.
#[derive(Debug, Clone, Subcommand)]
pub enum ExceptionsCommand {
    /// All of them, those due for review first.
    List,
    /// Leave a resource, or everything with a tag, alone for a time.
    Add(AddArgs),
    /// Let one hold on.
    Renew {
        /// Its id.
        id: String,
        /// Until this date (midnight UTC) or time; without it as long as the settings say.
        #[arg(long, value_parser = date_or_time, value_name = "DATE")]
        until: Option<Timestamp>,
    },
    /// End one, or let one go that has ended by itself.
    End {
        /// Its id.
        id: String,
    },
}

/// A new exception.
#[derive(Debug, Clone, Args)]
#[group(id = "about", required = true, multiple = false, args = ["arn", "tag"])]
pub struct AddArgs {
    /// The resource.
    #[arg(long)]
    pub arn: Option<String>,
    /// Every resource that carries this tag.
    #[arg(long, value_parser = tag, value_name = "KEY=VALUE")]
    pub tag: Option<(String, String)>,
    /// Only this action; every action without it.
    #[arg(long, value_parser = action)]
    pub action: Option<Action>,
    /// Until this date (midnight UTC) or time, at most a year away; without it as long as the settings say.
    #[arg(long, value_parser = date_or_time, value_name = "DATE")]
    pub until: Option<Timestamp>,
    /// Why, for whoever finds it.
    #[arg(long, value_parser = reason)]
    pub reason: String,
}

/// Runs a command.
pub(super) async fn run(
    command: Option<ExceptionsCommand>,
    client: &Client,
    as_json: bool,
) -> Result<(), CliError> {
    let view: ExceptionView = match command.unwrap_or(ExceptionsCommand::List) {
        ExceptionsCommand::List => {
            let body: ExceptionsBody = client.get(&["exceptions"], &[]).await?;
            if as_json {
                print_json(&body)?
            } else {
                print(&listed(&body.exceptions))?
            }
            return Ok(());
        }
        ExceptionsCommand::Add(AddArgs { arn, tag, action, until, reason }) => {
            let mut body = json!({ "action": action, "until": until, "reason": reason });
            if let Some(arn) = arn {
                body["arn"] = json!(arn);
            }
            if let Some((key, value)) = tag {
                (body["tag_key"], body["tag_value"]) = (json!(key), json!(value));
            }
            client.post(&["exceptions"], &body).await?
        }
        ExceptionsCommand::Renew { id, until } => {
            client.post(&["exceptions", &id, "renew"], &json!({ "until": until })).await?
        }
        ExceptionsCommand::End { id } => {
            client.post(&["exceptions", &id, "end"], &Value::Null).await?
        }
    };
    if as_json {
        print_json(&view)?
    } else {
        print(&listed(&[view]))?
    }
    Ok(())
}

fn listed(views: &[ExceptionView]) -> String {
    if views.is_empty() {
        return "nothing is excepted".to_owned();
    }
    let mut table =
        table(&["Exception", "Left alone", "Until", "State", "Withholds", "By", "Reason"]);
    for view in views {
        table.add_row([
            view.exception.id.clone(),
            view.words.clone(),
            words::time(view.exception.until),
            state(view),
            view.withholds.to_string(),
            view.exception.by.clone(),
            view.exception.reason.clone(),
        ]);
    }
    table.to_string()
}

fn state(view: &ExceptionView) -> String {
    match (&view.exception.ended, view.is_in_force, view.is_due) {
        (Some(ended), _, _) => format!("ended by {}", ended.by),
        (None, true, true) => "in force, due for review".to_owned(),
        (None, true, false) => "in force".to_owned(),
        (None, false, true) => "has ended, due for review".to_owned(),
        (None, false, false) => "has ended".to_owned(),
    }
}
