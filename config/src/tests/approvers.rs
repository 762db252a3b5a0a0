//! People in the file: what is taken, and the words in which the rest is refused.

use trimtab_models::resource::Kind;
use trimtab_policies::authority::{Role, Scope, Within};

use super::{accepted, with};
use crate::parse;

const ADA: &str = "[[approver]]\nname = \"ada\"\nrole = \"approver\"\n";

/// The minimal file (4 lines) with more text after it is refused, and the one problem holds every part.
#[track_caller]
fn refused(more: &str, parts: &[&str]) {
    let error = parse(&with(more), "t.toml").expect_err("the text must be refused");
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    let [problem] = found.as_slice() else { panic!("{found:#?}\n---\n{more}") };
    for part in parts {
        assert!(problem.contains(part), "`{part}` is not in: {problem}");
    }
}

#[test]
fn a_scope_is_everything_where_it_is_absent_and_nothing_where_it_is_empty() {
    let scope_of = |more: &str| {
        let settings = accepted(&with(&format!("{ADA}{more}")));
        let ada = settings.approvers.get("ada").expect("she is configured").clone();
        assert_eq!((ada.name.as_str(), ada.role), ("ada", Role::Approver));
        ada.scope
    };
    assert_eq!(scope_of(""), Scope::everything());
    let none = scope_of("accounts = []\nkinds = []\ntags = {}\n");
    assert!(none.accounts.is_nothing() && none.kinds.is_nothing() && none.tags.is_nothing());
    let some = scope_of("accounts = [\"main\"]\nkinds = [\"ebs-volume\"]\n");
    assert_eq!(some.accounts, Within::Only(["123456789012".to_owned()].into()));
    assert_eq!(some.kinds, Within::Only([Kind::Volume].into()));
    assert_eq!(some.tags, Within::Everything);
    let tagged =
        format!("[modes]\ntrusted_tag_keys = [\"team\"]\n{ADA}tags = {{ team = \"web\" }}\n");
    let tags = accepted(&with(&tagged)).approvers["ada"].scope.tags.clone();
    assert_eq!(tags, Within::Only([("team".to_owned(), "web".to_owned())].into()));
}

#[test]
fn what_names_nobody_or_nothing_is_refused() {
    for (more, parts) in [
        ("[[approver]]\nrole = \"viewer\"\n", &["approver[0].name", "missing"][..]),
        (
            "[[approver]]\nname = \"ada\"\n",
            &["approver[0].role", "missing", "viewer, approver, operator, admin"],
        ),
        (
            "[[approver]]\nname = \"ada\"\nrole = \"boss\"\n",
            &["approver[0].role = \"boss\"", "unknown word"],
        ),
        (
            "[[approver]]\nname = \"operator\"\nrole = \"viewer\"\n",
            &["the local token", "another name"],
        ),
        ("[[approver]]\nname = \"trimtab\"\nrole = \"viewer\"\n", &["the daemon", "another name"]),
        (
            "[[approver]]\nname = \"a b\"\nrole = \"viewer\"\n",
            &["not a name that a record can bear"],
        ),
    ] {
        refused(more, parts);
    }
    for (more, parts) in [
        (ADA, &["approver[1].name = \"ada\"", "twice"][..]),
        (
            "accounts = [\"prod\"]\n",
            &["approver[0].accounts[0] = \"prod\"", "no such account", "main"],
        ),
        ("kinds = [\"rds\"]\n", &["approver[0].kinds[0] = \"rds\"", "ec2-instance"]),
        ("kinds = [\"ebs-volume\", \"ebs-volume\"]\n", &["approver[0].kinds[1]", "listed twice"]),
        (
            "tags = { team = \"web\" }\n",
            &["approver[0].tags", "whoever may set the tag team", "modes.trusted_tag_keys"],
        ),
    ] {
        refused(&format!("{ADA}{more}"), parts);
    }
    let viewer = "[[approver]]\nname = \"vic\"\nrole = \"viewer\"\naccounts = [\"main\"]\n";
    refused(viewer, &["approver[0].accounts", "the role viewer never does", "remove it"]);
}

