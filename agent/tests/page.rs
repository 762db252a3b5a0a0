//! Every page over real connections, on the simulated account, one cycle in: what it says, that it is whole, and that
//! nothing of an account can break it.
//!
//! Not here: how it looks in a browser (`tests/browser`) and who may (`tests/api.rs`).

mod door;

use door::{Door, form_post, header, runtime, send};
use jiff::SignedDuration;
use reqwest::{Method, Response, StatusCode};
use trimtab::{
    cycle::{Begin, run_cycle},
    observe::series_key,
    ports::Clock,
    view::{RecommendationState, RecommendationView},
};
use trimtab_models::metric::{Measure, Metric, Statistic};
use trimtab_models::resource::{Arn, Attachment, Detail, Kind, Resource, ResourceRef};
use trimtab_policies::record::Entry;

/// What a page may weigh.
const PAGE_BYTES_MAX: usize = 200_000;
/// What somebody who may tag writes into a name.
const HOSTILE: &str = "\"><script>alert(1)</script><svg onload=alert(2)>'&{{x}}";

async fn page(door: &Door, path: &str) -> String {
    let response = send(door.operator(Method::GET, path)).await;
    let status = response.status();
    let html = response.text().await.expect("text");
    assert_eq!(status, StatusCode::OK, "{path}: {html}");
    assert!(html.len() < PAGE_BYTES_MAX, "{path}: {} bytes", html.len());
    assert!(
        !html.contains("<script") && !html.contains(" style=") && !html.contains("<style"),
        "{path}"
    );
    whole(path, &html);
    html
}

/// Elements that are opened are closed again, in order, and every reference to an id leads somewhere.
fn whole(path: &str, html: &str) {
    const VOID: [&str; 4] = ["meta", "link", "input", "br"];
    let (mut open, mut ids) = (Vec::new(), Vec::new());
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').expect("every tag ends");
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "{path}");
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
        ids.extend(tag.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()));
    }
    assert!(open.is_empty(), "{path}: {open:?}");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{path}: an id is there twice");
    for attribute in ["aria-labelledby=\"", "href=\"#"] {
        for rest in html.split(attribute).skip(1) {
            let names = rest.split('"').next().expect("it is quoted");
            for name in names.split(' ') {
                assert!(ids.contains(&name), "{path}: nothing is called {name}");
            }
        }
    }
}

fn hidden_inputs(html: &str, name: &str) -> Vec<String> {
    let sought = format!("name=\"{name}\" value=\"");
    html.split(&sought)
        .skip(1)
        .map(|rest| rest.split('"').next().expect("quoted").to_owned())
        .collect()
}

fn told(html: &str, expected: &[&str]) {
    for text in expected {
        assert!(html.contains(text), "`{text}` is not in {html}");
    }
}

/// A form as a browser sends it, with the token of a program.
async fn sent<T: AsRef<str>>(door: &Door, path: &str, fields: &[(&str, T)]) -> Response {
    let encoded = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        bytes.collect::<String>()
    };
    let pair = |(name, value): &(&str, T)| format!("{name}={}", encoded(value.as_ref()));
    let body = fields.iter().map(pair).collect::<Vec<_>>().join("&");
    send(form_post(door, path, &body).bearer_auth(&door.token)).await
}

/// Puts changed copies of the first recommendation into the store.
fn copies(door: &Door, count: usize, alter: impl Fn(usize, &mut RecommendationView)) {
    let mut all = door.agent.store().recommendations().expect("it is read");
    let is_asked = |view: &&RecommendationView| view.state == RecommendationState::AwaitingApproval;
    let one = all.values().find(is_asked).expect("one awaits").clone();
    for index in 0..count {
        let mut copy = one.clone();
        copy.entry.id = format!("{index:012x}");
        alter(index, &mut copy);
        all.insert(copy.entry.id.clone(), copy);
    }
    door.agent.store().replace_recommendations(&all).expect("it is written");
}

#[test]
fn the_overview_says_what_there_is() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        told(
            &page(&door, "/").await,
            &["Nothing has been recommended yet", "none since the start"],
        );
        let door = Door::open(false, true).await;
        let html = page(&door, "/").await;
        told(
            &html,
            &[
                "Fleet cost a month",
                "an approver",
                "Potential and realized saving",
                "dollars a month",
            ],
        );
        told(&html, &["Own AWS cost", "metrics read since", "lambda-function", "Stop"]);
        let stopped = sent(&door, "/stop", &[("reason", "<b>audit</b>")]).await;
        assert_eq!(header(&stopped, "location"), "/");
        told(
            &page(&door, "/").await,
            &["stopped by operator: &#60;b&#62;audit", "action=\"/resume\""],
        );
    });
}

