//! The log: events on standard error, for people on a terminal and as JSON elsewhere.
//!
//! Not here: what is logged.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};
use trimtab_config::{LogFormat, LogLevel};

/// Starts logging for the whole process. A second call changes nothing.
///
/// The libraries' own events are shown from `warn` on: what they tell of each call would hide our decisions.
pub fn init(format: LogFormat, level: LogLevel) {
    let filter = EnvFilter::new(directives(level));
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let on_terminal = io::stderr().is_terminal();
    // An earlier start, such as another test's in this process, stays in force.
    let _ = if is_human(format, on_terminal) {
        builder.with_ansi(on_terminal).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
}

fn is_human(format: LogFormat, on_terminal: bool) -> bool {
    match format {
        LogFormat::Auto => on_terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    }
}

/// Our own events from `level` on; at `trace` also everybody else's.
fn directives(level: LogLevel) -> String {
    match level {
        LogLevel::Trace => "trace".to_owned(),
        LogLevel::Error | LogLevel::Warn | LogLevel::Info | LogLevel::Debug => {
            let others = level.min(LogLevel::Warn);
            format!("{},trimtab={}", others.as_str(), level.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_and_the_form_follows_the_terminal() {
        assert_eq!(directives(LogLevel::Debug), "warn,trimtab=debug");
        assert_eq!(directives(LogLevel::Error), "error,trimtab=error");
        assert_eq!(directives(LogLevel::Trace), "trace");
        let forms = [
            (LogFormat::Auto, true),
            (LogFormat::Auto, false),
            (LogFormat::Human, false),
            (LogFormat::Json, true),
        ];
        assert_eq!(
            forms.map(|(format, terminal)| is_human(format, terminal)),
            [true, false, true, false]
        );
    }
}
