//! Reads which AWS operation a request asks for, and on whose behalf.
//!
//! Service and region come from the credential scope of the signature, the operation from the place where the
//! service's protocol puts it. Signatures themselves are not checked, neither here nor in moto.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use axum::http::{HeaderMap, Method, Uri, header};

/// The account that moto gives to credentials it does not know.
pub(crate) const BASE_ACCOUNT: &str = "123456789012";

/// One call as the proxy saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The SDK's name of the service: `ec2`, `lambda`, `autoscaling`, `sts`, `iam`, `cloudwatch`.
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) account: String,
    /// The API's name of the operation, or method and path where the path is not known here.
    pub(crate) operation: String,
    /// Parameters of the query protocols (`InstanceId.1`), for Lambda the query's and the body's
    /// top-level members, as JSON where they are not text.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The request's path, which for Lambda names the function.
    pub(crate) path: String,
    /// HTTP status that was sent, 0 while none was (yet, or because the connection was cut).
    pub(crate) status: u16,
}

impl Call {
    /// Reads a call; `account_of` tells the account of an access key that an AssumeRole gave out.
    pub(crate) async fn read(
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        body: &Bytes,
        account_of: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let scope = credential_scope(headers);
        let service = match scope.get(3).copied().unwrap_or("unsigned") {
            "monitoring" => "cloudwatch",
            other => other,
        };
        let parameters = parameters(service, uri, body).await;
        let operation =
            target(headers).unwrap_or_else(|| operation(service, method, uri, &parameters));
        let key = scope.first().copied().unwrap_or_default();
        Self {
            service: service.to_owned(),
            region: scope.get(2).copied().unwrap_or_default().to_owned(),
            account: account_of(key).unwrap_or_else(|| BASE_ACCOUNT.to_owned()),
            operation,
            parameters,
            path: uri.path().to_owned(),
            status: 0,
        }
    }

    /// Whether the call asks to change something. A dry run changes nothing, so it is none.
    pub(crate) fn is_write(&self) -> bool {
        let reads = ["Describe", "List", "Get", "AssumeRole"];
        !self.is_dry_run() && !reads.iter().any(|read| self.operation.starts_with(read))
    }

    /// Whether the call only asks if it would be permitted.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.parameter("DryRun") == Some("true")
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The values of a list parameter of the query protocols: `InstanceId.1`, `InstanceId.2`, …
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|n| self.parameter(&format!("{name}.{n}"))).collect()
    }
}

/// Access key, day, region, service and terminator out of `Credential=AKIA…/20260101/us-east-1/ec2/aws4_request`.
fn credential_scope(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("Credential="))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default().split('/').collect())
        .unwrap_or_default()
}

/// The operation that the JSON protocols name in a header: `ServiceQuotasV20190624.GetServiceQuota`.
fn target(headers: &HeaderMap) -> Option<String> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.rsplit('.').next().map(str::to_owned)
}

async fn parameters(service: &str, uri: &Uri, body: &Bytes) -> BTreeMap<String, String> {
    if service == "cloudwatch" {
        return BTreeMap::new();
    }
    if service == "lambda" {
        let mut members = json_members(body);
        members.extend(form_pairs(uri.query().unwrap_or_default().to_owned().into()).await);
        return members;
    }
    form_pairs(body.clone()).await.into_iter().collect()
}

async fn form_pairs(form: Bytes) -> Vec<(String, String)> {
    let request = Request::builder()
        .method(Method::POST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .expect("method and header are constants");
    Form::from_request(request, &()).await.map_or_else(|_| Vec::new(), |Form(pairs)| pairs)
}

fn json_members(body: &[u8]) -> BTreeMap<String, String> {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) else {
        return BTreeMap::new();
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => other.to_string(),
    };
    members.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn operation(
    service: &str,
    method: &Method,
    uri: &Uri,
    parameters: &BTreeMap<String, String>,
) -> String {
    if let Some((_, operation)) = uri.path().split_once("/operation/") {
        return operation.to_owned();
    }
    let known = if service == "lambda" { lambda_operation(method, uri) } else { None };
    known
        .map(str::to_owned)
        .or_else(|| parameters.get("Action").cloned())
        .unwrap_or_else(|| format!("{method} {}", uri.path()))
}

/// The operation behind a REST path of Lambda. The first segment is the version of that part of the API; the function
/// itself stands as `*`.
fn lambda_operation(method: &Method, uri: &Uri) -> Option<&'static str> {
    let mut segments: Vec<&str> =
        uri.path().split('/').filter(|segment| !segment.is_empty()).skip(1).collect();
    if let Some(name) = segments.get_mut(1) {
        *name = "*";
    }
    if segments.get(2).is_some_and(|part| *part == "aliases") && segments.len() == 4 {
        segments[3] = "*";
    }
    let all = uri.query().is_some_and(|query| query.contains("List=ALL"));
    Some(match (method.as_str(), segments.join("/").as_str()) {
        ("GET", "functions") => "ListFunctions",
        ("POST", "functions") => "CreateFunction",
        ("GET", "functions/*") => "GetFunction",
        ("DELETE", "functions/*") => "DeleteFunction",
        ("GET", "functions/*/configuration") => "GetFunctionConfiguration",
        ("PUT", "functions/*/configuration") => "UpdateFunctionConfiguration",
        ("PUT", "functions/*/code") => "UpdateFunctionCode",
        ("GET", "functions/*/versions") => "ListVersionsByFunction",
        ("POST", "functions/*/versions") => "PublishVersion",
        ("GET", "functions/*/aliases") => "ListAliases",
        ("POST", "functions/*/aliases") => "CreateAlias",
        ("GET", "functions/*/aliases/*") => "GetAlias",
        ("PUT", "functions/*/aliases/*") => "UpdateAlias",
        ("DELETE", "functions/*/aliases/*") => "DeleteAlias",
        ("GET", "functions/*/policy") => "GetPolicy",
        ("POST", "functions/*/invocations") => "Invoke",
        ("GET", "functions/*/concurrency") => "GetFunctionConcurrency",
        ("PUT", "functions/*/concurrency") => "PutFunctionConcurrency",
        ("DELETE", "functions/*/concurrency") => "DeleteFunctionConcurrency",
        ("GET", "functions/*/provisioned-concurrency") if all => {
            "ListProvisionedConcurrencyConfigs"
        }
        ("GET", "functions/*/provisioned-concurrency") => "GetProvisionedConcurrencyConfig",
        ("PUT", "functions/*/provisioned-concurrency") => "PutProvisionedConcurrencyConfig",
        ("GET", "event-source-mappings") => "ListEventSourceMappings",
        ("GET", "account-settings") => "GetAccountSettings",
        ("GET", "tags/*") => "ListTags",
        ("POST", "tags/*") => "TagResource",
        ("DELETE", "tags/*") => "UntagResource",
        (_, _) => return None,
    })
}