#[test]
fn a_recommendation_shows_everything_that_it_rests_on() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let all = door.agent.store().recommendations().expect("it is read");
        for (id, view) in &all {
            let html = page(&door, &format!("/recommendations/{id}")).await;
            told(
                &html,
                &["Saving a month", "Cost a month", "Not seen", "Use, capacity and forecast"],
            );
            told(
                &html,
                &[
                    "Steps and their undo",
                    "Evidence",
                    "History of the resource",
                    &view.entry.digest,
                ],
            );
            let verdicts = html.matches("class=\"verdict").count();
            assert_eq!(verdicts, view.entry.checks.len(), "every check with its verdict");
        }
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        let html = page(&door, &format!("/recommendations/{id}")).await;
        told(
            &html,
            &[
                "CPU over the look-back",
                "capacity today",
                "proposed capacity",
                "forecast: 10th to 95th",
            ],
        );
        told(&html, &["Terraform", "Patch for its owner", "<desc", "name=\"until\""]);
        let missing = send(door.operator(Method::GET, "/recommendations/none")).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    });
}

/// The pictures of a page.
fn pictures(html: &str) -> Vec<&str> {
    html.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect()
}

#[test]
fn a_picture_that_was_drawn_is_never_stale() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        let path = format!("/recommendations/{id}");
        let first = page(&door, &path).await;
        assert!(!pictures(&first).is_empty());
        assert_eq!(page(&door, &path).await, first, "nothing has changed");

        let view =
            door.agent.store().recommendation(&id).expect("it is read").expect("it is there");
        let recommendation = &view.entry.recommendation;
        let at_s = recommendation.evidence.from.as_second().div_euclid(300) * 300 + 86_400;
        let measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
        let key = series_key(&recommendation.resource.arn, measure);
        door.agent.series_mut().append(&key, 300, at_s, &[99.5]).expect("a point is taken");
        let with_point = page(&door, &path).await;
        assert_ne!(pictures(&with_point), pictures(&first), "a point has come in");

        let mut all = door.agent.store().recommendations().expect("it is read");
        let asked = all.get_mut(&id).expect("it is there");
        let dimensions = &mut asked.entry.recommendation.evidence.dimensions;
        dimensions.iter_mut().for_each(|one| one.capacity_proposed /= 2.0);
        door.agent.store().replace_recommendations(&all).expect("it is written");
        let smaller = page(&door, &path).await;
        assert_ne!(pictures(&smaller), pictures(&with_point), "another size is proposed");

        let stopped = sent(&door, "/stop", &[("reason", "a drill")]).await;
        assert_eq!(stopped.status(), StatusCode::SEE_OTHER);
        told(&page(&door, &path).await, &["The stop switch is set", "a drill"]);
        let rejected = sent(&door, &format!("{path}/reject"), &[("reason", "not this one")]).await;
        assert_eq!(rejected.status(), StatusCode::SEE_OTHER);
        let after = page(&door, &path).await;
        told(&after, &["rejected", "not this one"]);
        assert!(!after.contains("Your answer"), "nothing is asked any more");
        assert_eq!(pictures(&after), pictures(&smaller), "a decision has nothing drawn anew");

        door.clock.set(door.clock.now() + SignedDuration::from_hours(3));
        run_cycle(&door.agent, Begin::Never).await.expect("the simulated account answers");
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        let path = format!("/recommendations/{id}");
        let before = page(&door, &path).await;
        door.clock.set(door.clock.now() + SignedDuration::from_hours(24));
        run_cycle(&door.agent, Begin::Never).await.expect("the simulated account answers");
        assert_ne!(pictures(&page(&door, &path).await), pictures(&before), "a cycle has ended");
    });
}

#[test]
fn ten_thousand_are_filtered_ranked_and_paged() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let before = door.agent.briefs().count();
        copies(&door, 10_000, |index, view| {
            view.entry.recommendation.saving =
                trimtab_models::money::Usd::from_dollars(index as f64);
            view.entry.recommendation.risk = Some(0.0);
            view.entry.recommendation.resource.region = format!("region-{}", index % 4);
            view.entry
                .recommendation
                .resource
                .tags
                .insert("team".to_owned(), format!("t{}", index % 7));
        });
        let html = page(&door, "/recommendations?state=all").await;
        told(&html, &[&format!("{} found", before + 10_000), "Page 1 of 201", "page=2"]);
        let first = html.find("$9,999.00").expect("the dearest is first");
        assert!(first < html.find("$9,998.00").expect("then the next"));
        assert!(!html.contains("$9,949.00"), "fifty a page");
        told(
            &page(&door, "/recommendations?page=2").await,
            &["$9,949.00", "rel=\"prev\"", "rel=\"next\""],
        );
        told(&page(&door, "/recommendations?page=99999").await, &["Page 201 of 201"]);
        told(&page(&door, "/recommendations?region=region-1&tag=team%3Dt0").await, &["found"]);
        let expected = (0..10_000).filter(|index| index % 4 == 1 && index % 7 == 0).count();
        let narrowed = page(&door, "/recommendations?region=region-1&tag=team%3Dt0").await;
        told(&narrowed, &[&format!("{expected} found")]);
        for nothing in
            ["state=none", "kind=spaceship", "tag=team%3Dx", "q=not-there", "mode=autopilot"]
        {
            told(
                &page(&door, &format!("/recommendations?{nothing}")).await,
                &["0 found", "Nothing is recommended that fits"],
            );
        }
        let bad = send(door.operator(Method::GET, "/recommendations?page=x")).await;
        assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    });
}

