//! The command line as a person meets it: the real binary, its exit codes and what it says.
//!
//! Not here: what the API does with a request (`api.rs`).

mod door;

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use door::{Door, runtime};
use serde_json::Value;
use trimtab::{journal::Journal, stop::StopSwitch};

/// What a command came to.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn trimtab(args: &[&str]) -> Said {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_trimtab")).args(args).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    Said { code: status.code().expect("it is not killed"), out: text(stdout), err: text(stderr) }
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

/// A configuration whose daemon would listen at `address`.
fn config(state_dir: &Path, address: &str) -> String {
    let text = format!(
        "[agent]\nstate_dir = \"{}\"\nlisten = \"{address}\"\n\n[cloud]\nprovider = \"simulated\"\nscenario = \"any.toml\"\n",
        state_dir.display()
    );
    let path = state_dir.join("trimtab.toml");
    std::fs::write(&path, text).expect("the folder takes a file");
    path.display().to_string()
}

/// An address at which nobody listens: it was free a moment ago.
fn silent_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

#[test]
fn bad_arguments_are_told_with_code_2() {
    let long = "x".repeat(2_001);
    for (args, told) in [
        (&["approve"][..], "ID"),
        (&["approve", "--filter", " "], "empty filter"),
        (&["reject", "--filter", "", "--reason", "x"], "empty filter"),
        (&["approve", "abc", "--filter", "kind=ebs-volume"], "--filter"),
        (&["--color", "red", "status"], "never"),
        (&["reject", "abc"], "--reason"),
        (&["reject", "abc", "--reason", " "], "say why"),
        (&["approve", "abc", "--reason", &long], "2001 characters, more than 2000"),
        (&["exceptions", "add", "--arn", "a", "--reason", &long], "2001 characters"),
        (&["reject", "abc", "--reason", "x", "--until", "soon"], "soon"),
        (&["report", "--since", "yesterday"], "yesterday"),
        (&["recommendations", "list", "--action", "explode"], "resize-instance"),
        (&["simulate", "x.toml", "--mode", "auto"], "autopilot"),
        (&["fly"], "fly"),
        (&["--address", "nowhere", "status"], "nowhere"),
    ] {
        let said = trimtab(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(said.err.contains(told) && said.out.is_empty(), "{args:?}: {}", said.err);
    }
    assert_eq!(trimtab(&["--help"]).code, 0);
}

#[test]
fn check_tells_what_a_file_comes_to() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples/organization.toml");
    let said = trimtab(&["check", example]);
    assert_eq!(said.code, 0, "{}", said.err);
    for word in ["is valid", "production", "datapilot", "resize-instance", "limits.cooldown_days"] {
        assert!(said.out.contains(word), "{word} is missing in\n{}", said.out);
    }
    let widest =
        said.out.lines().filter(|line| !line.contains(": ")).map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?} columns");
    let view = json(&trimtab(&["check", example, "--json"]));
    assert_eq!(view["valid"], true);
    assert!(view["accounts"].as_array().is_some_and(|accounts| !accounts.is_empty()), "{view}");
}

#[test]
fn check_tells_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, "[modes]\ndefault = \"pilot\"\ncolour = 1\n").expect("written");
    let path = path.display().to_string();
    let said = trimtab(&["check", &path]);
    assert_eq!(said.code, 2);
    assert!(
        said.out.is_empty() && said.err.contains("bad.toml:3") && said.err.contains("colour"),
        "{}",
        said.err
    );
    let said = trimtab(&["check", &path, "--json"]);
    assert_eq!((said.code, &json(&said)["valid"]), (2, &Value::Bool(false)));
    let said = trimtab(&["check", "/nonexistent/trimtab.toml"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("/nonexistent/trimtab.toml"), "{}", said.err);
}

#[test]
fn a_daemon_that_does_not_answer_is_told_with_code_1() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = silent_address();
    let config = config(folder.path(), &address);
    for args in [
        &["recommendations"][..],
        &["approve", "abc"],
        &["changes", "list"],
        &["resume"],
        &["report"],
    ] {
        let said = trimtab(&[&["--config", &config], args].concat());
        assert_eq!(said.code, 1, "{args:?}: {}", said.err);
        assert!(
            said.err.contains(&address) && said.err.contains("trimtab run --config"),
            "{}",
            said.err
        );
    }
    let said = trimtab(&["--config", "/nonexistent/trimtab.toml", "recommendations"]);
    assert_eq!(said.code, 2, "{}", said.err);
}

