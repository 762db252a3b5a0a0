//! As much of YAML as a CloudFormation template needs, with comments: it is read by people before they apply it.
//!
//! Not here: what the template holds.

/// A value, with what is said about it before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    comments: Vec<String>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Number(u32),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn of(value: Value) -> Self {
        Self { comments: Vec::new(), value }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::of(Value::Text(text.into()))
    }

    pub(super) fn number(number: u32) -> Self {
        Self::of(Value::Number(number))
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Value::List(items.into_iter().collect()))
    }

    pub(super) fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> Self {
        Self::list(items.into_iter().map(Self::text))
    }

    pub(super) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entries = entries.into_iter().map(|(key, node)| (key.into(), node));
        Self::of(Value::Map(entries.collect()))
    }

    /// A map of one entry: most of CloudFormation's functions.
    pub(super) fn call(function: &str, argument: Self) -> Self {
        Self::map([(function, argument)])
    }

    pub(super) fn reference(name: &str) -> Self {
        Self::call("Ref", Self::text(name))
    }

    pub(super) fn said(mut self, comments: impl IntoIterator<Item = String>) -> Self {
        self.comments.extend(comments);
        self
    }

    /// The document.
    pub(super) fn document(&self) -> String {
        let mut lines = Vec::new();
        self.block(0, &mut lines);
        lines.into_iter().map(|line| line + "\n").collect()
    }

    /// The lines of a value that stands below its key.
    fn block(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        match &self.value {
            Value::Text(_) | Value::Number(_) => lines.push(format!("{indent}{}", self.inline())),
            Value::List(items) => {
                for item in items {
                    item.remark(&indent, lines);
                    let mut inner = Vec::new();
                    item.block(depth + 1, &mut inner);
                    // The dash takes the place of the first line's indent.
                    let first = inner.first().map_or("", |line| line.trim_start());
                    lines.push(format!("{indent}- {first}"));
                    lines.extend(inner.into_iter().skip(1));
                }
            }
            Value::Map(entries) => {
                for (key, node) in entries {
                    node.remark(&indent, lines);
                    if node.is_inline() {
                        lines.push(format!("{indent}{key}: {}", node.inline()));
                    } else {
                        lines.push(format!("{indent}{key}:"));
                        node.block(depth + 1, lines);
                    }
                }
            }
        }
    }

    fn remark(&self, indent: &str, lines: &mut Vec<String>) {
        lines.extend(self.comments.iter().map(|comment| format!("{indent}# {comment}")));
    }

    fn is_inline(&self) -> bool {
        match &self.value {
            Value::Text(_) | Value::Number(_) => true,
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    fn inline(&self) -> String {
        match &self.value {
            // A string of JSON is one of YAML, whatever it holds.
            Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Value::Number(number) => number.to_string(),
            Value::List(_) => "[]".to_owned(),
            Value::Map(_) => "{}".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_yaml_reads_them() {
        let inner = Node::map([("a", Node::text("yes: \"1\"")), ("b", Node::number(2))]);
        let node = Node::map([
            ("list", Node::list([inner.said(["why".to_owned()]), Node::text("x")])),
            ("none", Node::list([])),
        ]);
        let expect = "list:\n  # why\n  - a: \"yes: \\\"1\\\"\"\n    b: 2\n  - \"x\"\nnone: []\n";
        assert_eq!(node.document(), expect);
    }
}