#[test]
fn several_are_answered_after_a_look_at_what_will_happen() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let awaiting = door.in_state("awaiting_approval").await;
        assert!(awaiting.len() >= 3, "{awaiting:?}");
        let ids: Vec<_> = awaiting.iter().map(|(id, _)| format!("&id={id}")).collect();
        let review = format!("/recommendations/review?verdict=approve{}&id=gone", ids.concat());
        let html = page(&door, &review).await;
        told(&html, &["What will happen", "undo:", "there is no such recommendation any more"]);
        let mut picks = hidden_inputs(&html, "pick");
        assert_eq!(picks.len(), awaiting.len());
        // The last one is approved by a digest that is not its own: that one is refused, the others are not.
        let last = picks.last_mut().expect("there are some");
        *last = format!("{}:{}", last.split(':').next().expect("an id"), "0".repeat(64));
        let mut form = vec![("verdict", "approve".to_owned()), ("reason", "seen".to_owned())];
        form.extend(picks.iter().map(|pick| ("pick", pick.clone())));
        let answered = sent(&door, "/recommendations/decide", &form).await;
        assert_eq!(answered.status(), StatusCode::OK);
        let html = answered.text().await.expect("text");
        told(
            &html,
            &[
                &format!("{} approved, 1 refused", awaiting.len() - 1),
                "has changed since it was shown",
            ],
        );
        assert_eq!(door.in_state("approved").await.len(), awaiting.len() - 1);

        let reject = [
            ("verdict", "reject"),
            ("pick", picks[picks.len() - 1].as_str()),
            ("until", "2026-06-01T00:00"),
        ];
        let silent = sent(&door, "/recommendations/decide", &reject).await;
        assert_eq!(silent.status(), StatusCode::BAD_REQUEST, "a rejection needs a reason");
        let reasoned: Vec<_> = reject.into_iter().chain([("reason", "quarter end")]).collect();
        let snoozed = sent(&door, "/recommendations/decide", &reasoned).await;
        told(&snoozed.text().await.expect("text"), &["1 rejected", "quarter end"]);
        for (path, form) in [("verdict=approve", ""), ("verdict=maybe&id=a", ""), ("", "pick=a")] {
            let get =
                send(door.operator(Method::GET, &format!("/recommendations/review?{path}"))).await;
            let post = send(
                door.operator(Method::POST, "/recommendations/decide")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form),
            )
            .await;
            assert_eq!(
                (get.status(), post.status()),
                (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
                "{path}"
            );
        }
    });
}

#[test]
fn the_inventory_shows_what_hangs_together() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let html = page(&door, "/inventory").await;
        told(&html, &["7 resources", "lambda-function"]);
        told(&page(&door, "/inventory?kind=ebs-volume").await, &["2 resources"]);
        told(&page(&door, "/inventory?q=not-there").await, &["0 resources"]);
        for arn in door.agent.inventory().keys() {
            let response =
                send(door.operator(Method::GET, &format!("/inventory/resource?arn={}", arn.0)))
                    .await;
            let html = response.text().await.expect("text");
            whole(&arn.0, &html);
            told(
                &html,
                &["Modes", "Recommendations", "copilot"].map(|text| {
                    if arn.0.contains("lambda") && text == "copilot" { "datapilot" } else { text }
                }),
            );
        }
        let missing = send(door.operator(Method::GET, "/inventory/resource?arn=arn:none")).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    });
}