#[test]
fn stop_works_without_the_daemon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config(folder.path(), &silent_address());
    let said = trimtab(&["--config", &config, "stop", "--reason", "fire"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let reason = StopSwitch::of(folder.path()).reason();
    assert_eq!(reason.as_deref(), Some("stopped by the command line: fire"));
    assert!(said.out.contains("STOP"), "{}", said.out);
}

#[test]
fn stop_does_not_wait_for_a_daemon_that_hangs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("operator.token"), "tt_".to_owned() + &"0".repeat(64))
        .expect("written");
    // Connections are taken by the system, and nobody ever answers.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let config = config(folder.path(), &mute.local_addr().expect("it is bound").to_string());
    let said = trimtab(&["--config", &config, "stop", "--reason", "hung", "--json"]);
    assert_eq!(json(&said)["through"], "file", "{}", said.err);
    assert!(StopSwitch::of(folder.path()).reason().is_some());
}

#[test]
fn commands_reach_a_running_daemon() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let ask = |args: &[&str]| trimtab(&[&["--config", config.as_str()], args].concat());

    let all = json(&ask(&["recommendations", "list", "--state", "awaiting_approval", "--json"]));
    let first =
        all["recommendations"][0]["id"].as_str().expect("one awaits an approval").to_owned();
    for (args, told) in [
        (&["recommendations"][..], first.as_str()),
        (&["recommendations", "show", &first], "Digest"),
        (&["recommendations", "show", &first, "--patch"], "cloudformation"),
        (&["inventory"], "ec2-instance"),
        (&["recommendations", "list", "--limit", "1"], "the first 1 of"),
        (&["recommendations", "list", "--filter", "kind=ebs-volume"], "open ones would save"),
        (&["recommendations", "list", "--filter", "q=nowhere"], "No recommendation matches"),
        (&["inventory", "web", "--kind", "ec2-instance"], "resources"),
        (&["inventory", "nowhere"], "No resource matches"),
        (&["changes"], "trimtab recommendations list --state awaiting_approval"),
        (&["circuit"], "no circuit is open"),
        (&["report", "--since", "7d"], "Open recommendations"),
        (&["status"], "copilot by default"),
    ] {
        let said = ask(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        assert!(said.out.contains(told), "{args:?}: {}", said.out);
        assert!(!said.out.contains('\u{1b}'), "no colour where nobody sees it: {}", said.out);
    }
    let arn = all["recommendations"][0]["resource"]["arn"].as_str().expect("an ARN");
    assert!(ask(&["mode", "explain", arn]).out.contains("the default is copilot"));

    let approved = ask(&["approve", &first, "--reason", "looked at it", "--yes"]);
    assert_eq!(approved.code, 0, "{}", approved.err);
    assert!(approved.out.contains("approved by operator"), "{}", approved.out);
    let (shown, _) = approved.out.split_once("approved by operator").expect("it was approved");
    for fact in [&first, "What will happen", "undo:", "risk:"] {
        assert!(shown.contains(fact), "{fact} was not shown before: {shown}");
    }
    let rejected = ask(&["reject", &first, "--reason", "second thoughts", "--json"]);
    assert_eq!(json(&rejected)["recommendations"][0]["state"], "rejected");
    let refused = ask(&["approve", &first, "--yes"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("already rejected"), "{}", refused.err);
    assert_eq!(ask(&["approve", "nothing", "--yes"]).code, 1);
    let closed = ask(&["circuit", "reset", "overall"]);
    assert_eq!(closed.code, 1);
    assert!(closed.err.contains("no open circuit `overall`"), "{}", closed.err);
    assert_eq!(ask(&["circuit", "reset", "everything"]).code, 2);
    assert_eq!(ask(&["recommendations", "list", "--state", "open"]).code, 2);
    assert_eq!(
        ask(&["changes", "undo", "../stop", "--yes"]).code,
        1,
        "an id is an id, whatever is in it"
    );
    assert!(door.agent.stopped().is_none());

    assert_eq!(ask(&["stop", "--reason", "test"]).code, 0);
    assert_eq!(door.agent.stopped().as_deref(), Some("stopped by operator: test"));
    let unasked = ask(&["resume"]);
    assert_eq!((unasked.code, door.agent.stopped().is_some()), (2, true), "{}", unasked.err);
    assert!(
        unasked.out.contains("The stop switch is set: stopped by operator: test"),
        "{}",
        unasked.out
    );
    assert_eq!(ask(&["resume", "--yes"]).code, 0);
    assert!(door.agent.stopped().is_none());
    std::fs::remove_file(door.state.path().join("operator.token")).expect("it was there");
    let blind = ask(&["status"]);
    assert_eq!(blind.code, 1);
    assert!(blind.err.contains("operator.token"), "{}", blind.err);
}

#[test]
fn what_strangers_wrote_does_nothing_to_a_terminal() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let ask = |args: &[&str]| trimtab(&[&["--config", config.as_str()], args].concat());
    let (first, _) = runtime().block_on(door.in_state("awaiting_approval"))[0].clone();
    let reason = "seen\u{1b}[8m\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}1A";
    assert_eq!(ask(&["reject", &first, "--reason", reason]).code, 0);
    let stop = ask(&["stop", "--reason", reason]);
    let asked: [&[&str]; 7] = [
        &["recommendations", "show", &first],
        &["exceptions"],
        &["status"],
        &["status", "--json"],
        &["approve", &first, "--yes"],
        &["resume"],
        &["report"],
    ];
    for args in asked {
        let said = ask(args);
        let all = said.out.clone() + &said.err;
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{args:?}: {all:?}");
        let colored = ask(&[args, &["--color", "always"]].concat());
        let left = [colored.out, colored.err].concat();
        for harm in ["\u{1b}[8m", "\u{1b}]0", "\u{1b}[2J", "\u{7}", "\u{9b}"] {
            assert!(!left.contains(harm), "{args:?}: {left:?}");
        }
    }
    assert!(!stop.out.contains('\u{1b}'));
    let colored = ask(&["recommendations", "--color", "always"]).out;
    assert!(colored.contains("\u{1b}["), "{colored}");
    assert!(!colored.contains("\\u001b"), "our own colours are written: {colored:?}");
    let status: Value = json(&ask(&["status", "--json"]));
    assert!(status["stopped"].as_str().is_some_and(|why| why.contains(reason)), "{status}");
}

