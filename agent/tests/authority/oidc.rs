//! Signing in by an identity provider that runs in this process and signs with a key of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::{
    door::{Door, header, runtime, send},
    people::SCENARIO,
};

const CLIENT: &str = "trimtab";
const SECRET: &str = "the client's secret";
const KEY_ID: &str = "key-1";

/// What the provider does when a code is exchanged.
#[derive(Clone)]
struct Provider {
    issuer: String,
    key: Arc<KeyPair>,
    /// What its tokens say beside the nonce, and with which key they are signed.
    says: Arc<Mutex<Value>>,
    signs_with: Arc<Mutex<Option<Arc<KeyPair>>>>,
    /// The query of the last authorization request.
    asked: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let key = Arc::new(KeyPair::generate().expect("a key"));
        let provider = Self {
            issuer,
            key,
            says: Arc::new(Mutex::new(json!({}))),
            signs_with: Arc::default(),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn say(&self, claims: Value) {
        *self.says.lock().expect("unpoisoned") = claims;
    }

    /// The claims of a good token for somebody.
    fn good(&self, subject: &str) -> Value {
        // The provider's clock is the system's, as in life.
        let now =
            i64::try_from(jsonwebtoken::get_current_timestamp()).expect("within the calendar");
        json!({ "iss": self.issuer, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300 })
    }
}

async fn discovery(State(provider): State<Provider>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"),
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    // An uncompressed point: a mark, then both coordinates.
    let (x, y) = provider.key.der_bytes()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID, "x": x, "y": y });
    Json(json!({ "keys": [key] }))
}

