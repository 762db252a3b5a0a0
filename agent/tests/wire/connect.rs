//! `trimtab connect verify` by the real binary, and what the daemon makes of rights that shrink.
//!
//! Not here: how answers are judged (`trimtab::connection`).

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::daemon::{configuration, folder, trimtab};
use crate::flow::{Flow, OTHER_ACCOUNT, OWN_ACCOUNT, REGION, entry, oversized};
use crate::proxy::{BASE_ACCOUNT, Effect, Fault};
use crate::python::target_folder;
use crate::scene::Scene;

const EXTERNAL_ID: &str = "0123456789abcdef0123456789abcdef";

fn role(name: &str) -> String {
    format!("arn:aws:iam::{OTHER_ACCOUNT}:role/{name}")
}

/// The other account by both roles, in `regions`.
fn with_roles(regions: &str) -> String {
    format!(
        "[[account]]\nname = \"other\"\nid = \"{OTHER_ACCOUNT}\"\nregions = [{regions}]\nrole_arn = \"{}\"\n\
         apply_role_arn = \"{}\"\nexternal_id = \"{EXTERNAL_ID}\"\n",
        role("TrimtabRead"),
        role("TrimtabApply")
    )
}

/// An account whose roles demand the external id, with a machine in it.
async fn scene() -> Scene {
    let scene = Scene::start().await;
    let wanted = Some(EXTERNAL_ID.to_owned());
    let trust = ["Scene", "TrimtabRead", "TrimtabApply"].map(|name| (role(name), wanted.clone()));
    scene.proxy.rules().external_ids = trust.into();
    let clients = scene.clients_of(OTHER_ACCOUNT, REGION, Some(EXTERNAL_ID)).await;
    clients.run_instance("m5.large", &[]).await;
    scene
}

/// Runs the command; returns its exit code and the connection of each account.
fn verify(
    scene: &Scene,
    (mode, accounts): (&str, &str),
    more: &[&str],
) -> (i32, Vec<Value>, String) {
    let folder = folder();
    let config = configuration(folder.path(), (scene.proxy.url(), "127.0.0.1:0"), (mode, accounts));
    let run = |arguments: &[&str], config: &Path| {
        let arguments = [&["connect", "verify"], arguments, more].concat();
        trimtab(&arguments, config, true).output().expect("the binary starts")
    };
    let output = run(&["--json"], &config);
    let body: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&run(&[], &config).stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &text;
    let code = output.status.code().expect("it ended by itself");
    (code, body["connections"].as_array().cloned().unwrap_or_default(), told)
}