/// How many recommendations are in a state.
fn count(door: &Door, state: &str) -> usize {
    runtime().block_on(door.in_state(state)).len()
}

#[test]
fn nothing_is_answered_that_nobody_said_yes_to() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let ask = |args: &[&str]| trimtab(&[&["--config", config.as_str()], args].concat());
    let (first, _) = runtime().block_on(door.in_state("awaiting_approval"))[0].clone();
    let waiting = count(&door, "awaiting_approval");
    let reason = ["--reason", "no"];
    for args in [
        vec!["approve", &first],
        vec!["approve", &first, "--json"],
        vec!["approve", "--filter", "kind=ec2-instance"],
        [&["reject", "--filter", "kind=ec2-instance"][..], &reason].concat(),
    ] {
        let said = ask(&args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(said.err.contains("--yes"), "{args:?}: {}", said.err);
        let shown = said.out + &said.err;
        for fact in [&first, "disruption: restart", "not seen:", "undo:", "risk:", "a month"] {
            assert!(args.contains(&"--filter") || shown.contains(fact), "{fact}: {shown}");
        }
        assert_eq!(count(&door, "awaiting_approval"), waiting, "{args:?}");
    }
    assert_eq!(count(&door, "approved") + count(&door, "rejected"), 0);
}

#[test]
fn a_filter_answers_what_it_takes_and_nothing_else() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let ask = |args: &[&str]| trimtab(&[&["--config", config.as_str()], args].concat());
    for (filter, told) in [
        ("kind=ebs-volumes", "ebs-volume"),
        ("colour=red", "knows no `colour`"),
        ("account=nobody", "account=nobody"),
    ] {
        let said = ask(&["approve", "--filter", filter, "--yes"]);
        assert_eq!(said.code, 2, "{filter}: {}", said.err);
        assert!(said.err.contains(told), "{filter}: {}", said.err);
    }
    let nothing = ask(&["approve", "--filter", "q=nowhere", "--yes"]);
    assert_eq!(nothing.code, 0, "{}", nothing.err);
    assert!(nothing.err.contains("nothing matches `q=nowhere`"), "{}", nothing.err);
    assert_eq!(count(&door, "approved"), 0);

    let volumes = json(&ask(&["recommendations", "list", "--kind", "ebs-volume", "--json"]));
    let volumes = volumes["recommendations"].as_array().expect("a list").len();
    let machines = count(&door, "awaiting_approval") - volumes;
    assert!(volumes > 0 && machines > 0, "{volumes} volumes, {machines} machines");
    let filter = "kind=ebs-volume account=111122223333 saving>0 risk<=10%";
    let approved = ask(&["approve", "--filter", filter, "--yes", "--json"]);
    let told = json(&approved);
    assert_eq!(approved.code, 0, "{}", approved.err);
    assert_eq!(told["recommendations"].as_array().map(Vec::len), Some(volumes), "{told}");
    assert_eq!((count(&door, "approved"), count(&door, "awaiting_approval")), (volumes, machines));

    let filter = ["reject", "--filter", "kind=ec2-instance", "--reason", "not now", "--yes"];
    assert_eq!(ask(&filter).code, 0);
    assert_eq!((count(&door, "approved"), count(&door, "rejected")), (volumes, machines));
    let report = json(&ask(&["report", "--json"]));
    let by = &report["decided"]["people"][0];
    assert_eq!((&by["approved"], &by["rejected"]), (&Value::from(volumes), &Value::from(machines)));
}

