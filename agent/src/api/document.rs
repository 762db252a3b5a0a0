//! The API's document (OpenAPI 3.1), made from the tables of routes that serve and from the types that are answered.
//!
//! Not here: the words on each route, which stand in its row (`api`), and those on each field, which stand at the type.

use axum::http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use trimtab_policies::authority::Right;

use super::problem::{self, Problem};

const JSON: &str = "application/json";

/// The description of the whole.
const ABOUT: &str = "What the page and the command line use, for programs. Every answer is JSON unless it says otherwise, \
every refusal a problem after RFC 9457 whose `type` leads here: see the schema `Problem`. Amounts are US dollars, times are \
UTC. Lists come in pages: `next` is the cursor of the following one, and the header `Link` names it whole. Answers with an \
`ETag` take `If-None-Match`; decisions take `If-Match`, and one about what has changed since is refused with 412. A token \
is made by `trimtab token create`; the daemon's own is in `operator.token` of its state folder.";

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a route takes and answers, in words and schemas.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    summary: &'static str,
    query: Option<SchemaOf>,
    body: Option<SchemaOf>,
    answer: Answer,
    refusals: Vec<StatusCode>,
    is_tagged: bool,
    takes_tag: bool,
    is_free_here: bool,
}

/// What comes when all goes well.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Json(StatusCode, SchemaOf),
    /// Server-sent events, each with such data.
    Events(SchemaOf),
    Text(&'static str),
}

impl Told {
    const fn new(summary: &'static str, answer: Answer) -> Self {
        Self {
            summary,
            query: None,
            body: None,
            answer,
            refusals: Vec::new(),
            is_tagged: false,
            takes_tag: false,
            is_free_here: false,
        }
    }

    /// A route that answers 200 with such a body.
    pub(crate) fn answers<T: JsonSchema>(summary: &'static str) -> Self {
        Self::new(summary, Answer::Json(StatusCode::OK, SchemaGenerator::subschema_for::<T>))
    }

    /// A route that answers such a body with another status.
    pub(crate) fn answers_with<T: JsonSchema>(status: StatusCode, summary: &'static str) -> Self {
        Self::new(summary, Answer::Json(status, SchemaGenerator::subschema_for::<T>))
    }

    /// A route that answers events with such data.
    pub(crate) fn streams<T: JsonSchema>(summary: &'static str) -> Self {
        Self::new(summary, Answer::Events(SchemaGenerator::subschema_for::<T>))
    }

    /// A route that answers plain text.
    pub(crate) const fn says(summary: &'static str, media_type: &'static str) -> Self {
        Self::new(summary, Answer::Text(media_type))
    }

    /// It reads such a query.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::subschema_for::<T>);
        self.may(StatusCode::BAD_REQUEST)
    }

    /// It reads such a body.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self.may(StatusCode::BAD_REQUEST).may(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Its answer has a tag.
    pub(crate) const fn tagged(mut self) -> Self {
        self.is_tagged = true;
        self
    }

    /// It may be asked for what has a tag alone.
    pub(crate) fn if_match(mut self) -> Self {
        self.takes_tag = true;
        self.may(StatusCode::PRECONDITION_FAILED)
    }

    /// From this machine it needs no token.
    pub(crate) const fn free_on_this_machine(mut self) -> Self {
        self.is_free_here = true;
        self
    }

    /// It may refuse with this status.
    pub(crate) fn may(mut self, status: StatusCode) -> Self {
        self.refusals.push(status);
        self
    }
}

/// One route of the document.
pub(super) struct ToldRoute {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What a caller must be allowed to; `None` where anybody may ask.
    pub(super) right: Option<Right>,
    pub(super) told: Told,
}

/// The document of these routes.
pub(super) fn document(routes: impl Iterator<Item = ToldRoute>) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let answers =
        settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut answers = answers.for_serialize().into_generator();
    let asked = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schemas = Schemas {
        asked: asked.for_deserialize().into_generator(),
        problem: answers.subschema_for::<Problem>(),
        answers,
    };
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let operation = operation(&route, &mut schemas);
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Trimtab",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.answers.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// What makes schemas: of what is asked, in place; of what is answered, by name.
struct Schemas {
    asked: SchemaGenerator,
    answers: SchemaGenerator,
    problem: Schema,
}