/// Names of all the actions in that list of every service.
fn actions(connection: &Value, list: &str) -> Vec<String> {
    let services = connection["services"].as_array().expect("there are services").iter();
    let listed = services.flat_map(|one| one[list].as_array().expect("a list").clone());
    let name = |one: &Value| one["action"].as_str().or(one.as_str()).expect("a name").to_owned();
    listed.map(|one| name(&one)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_the_roles_of_the_template_is_connected_and_nothing_is_changed() {
    let scene = scene().await;
    scene.proxy.forget_calls();
    let (code, connections, text) = verify(&scene, ("copilot", &with_roles("\"us-east-1\"")), &[]);
    assert_eq!(code, 0, "{connections:#?}\n{text}");
    let connection = &connections[0];
    assert_eq!(
        (&connection["status"], &connection["account"]),
        (&"connected".into(), &OTHER_ACCOUNT.into())
    );
    for role in connection["roles"].as_array().expect("both roles") {
        let tried = [
            "as configured: taken",
            "without an external id: refused",
            "with a wrong external id: refused",
        ];
        assert_eq!(role["tried"], serde_json::json!(tried), "{role}");
    }
    let works = actions(connection, "works");
    for action in [
        "ec2:DescribeInstances",
        "cloudwatch:GetMetricData",
        "lambda:ListFunctions",
        "ec2:StopInstances",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyVolume",
    ] {
        assert!(works.contains(&action.to_owned()), "{action} is not in {works:?}");
    }
    assert_eq!(scene.proxy.writes(), Vec::new(), "dry runs only");
    assert!(text.contains("connected") && text.contains(OTHER_ACCOUNT), "{text}");
}

/// Prints the template for the base account; returns the answer with its file, its section and its id.
fn printed(config: &Path, principal: &str) -> Value {
    let arguments = ["connect", "cloudformation", "--json", "--name", "prod", "--deletes"];
    let account = ["--account", BASE_ACCOUNT, "--principal", principal, "--region", REGION];
    let kinds = "ec2-instance,ebs-volume,lambda-function,auto-scaling-group";
    let scope = ["--kinds", kinds, "--access", "apply"];
    let arguments = [&arguments[..], &account, &scope].concat();
    let output = trimtab(&arguments, config, false).output().expect("the binary starts");
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// Makes the template's roles in the emulator; returns the external id that each demands, by ARN.
fn made(scene: &Scene, template: &Path) -> BTreeMap<String, Option<String>> {
    let python = target_folder().join("moto-venv/bin/python");
    let output = Command::new(python)
        .args(["-c", include_str!("apply_roles.py"), scene.moto.url()])
        .arg(template)
        .output()
        .expect("the emulator's Python starts");
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// From nothing: print the template, make its roles, paste the section that it names, verify.
#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_a_printed_template_connect_the_account() {
    let scene = Scene::start().await;
    scene.clients(REGION).run_instance("m5.large", &[]).await;
    let folder = folder();
    let nothing_yet = folder.path().join("nothing-yet.toml");
    let principal = format!("arn:aws:iam::{BASE_ACCOUNT}:role/trimtab-agent");
    let answer = printed(&nothing_yet, &principal);
    let text = |key: &str| answer[key].as_str().expect("a text").to_owned();
    let template = folder.path().join("roles.yaml");
    std::fs::write(&template, text("file")).expect("the folder takes a file");
    let trust = made(&scene, &template);
    let id = text("external_id");
    assert_eq!(trust.len(), 2, "{trust:?}");
    assert!(trust.values().all(|wanted| wanted.as_ref() == Some(&id)), "{trust:?}");
    scene.proxy.rules().external_ids = trust;
    let section = text("account_section");
    let (code, connections, told) = verify(&scene, ("copilot", &section), &[]);
    assert_eq!((code, &connections[0]["status"]), (0, &"connected".into()), "{told}");
    assert!(actions(&connections[0], "works").contains(&"ec2:StopInstances".to_owned()));
    // Another account gets another id, and so would this one if its section did not keep it.
    assert_ne!(printed(&nothing_yet, &principal)["external_id"].as_str(), Some(id.as_str()));
    let config =
        configuration(folder.path(), (scene.proxy.url(), "127.0.0.1:0"), ("copilot", &section));
    assert_eq!(printed(&config, &principal)["external_id"].as_str(), Some(id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_can_be_taken_without_the_id_is_refused() {
    let scene = scene().await;
    scene.proxy.rules().external_ids.insert(role("TrimtabApply"), None);
    let (code, connections, text) = verify(&scene, ("copilot", &with_roles("\"us-east-1\"")), &[]);
    assert_eq!((code, &connections[0]["status"]), (1, &"unsafe".into()), "{text}");
    assert!(text.contains("TrimtabApply` can be taken without an external id"), "{text}");
    // In an organization nobody sends an id, and nobody is asked for one: the tries of a stranger are not made.
    let organization = with_roles("\"us-east-1\"")
        .replace(&format!("external_id = \"{EXTERNAL_ID}\""), "trust = \"organization\"");
    scene.proxy.rules().external_ids.insert(role("TrimtabRead"), None);
    let (code, connections, text) = verify(&scene, ("copilot", &organization), &[]);
    assert_eq!((code, &connections[0]["status"]), (0, &"connected".into()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_the_statement_to_add() {
    let scene = scene().await;
    scene.proxy.rules().denied = vec!["ec2:StopInstances"];
    let accounts = with_roles("\"us-east-1\"");
    let (code, connections, text) = verify(&scene, ("copilot", &accounts), &[]);
    assert_eq!((code, &connections[0]["status"]), (1, &"incomplete".into()), "{text}");
    assert_eq!(actions(&connections[0], "missing"), ["ec2:StopInstances"]);
    assert!(text.contains("To allow it, add:") && text.contains("\"ec2:StopInstances\""), "{text}");
    let (code, _, text) = verify(&scene, ("datapilot", &accounts), &[]);
    assert_eq!(code, 0, "datapilot stops nothing: {text}");
    scene.proxy.rules().denied.clear();
    scene.proxy.rules().user_data = true;
    let (code, connections, text) = verify(&scene, ("copilot", &accounts), &[]);
    assert_eq!((code, &connections[0]["status"]), (1, &"unsafe".into()), "{text}");
}

/// A wrong id or ARN, a role that is not there, a clock that is off, a region that is off, an organization's policy: each is
/// named, and the account beside it is told as it is.
#[tokio::test(flavor = "multi_thread")]
async fn bad_connections_are_named_and_harm_no_other_account() {
    let scene = scene().await;
    let both = |other: &str| format!("{OWN_ACCOUNT}\n{other}");
    let whole = with_roles("\"us-east-1\"");
    let statuses = |connections: &[Value]| -> Vec<String> {
        connections
            .iter()
            .map(|one| one["status"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let wrong_id = whole.replace(EXTERNAL_ID, "ffffffffffffffffffffffffffffffff");
    let no_role = whole.replace("role/TrimtabRead", "role/Nobody");
    for (accounts, words) in
        [(&wrong_id, ["TrimtabRead", "external_id"]), (&no_role, ["role/Nobody", "does not exist"])]
    {
        let (code, connections, text) = verify(&scene, ("datapilot", &both(accounts)), &[]);
        assert_eq!(
            (code, statuses(&connections)),
            (1, vec!["connected".into(), "closed".into()]),
            "{text}"
        );
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
    let (code, connections, text) =
        verify(&scene, ("datapilot", &both(&wrong_id)), &["--account", "main"]);
    assert_eq!((code, connections.len()), (0, 1), "{text}");
    let (code, _, text) = verify(&scene, ("datapilot", &whole), &["--account", "prod"]);
    assert!(code == 2 && text.contains("`prod`: there are other"), "{code} {text}");
    let wrong_arn = whole
        .replace("arn:aws:iam::210987654321:role/TrimtabRead", "arn:aws:iam::210987654321:user/x");
    let (code, _, text) = verify(&scene, ("datapilot", &wrong_arn), &[]);
    assert!(code == 2 && text.contains("not the ARN of a role"), "{code} {text}");
    for (code, words) in [
        ("RequestTimeTooSkewed", "clock is more than five minutes off"),
        ("OptInRequired", "enable the service and the region"),
    ] {
        let effect = Effect::Error { status: 403, code: code.to_owned() };
        scene.proxy.inject(Fault::new("ec2", "*", effect, u32::MAX).in_region("eu-west-1"));
        let two = whole.replace("\"us-east-1\"", "\"us-east-1\", \"eu-west-1\"");
        let (exit, connections, text) = verify(&scene, ("datapilot", &both(&two)), &[]);
        let expect = vec!["connected".to_owned(), "incomplete".to_owned()];
        assert_eq!((exit, statuses(&connections)), (1, expect), "{text}");
        assert!(text.contains(words), "{words}: {text}");
        scene.proxy.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_shrink_lower_the_mode_of_their_kind_until_they_are_back() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    let accounts = OWN_ACCOUNT.to_owned()
        + "apply_role_arn = \"arn:aws:iam::123456789012:role/TrimtabApply\"\nexternal_id = \"right\"\n";
    scene.proxy.rules().denied = vec!["ec2:ModifyInstanceAttribute"];
    let flow = Flow::open(scene.proxy.url(), "copilot", &accounts);
    let plan = flow.cycle().await;
    let lowered = entry(&plan, &id);
    assert_eq!(lowered.mode.to_string(), "datapilot", "{lowered:?}");
    let reason = &lowered.mode_reason;
    assert!(reason.contains("ec2:ModifyInstanceAttribute"), "{reason}");
    scene.proxy.rules().denied.clear();
    flow.agent.rights.forget();
    let plan = flow.cycle().await;
    assert_eq!(entry(&plan, &id).mode.to_string(), "copilot");
}