#[test]
fn what_is_refused_keeps_nothing_else_back() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let ask = |args: &[&str]| trimtab(&[&["--config", config.as_str()], args].concat());
    let waiting = runtime().block_on(door.in_state("awaiting_approval"));
    let [(first, _), (second, _)] = &waiting[..2] else { panic!("two wait: {waiting:?}") };
    assert_eq!(ask(&["reject", first, "--reason", "no"]).code, 0, "a named one is not asked for");
    let said = ask(&["approve", "nothing", first, second, "--yes", "--json"]);
    let told = json(&said);
    assert_eq!(said.code, 3, "a refusal weighs more than a failure: {}", said.err);
    assert_eq!(told["recommendations"][0]["id"], **second, "{told}");
    let refused = told["refused"].as_array().expect("a list");
    let statuses: Vec<_> =
        refused.iter().map(|one| (&one["id"], &one["problem"]["status"])).collect();
    let expect = [("nothing", 404), (first.as_str(), 409)]
        .map(|(id, status)| (Value::from(id), Value::from(status)));
    assert_eq!(statuses, expect.each_ref().map(|(id, status)| (id, status)));
}

#[test]
fn a_token_of_ones_own_is_sent_and_named_when_it_is_not_taken() {
    let door = runtime().block_on(Door::open(false, true));
    let config = config(door.state.path(), &door.address.to_string());
    let address = door.address.to_string();
    let own = door.state.path().join("ada.token").display().to_string();
    std::fs::write(&own, format!("{}\n", door.token)).expect("written");
    assert_eq!(trimtab(&["--address", &address, "--token-file", &own, "status"]).code, 0);
    let mut with = Command::new(env!("CARGO_BIN_EXE_trimtab"));
    let with = with.env("TRIMTAB_TOKEN_FILE", &own).args(["--address", &address, "status"]);
    assert!(with.output().expect("the binary runs").status.success());

    let without = trimtab(&["--address", &address, "status"]);
    assert_eq!(without.code, 1, "{}", without.err);
    assert!(
        without.err.contains("no token was sent") && without.err.contains("--token-file"),
        "{}",
        without.err
    );
    std::fs::write(&own, "tt_".to_owned() + &"0".repeat(64)).expect("written");
    let wrong = trimtab(&["--config", &config, "--token-file", &own, "status"]);
    assert_eq!(wrong.code, 1, "{}", wrong.err);
    assert!(wrong.err.contains(&format!("the one in `{own}`")), "{}", wrong.err);
    let missing = trimtab(&["--config", &config, "--token-file", "/nonexistent/token", "status"]);
    assert_eq!(missing.code, 1, "{}", missing.err);
    assert!(missing.err.contains("/nonexistent/token"), "{}", missing.err);
}

#[test]
fn colour_is_where_it_is_wanted() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples/organization.toml");
    let colored = |args: &[&str], no_color: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        let command = command.env("NO_COLOR", no_color).args(args).args(["check", example]);
        let out = command.output().expect("the binary runs").stdout;
        String::from_utf8(out).expect("the output is UTF-8").contains('\u{1b}')
    };
    for (args, no_color, expect) in [
        (&[][..], "", false),
        (&["--color", "auto"], "", false),
        (&["--color", "never"], "", false),
        (&["--color", "always"], "", true),
        (&["--color", "always"], "1", true),
    ] {
        assert_eq!(colored(args, no_color), expect, "{args:?} NO_COLOR={no_color}");
    }
}

/// A journal of three records in a folder of its own.
fn journal() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut journal, _) = Journal::open(folder.path()).expect("it is new");
    for number in 1..=3 {
        let payload = format!("{{\"number\":{number}}}");
        journal.append_sync(payload.as_bytes()).expect("there is room");
    }
    folder
}