#[test]
fn a_group_leads_to_its_members_and_they_to_their_volumes() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let mut inventory = (*door.agent.inventory()).clone();
        let arns = |kind| {
            let of_kind = inventory.values().filter(move |one| one.reference.kind == kind);
            of_kind.map(|one| one.reference.arn.clone()).next().expect("the fleet has some")
        };
        let (machine, disk) = (arns(Kind::Instance), arns(Kind::Volume));
        let one = inventory.get_mut(&machine).expect("it is there");
        let Detail::Instance(instance) = &mut one.detail else { panic!("it is a machine") };
        instance.group = Some("web".to_owned());
        let (machine_id, sibling) = (one.id.clone(), one.clone());
        let one = inventory.get_mut(&disk).expect("it is there");
        let Detail::Volume(volume) = &mut one.detail else { panic!("it is a volume") };
        volume.attachments = vec![Attachment {
            instance_id: machine_id.clone(),
            device: "/dev/xvda".to_owned(),
            delete_on_termination: true,
        }];
        let disk_id = one.id.clone();
        let elsewhere = Resource {
            reference: ResourceRef {
                arn: Arn("arn:aws:ec2:eu-west-1:1:instance/i-other".to_owned()),
                region: "eu-west-1".to_owned(),
                ..sibling.reference.clone()
            },
            id: "i-other".to_owned(),
            ..sibling
        };
        inventory.insert(elsewhere.reference.arn.clone(), elsewhere);
        door.agent.set_inventory(inventory.into());
        let of = |arn: &Arn| format!("/inventory/resource?arn={}", arn.0);
        let html = page(&door, &of(&machine)).await;
        told(&html, &["Relations", "Volumes", &format!("({disk_id})")]);
        let html = page(&door, &of(&disk)).await;
        told(&html, &["Attached to", &machine_id]);
        assert!(!html.contains("i-other"), "another region's machine is another one");
    });
}

#[test]
fn the_audit_log_names_every_decision() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let now = door.agent.ports().clock.now();
        for round in 0..60 {
            let stopped = Entry::Stopped { reason: format!("round {round}") };
            let journalled = door.agent.ledger().record(now, "operator", stopped);
            journalled.expect("a healthy journal");
        }
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        let form = "reason=%3Cscript%3Enot+now%3C%2Fscript%3E&until=2026-06-01T00:00";
        let reject = form_post(&door, &format!("/recommendations/{id}/reject"), form);
        let cookie = door.sign_in().await;
        let rejected = send(reject.header("cookie", cookie).header("origin", door.origin())).await;
        assert_eq!(header(&rejected, "location"), format!("/recommendations/{id}"));
        let html = page(&door, "/audit").await;
        told(
            &html,
            &["The chain is whole", "rejected resize-instance", "not now", "round 59", "Older"],
        );
        assert!(!html.contains("round 5<") && html.contains(&format!("/recommendations/{id}")));
        let before = html
            .split("before=")
            .nth(1)
            .expect("older ones")
            .split('"')
            .next()
            .expect("quoted")
            .to_owned();
        told(&page(&door, &format!("/audit?before={before}")).await, &["round 5", "Newest"]);
        told(&page(&door, "/audit?q=round+7").await, &["round 7"]);
        told(&page(&door, "/audit?q=nobody-did").await, &["No record fits"]);
    });
}

#[test]
fn what_an_account_calls_its_things_stays_text() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let mut inventory = (*door.agent.inventory()).clone();
        for resource in inventory.values_mut() {
            resource.reference.tags.insert("Name".to_owned(), HOSTILE.to_owned());
            resource.reference.tags.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
        }
        door.agent.set_inventory(inventory.into());
        copies(&door, 1, |_, view| {
            let tags = &mut view.entry.recommendation.resource.tags;
            tags.insert("Name".to_owned(), HOSTILE.to_owned());
            view.entry.recommendation.reason = HOSTILE.to_owned();
            view.decided = Some(HOSTILE.to_owned());
        });
        let arn = door.agent.inventory().keys().next().expect("there are resources").0.clone();
        let q = "q=%22%3E%3Cscript%3E";
        for path in [
            "/".to_owned(),
            "/recommendations".to_owned(),
            format!("/recommendations?{q}&tag=%22%3E%3Cscript%3E&sort=%22%3E"),
            "/recommendations/000000000000".to_owned(),
            "/recommendations/review?verdict=approve&id=000000000000".to_owned(),
            "/recommendations/review?verdict=reject&id=%3Cscript%3E".to_owned(),
            "/inventory".to_owned(),
            format!("/inventory?{q}&kind=%22%3E"),
            format!("/inventory/resource?arn={arn}"),
            "/changes?state=%22%3E%3Cscript%3E".to_owned(),
            format!("/audit?{q}"),
        ] {
            let html = page(&door, &path).await;
            assert!(
                !html.contains("onload=alert(2)>") || html.contains("&#60;svg onload"),
                "{path}"
            );
            assert!(!html.contains("<svg onload"), "{path}");
        }
        let html = page(&door, "/recommendations/000000000000").await;
        told(&html, &["&#60;script&#62;alert(1)"]);
    });
}