#[test]
fn copilot_needs_somebody_who_can_approve_once_people_are_configured() {
    let rule = "[[modes.rule]]\nmatch = { kind = \"ebs-volume\" }\nmode = \"copilot\"\n";
    accepted(&with(rule));
    accepted(&with(&format!("{rule}{ADA}")));
    accepted(&with(&format!("{rule}{ADA}kinds = [\"ebs-volume\"]\naccounts = [\"main\"]\n")));
    for scope in ["kinds = [\"ec2-instance\"]\n", "accounts = []\n", "tags = {}\n"] {
        refused(
            &format!("{rule}{ADA}{scope}"),
            &["modes.rule[0].mode = \"copilot\"", "nobody with the role approver"],
        );
    }
    let operator = "[[approver]]\nname = \"olga\"\nrole = \"operator\"\n";
    refused(&format!("{rule}{operator}"), &["modes.rule[0].mode", "add an [[approver]]"]);
    refused(
        &format!("[modes]\ndefault = \"copilot\"\n{operator}"),
        &["modes.default = \"copilot\""],
    );
    accepted(&with(&format!(
        "[modes]\ndefault = \"copilot\"\n{operator}{ADA}kinds = [\"ebs-volume\"]\n"
    )));
    let by_action = rule.replace("kind = \"ebs-volume\"", "action = \"tune-volume\"");
    accepted(&with(&format!("{by_action}{ADA}kinds = [\"ebs-volume\"]\n")));
    refused(&format!("{by_action}{ADA}kinds = [\"lambda-function\"]\n"), &["modes.rule[0].mode"]);
}

#[test]
fn beyond_loopback_only_over_tls() {
    let tls = "[api]\ntls_certificate = \"tls/chain.pem\"\ntls_key = \"/etc/key.pem\"\n";
    let settings = accepted(&with(&format!("[agent]\nlisten = \"0.0.0.0:8470\"\n{tls}")));
    let files = settings.api.tls.expect("both are given");
    assert_eq!(
        (files.certificate.ends_with("tls/chain.pem"), files.key.is_absolute()),
        (true, true)
    );
    assert_eq!(accepted(&with("[agent]\nlisten = \"[::1]:1\"\n")).api.tls, None);
    let half = "[api]\ntls_certificate = \"tls/chain.pem\"\n";
    refused(half, &["api.tls_key", "a certificate and its key"]);
    refused(
        "[api]\ntls_key = \"key.pem\"\n",
        &["api.tls_certificate", "a certificate and its key"],
    );
    refused("[agent]\nlisten = \"8470\"\n", &["agent.listen", "not an address with a port"]);
}

#[test]
fn an_identity_provider_is_given_whole_and_its_people_once() {
    let provider = |changes: &str| {
        let lines = [
            ("issuer", "https://login.example.com"),
            ("client_id", "trimtab"),
            ("client_secret_file", "oidc.secret"),
            ("redirect_url", "https://trimtab.example.com/login/oidc/callback"),
        ];
        let lines = lines.iter().filter(|(key, _)| !changes.contains(&format!("{key} =")));
        let kept: String = lines.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
        format!("[api.oidc]\n{kept}{changes}\n")
    };
    let person = |name: &str, identity: &str| {
        format!("[[approver]]\nname = \"{name}\"\nrole = \"approver\"\n{identity}\n")
    };
    let (ada, olga) = ("oidc_email = \"Ada@Example.com\"", "oidc_subject = \"248\"");
    let whole = format!("{}{}{}", provider(""), person("ada", ada), person("olga", olga));
    let oidc = accepted(&with(&whole)).api.oidc.expect("it is given");
    assert!(oidc.client_secret_file.ends_with("oidc.secret"));
    assert_eq!(oidc.subjects, [("248".to_owned(), "olga".to_owned())].into());
    assert_eq!(oidc.emails, [("ada@example.com".to_owned(), "ada".to_owned())].into());
    assert_eq!(accepted(&with(&person("ada", ""))).api.oidc, None);
    for (text, told) in [
        (provider("issuer = \"http://login.example.com\""), "api.oidc.issuer"),
        (provider("issuer = \"https://@evil.example\""), "api.oidc.issuer"),
        (provider("redirect_url = \"https://trimtab.example.com/\""), "api.oidc.redirect_url"),
        (provider("client_id = \"\""), "api.oidc.client_id"),
        (provider("client_secret_file = \"\""), "api.oidc.client_secret_file"),
        (
            format!("{}{}{}", provider(""), person("ada", olga), person("bob", olga)),
            "approver[1].oidc_subject",
        ),
        (provider("issuer = \"http://127.0.0.1:1@evil.example/\""), "api.oidc.issuer"),
        (
            format!("{}{}{}", provider(""), person("ada", ada), person("bob", &ada.to_lowercase())),
            "approver[1].oidc_email",
        ),
        (person("ada", olga), "approver[0]"),
    ] {
        refused(&text, &[told]);
    }
}