#[test]
fn the_audit_log_is_checked_and_written_out_without_a_daemon() {
    let folder = journal();
    let path = folder.path().display().to_string();
    let said = trimtab(&["audit", "verify", "--journal", &path]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("whole: 3 records"), "{}", said.out);

    let lines = trimtab(&["audit", "export", "--journal", &path]);
    assert_eq!(lines.code, 0, "{}", lines.err);
    let records: Vec<Value> =
        lines.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let numbers: Vec<_> =
        records.iter().map(|one| (&one["seq"], &one["record"]["number"])).collect();
    assert_eq!(numbers, [1, 2, 3].map(Value::from).each_ref().map(|number| (number, number)));

    let second = records[1]["hash"].as_str().expect("a hash");
    let anchored = trimtab(&["audit", "verify", "--journal", &path, "--head", second, "--json"]);
    assert_eq!((anchored.code, &json(&anchored)["anchored"]), (0, &Value::Bool(true)));
    let strange = trimtab(&["audit", "verify", "--journal", &path, "--head", "00"]);
    assert_eq!(strange.code, 1, "{}", strange.out);
    assert!(strange.out.contains("none of its records"), "{}", strange.out);
}

/// Each part of each record: its length (low and high), checksum, hash of the record before, number and payload.
#[test]
fn every_part_of_every_record_of_the_audit_log_is_checked() {
    let folder = journal();
    let path = folder.path().display().to_string();
    let file = folder.path().join("00000001.log");
    let whole = std::fs::read(&file).expect("written above");
    let frame = whole.len() / 3;
    for record in 0..3 {
        for part in [0, 3, 4, 8, 39, 40, 47, 48, frame - 1] {
            let mut bytes = whole.clone();
            bytes[record * frame + part] ^= 1;
            std::fs::write(&file, bytes).expect("it is ours");
            let said = trimtab(&["audit", "verify", "--journal", &path]);
            let named = format!("record {} in", record + 1);
            assert_eq!(said.code, 1, "byte {part} of {named}: {}", said.out);
            assert!(said.err.contains(&named), "byte {part} of {named}: {}", said.err);
        }
    }
    std::fs::write(&file, &whole[..2 * frame]).expect("it is ours");
    let said = trimtab(&["audit", "verify", "--journal", &path]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("record 3 in") && said.err.contains("missing"), "{}", said.err);
}

#[test]
fn the_first_damaged_record_of_the_audit_log_is_named() {
    let folder = journal();
    let path = folder.path().display().to_string();
    let file = folder.path().join("00000001.log");
    let mut bytes = std::fs::read(&file).expect("written above");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("it is ours");
    for command in ["verify", "export"] {
        let said = trimtab(&["audit", command, "--journal", &path]);
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(said.err.contains("record 2") && said.err.contains("00000001.log"), "{}", said.err);
    }
    let said = trimtab(&["audit", "verify", "--journal", "/nonexistent/journal"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("/nonexistent/journal"), "{}", said.err);
}

#[test]
fn a_test_message_says_whether_it_arrives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("key").display().to_string();
    std::fs::write(&key, "secret").expect("the folder takes a file");
    let door = runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("it is bound");
        let router = axum::Router::new().route("/in", axum::routing::post(async || "thanks"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let webhook = |name: &str, address: &str| {
            format!("[[settings.notify.webhook]]\nname = \"{name}\"\nurl = \"http://{address}/in\"\nsecret_file = \"{key}\"\n")
        };
        let receivers = webhook("here", &here.to_string()) + &webhook("gone", &silent_address());
        let scenario = format!(
            "name = \"told\"\ndescription = \"A machine.\"\nstart = \"2026-03-02T00:00:00Z\"\n[fleet]\nidle = 1\n{receivers}"
        );
        let door = Door::of(&scenario, true, false).await;
        drop(trimtab::notify::Watch::start(door.agent.clone()));
        door
    });
    let address = door.address.to_string();
    let said = trimtab(&["--address", &address, "notify", "test"]);
    assert_eq!(said.code, 1, "one does not answer: {}{}", said.out, said.err);
    let line = |name: &str| said.out.lines().find(|line| line.trim_start().starts_with(name));
    assert!(line("here").is_some_and(|line| line.trim_end().ends_with("yes")), "{}", said.out);
    assert!(line("gone").is_some_and(|line| line.contains("no: the receiver")), "{}", said.out);
    let said = trimtab(&["--address", &address, "notify", "test", "here", "--json"]);
    assert_eq!((said.code, &json(&said)["receivers"][0]["error"]), (0, &Value::Null));
    let said = trimtab(&["--address", &address, "notify", "test", "nobody"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("there is no receiver `nobody`"), "{}", said.err);
    let said = trimtab(&["--address", &address, "status"]);
    assert!(said.out.contains("Receiver") && said.out.contains("never"), "{}", said.out);
}