async fn token(
    State(provider): State<Provider>,
    headers: axum::http::HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let asked = provider.asked.lock().expect("unpoisoned").clone();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    let is_client =
        headers.get("authorization").is_some_and(|value| *value == format!("Basic {basic}"));
    let fits = is_client
        && form["grant_type"] == "authorization_code"
        && form["code"] == "a-code"
        && form["redirect_uri"] == asked["redirect_uri"]
        && asked["code_challenge"] == challenge
        && asked["code_challenge_method"] == "S256";
    if !fits {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut claims = provider.says.lock().expect("unpoisoned").clone();
    if claims.get("nonce").is_none() {
        claims["nonce"] = json!(asked["nonce"]);
    }
    let key = provider.signs_with.lock().expect("unpoisoned").clone().unwrap_or(provider.key);
    let signer = EncodingKey::from_ec_der(&key.serialize_der());
    let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
    let id_token = encode(&header, &claims, &signer).expect("it is signed");
    Ok(Json(json!({ "id_token": id_token, "access_token": "x", "token_type": "Bearer" })))
}

/// A door whose provider this is.
async fn door(provider: &Provider) -> Door {
    let door = Door::of(SCENARIO, false, false).await;
    let secret = door.state.path().join("oidc.secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("the folder takes a file");
    let mut settings = (*door.agent.settings()).clone();
    settings.api.oidc = Some(trimtab_config::OidcSettings {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret_file: secret,
        redirect_url: format!("{}/login/oidc/callback", door.origin()),
        subjects: [("sub-olga".to_owned(), "olga".to_owned())].into(),
        emails: [("ada@example.com".to_owned(), "ada".to_owned())].into(),
    });
    door.agent.set_settings(settings);
    door
}

/// Goes to the provider: the state and the cookie that the browser keeps.
async fn begun(door: &Door, provider: &Provider) -> (String, String) {
    let response = send(door.request(Method::GET, "/login/oidc")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let cookie = header(&response, "set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let url = Url::parse(&header(&response, "location")).expect("a URL");
    assert!(url.as_str().starts_with(&format!("{}/authorize?", provider.issuer)), "{url}");
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!((query["response_type"].as_str(), query["client_id"].as_str()), ("code", CLIENT));
    assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
    let state = query["state"].clone();
    *provider.asked.lock().expect("unpoisoned") = query;
    (state, cookie.split(';').next().expect("a first part").to_owned())
}

async fn back(door: &Door, state: &str, cookie: &str) -> Response {
    let path = format!("/login/oidc/callback?code=a-code&state={state}");
    let request = door.request(Method::GET, &path).header("cookie", cookie);
    // As a browser says it that another site has sent here.
    send(request.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate")).await
}

fn session_of(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.filter_map(|value| value.to_str().ok());
    let session = cookies.find(|value| value.starts_with("trimtab_session=")).expect("a session");
    session.split(';').next().expect("a first part").to_owned()
}

#[test]
fn people_of_the_provider_are_people_of_the_configuration() {
    runtime().block_on(async {
        let provider = Provider::start().await;
        let door = door(&provider).await;
        let login = send(door.request(Method::GET, "/login")).await.text().await.expect("text");
        assert!(login.contains("href=\"/login/oidc\""), "{login}");
        let with = |mut claims: Value, more: Value| {
            claims
                .as_object_mut()
                .expect("claims")
                .extend(more.as_object().expect("claims").clone());
            claims
        };
        let unknown = provider.good("sub-unknown");
        for (claims, who) in [
            (provider.good("sub-olga"), "olga, operator"),
            (
                with(
                    unknown.clone(),
                    json!({ "email": "Ada@Example.com", "email_verified": true }),
                ),
                "ada, approver",
            ),
        ] {
            provider.say(claims);
            let (state, cookie) = begun(&door, &provider).await;
            let response = back(&door, &state, &cookie).await;
            assert_eq!(response.status(), StatusCode::OK);
            let session = session_of(&response);
            let page = send(door.request(Method::GET, "/").header("cookie", &session)).await;
            let html = page.text().await.expect("text");
            assert!(html.contains(who), "{html}");
            let again = back(&door, &state, &cookie).await;
            assert_eq!(again.status(), StatusCode::FORBIDDEN, "a login is good once");
            let mut settings = (*door.agent.settings()).clone();
            let name = who.split(',').next().expect("a name");
            let removed = settings.approvers.remove(name).expect("configured");
            door.agent.set_settings(settings.clone());
            let gone = send(door.request(Method::GET, "/").header("cookie", &session)).await;
            assert_eq!(gone.status(), StatusCode::SEE_OTHER, "{name} was taken out");
            settings.approvers.insert(name.to_owned(), removed);
            door.agent.set_settings(settings);
        }
    });
}

#[test]
fn what_the_provider_did_not_say_signs_nobody_in() {
    runtime().block_on(async {
        let provider = Provider::start().await;
        let door = door(&provider).await;
        let good = provider.good("sub-olga");
        let changed = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            claims
        };
        let mail = |verified: bool| {
            let mut claims = provider.good("sub-unknown");
            claims["email"] = json!("ada@example.com");
            claims["email_verified"] = json!(verified);
            claims
        };
        for (claims, told) in [
            (provider.good("sub-unknown"), "no [[approver]]"),
            (mail(false), "no [[approver]]"),
            (changed("iss", json!("https://evil.example")), "not good"),
            (changed("aud", json!("another-client")), "not good"),
            (changed("exp", json!(1_000_000_000)), "not good"),
            (changed("nonce", json!("replayed")), "nonce"),
            (changed("azp", json!("another-client")), "another client"),
        ] {
            provider.say(claims.clone());
            let (state, cookie) = begun(&door, &provider).await;
            let response = back(&door, &state, &cookie).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{claims}");
            assert_eq!(header(&response, "set-cookie"), "");
            let html = response.text().await.expect("text");
            assert!(html.contains(told), "{claims}: {html}");
        }
        provider.say(good.clone());
        let (state, cookie) = begun(&door, &provider).await;
        for (state, cookie) in [
            (state.as_str(), ""),
            (state.as_str(), "trimtab_login=0"),
            ("0", cookie.as_str()),
            ("", "trimtab_login="),
        ] {
            let response = back(&door, state, cookie).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "another browser's login");
        }
        *provider.signs_with.lock().expect("unpoisoned") =
            Some(Arc::new(KeyPair::generate().expect("a key")));
        let (state, cookie) = begun(&door, &provider).await;
        let forged = back(&door, &state, &cookie).await;
        assert_eq!(
            forged.status(),
            StatusCode::UNAUTHORIZED,
            "signed by a key that is not published"
        );
        *provider.signs_with.lock().expect("unpoisoned") = None;
        let (state, cookie) = begun(&door, &provider).await;
        let settings = door.agent.settings();
        let mut moved = (*settings).clone();
        moved.api.oidc.as_mut().expect("it is given").issuer = "https://other.example".to_owned();
        door.agent.set_settings(moved);
        let stale = back(&door, &state, &cookie).await;
        assert_eq!(stale.status(), StatusCode::FORBIDDEN, "one provider answers for another");
        door.agent.set_settings((*settings).clone());
        let lured = door.request(Method::GET, "/login/oidc").header("sec-fetch-site", "cross-site");
        assert_eq!(send(lured).await.status(), StatusCode::FORBIDDEN);
        let plain = Door::of(SCENARIO, false, false).await;
        let none = send(plain.request(Method::GET, "/login/oidc")).await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
    });
}
