//! `/metrics` is open to this machine alone; from elsewhere it takes a token of any role.

use std::{net::SocketAddr, sync::Arc};

use axum::{Extension, extract::ConnectInfo};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};
use trimtab::api::{ApiState, router, serve};

use crate::{
    door::{runtime, send},
    people::People,
};

#[test]
fn from_elsewhere_metrics_take_a_token() {
    runtime().block_on(async {
        let people = People::open().await;
        let local = send(people.door.request(Method::GET, "/metrics")).await;
        assert_eq!(local.status(), StatusCode::OK);

        let agent = Arc::clone(&people.door.agent);
        let api = ApiState::new(agent, Arc::new(|_| {}), Arc::new(|| {}), false)
            .expect("the token is there");
        // As if every connection came from there.
        let far: SocketAddr = "192.0.2.7:4711".parse().expect("an address");
        let from_afar = router(api).layer(Extension(ConnectInfo(far)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (_end, ended) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, from_afar, async {
            let _ = ended.await;
        }));
        let ask = async |path: &str, token: Option<&str>| {
            let request = people.door.http.get(format!("http://{address}{path}"));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            send(request).await
        };
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(ask(path, None).await.status(), StatusCode::OK, "{path}");
        }
        let nobody = ask("/metrics", None).await;
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
        assert!(!nobody.text().await.expect("text").contains("trimtab_stopped"));
        assert_eq!(ask("/metrics", Some("ttp_guess")).await.status(), StatusCode::UNAUTHORIZED);
        for (name, token) in &people.tokens {
            let metrics = ask("/metrics", Some(token)).await;
            assert_eq!(metrics.status(), StatusCode::OK, "{name}");
            assert!(metrics.text().await.expect("text").contains("trimtab_stopped 0"), "{name}");
        }
        let root = people.token("root").to_owned();
        let revoke = (Method::POST, "/api/v1/tokens/vic/revoke");
        assert_eq!(people.ask(&root, revoke, &json!({})).await.0, StatusCode::OK);
        let revoked = ask("/metrics", Some(people.token("vic"))).await;
        assert_eq!(revoked.status(), StatusCode::UNAUTHORIZED);
    });
}