fn operation(route: &ToldRoute, schemas: &mut Schemas) -> Value {
    let told = &route.told;
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": told.summary,
        "security": match route.right {
            Some(_) if told.is_free_here => json!([{ "token": [] }, {}]),
            Some(_) => json!([{ "token": [] }]),
            None => json!([]),
        },
        "parameters": parameters(route, schemas),
        "responses": responses(route, schemas),
    });
    if let Some(right) = route.right {
        operation["description"] = if told.is_free_here {
            json!(
                "Needs a token of any role, unless it is asked for from the daemon's own machine."
            )
        } else {
            json!(format!("Needs the right to {}.", right.deed()))
        };
    }
    if let Some(body) = told.body {
        let schema = body(&mut schemas.asked);
        operation["requestBody"] = json!({ "content": { (JSON): { "schema": schema } } });
    }
    operation
}

/// `get_recommendations_id` of `GET /api/v1/recommendations/{id}`.
fn operation_id(route: &ToldRoute) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words =
        path.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn parameters(route: &ToldRoute, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    let header = |name: &str, description: &str| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "description": description, "schema": schema })
    };
    if has_id(route) {
        let schema = json!({ "type": "string" });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
    }
    if let Some(query) = route.told.query {
        parameters.extend(query_parameters(&query(&mut schemas.asked)));
    }
    if route.told.is_tagged {
        parameters.push(header(
            "If-None-Match",
            "Tags that are held already; 304 when one of them is still the answer's.",
        ));
    }
    if route.told.takes_tag {
        parameters.push(header("If-Match", "The `ETag` of what was looked at; 412 when what a decision depends on has changed since."));
    }
    if matches!(route.told.answer, Answer::Events(_)) {
        let description = "The last event that was seen; those after it come first. The newest when it is not said.";
        let schema = json!({ "type": "integer", "minimum": 0 });
        parameters.push(json!({ "name": "Last-Event-ID", "in": "header", "description": description, "schema": schema }));
    }
    parameters
}

/// Each field of a query as a parameter of its own.
fn query_parameters(schema: &Schema) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties =
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let required = required.iter().any(|one| *one == json!(name));
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "required": required, "description": description, "schema": not_null(schema) })
    };
    properties.into_iter().map(parameter).collect()
}

/// A query leaves out what it does not say: it cannot say `null`.
fn not_null(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    let null = json!("null");
    if let Some(types) = fields.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| *one != null);
    }
    if let Some(values) = fields.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|one| !one.is_null());
    }
    if let Some(choices) = fields.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|one| one.get("type") != Some(&null));
    }
    schema
}

fn has_id(route: &ToldRoute) -> bool {
    route.path.contains("{id}")
}

fn responses(route: &ToldRoute, schemas: &mut Schemas) -> Value {
    let told = &route.told;
    let (status, content) = match told.answer {
        Answer::Json(status, body) => {
            (status, json!({ (JSON): { "schema": body(&mut schemas.answers) } }))
        }
        Answer::Events(data) => {
            let event = data(&mut schemas.answers);
            let schema = json!({ "type": "string", "contentMediaType": "text/event-stream" });
            (
                StatusCode::OK,
                json!({ "text/event-stream": { "schema": schema, "x-event-data": event } }),
            )
        }
        Answer::Text(media_type) => {
            (StatusCode::OK, json!({ (media_type): { "schema": { "type": "string" } } }))
        }
    };
    let mut responses = Map::new();
    let mut answer = json!({ "description": words(status), "content": content });
    let tag = json!({ "schema": { "type": "string" } });
    if told.is_tagged {
        answer["headers"] = json!({ "ETag": tag });
        let held = json!({ "description": "What is held already is still the answer.", "headers": { "ETag": tag } });
        responses.insert("304".to_owned(), held);
    }
    responses.insert(status.as_str().to_owned(), answer);
    for status in refusals(route) {
        let mut refusal = json!({
            "description": words(status),
            "content": { (problem::MEDIA_TYPE): { "schema": schemas.problem } },
        });
        if status == StatusCode::TOO_MANY_REQUESTS {
            let schema = json!({ "type": "integer", "minimum": 1 });
            refusal["headers"] = json!({ "Retry-After": { "schema": schema, "required": true } });
        }
        responses.insert(status.as_str().to_owned(), refusal);
    }
    Value::Object(responses)
}

/// What the route says that it may refuse with, and what comes before it: the guard, the limits and the time.
fn refusals(route: &ToldRoute) -> Vec<StatusCode> {
    let mut refusals = route.told.refusals.clone();
    refusals.extend([StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT]);
    if route.right.is_some() {
        refusals.extend([
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::TOO_MANY_REQUESTS,
        ]);
    }
    if has_id(route) {
        refusals.extend([StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND]);
    }
    refusals
}

fn words(status: StatusCode) -> &'static str {
    problem::words(status).unwrap_or("Done.")
}
